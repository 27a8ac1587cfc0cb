"""A PDF to be analysed that comes in no good form, or not to its end: refused, and nothing of it is left."""

import asyncio
from pathlib import Path

import pytest

from tests.accounts.signing import is_problem
from tests.backend import Backend, User
from tests.conftest import Serve
from tests.files.sending import BOUNDARY, END, FORM, form, head, on_disk, raw
from tests.parsing.pdfs import lines, pdf
from tests.sse import Stream
from tests.upstream import Upstream

MOST = 1024 * 1024
PATH = "/analyze/pdf"
REPORT = pdf(lines("The bridge was built in 1932."))
PART = head("a.pdf") + REPORT + b"\r\n"


@pytest.fixture
async def backend(serve: Serve) -> Backend:
    return await serve(max_upload_bytes=MOST)


@pytest.fixture
async def alice(backend: Backend) -> User:
    return await backend.user()


BODIES: dict[str, tuple[bytes, str, int, str]] = {
    "nothing": (b"", FORM, 400, "invalid_form"),
    "JSON": (b"{}", "application/json", 415, "unsupported_media_type"),
    "no boundary": (form(REPORT), "multipart/form-data", 400, "invalid_form"),
    "no part": (b"--" + BOUNDARY + b"--\r\n", FORM, 422, "validation_error"),
    "two files": (PART + form(REPORT, "b.pdf"), FORM, 422, "validation_error"),
    "10,000 parts": (PART + head("b", b"x") + (b"x\r\n" + head("b", b"x")) * 10_000 + END, FORM, 400, "invalid_form"),
    "no end": (form(REPORT, "a.pdf")[: -len(END)], FORM, 400, "invalid_form"),
    "a large file": (form(REPORT + b"x" * MOST, "a.pdf"), FORM, 413, "payload_too_large"),
    "an endless question": (PART + form(b"x" * 70_000, None, b"question"), FORM, 413, "payload_too_large"),
    "a question in Latin-1": (PART + form(b"\xe9", None, b"question"), FORM, 422, "validation_error"),
    "a question with NUL": (PART + form(b"a\0b", None, b"question"), FORM, 422, "validation_error"),
}


@pytest.mark.parametrize("what", BODIES)
async def test_what_is_no_form_with_one_pdf_is_refused_and_leaves_nothing(
    alice: User, upstream: Upstream, tmp_path: Path, what: str
) -> None:
    body, content_type, status, code = BODIES[what]
    is_problem(await alice.http.post(PATH, content=body, headers={"Content-Type": content_type}), status, code)
    await nothing_is_left(alice, upstream, tmp_path)


async def nothing_is_left(alice: User, upstream: Upstream, folder: Path) -> None:
    assert (await alice.http.get("/files")).json()["items"] == []
    assert (await alice.http.get("/conversations")).json()["items"] == []
    assert on_disk(folder) == []
    assert upstream.calls == []


async def test_a_client_that_leaves_in_the_middle_leaves_nothing(
    backend: Backend, alice: User, upstream: Upstream, tmp_path: Path
) -> None:
    async with raw(backend, alice, "Content-Length: 900000", path=PATH) as (_, writer):
        writer.write(head("a.pdf") + b"%PDF-1.7\n" + b"x" * 300_000)
        await writer.drain()
        await asyncio.sleep(0.3)
    async with asyncio.timeout(10):
        while on_disk(tmp_path):
            await asyncio.sleep(0.05)
    await nothing_is_left(alice, upstream, tmp_path)


@pytest.mark.parametrize("path", [PATH, "/files", "/rag/collections/notes/documents"])
async def test_a_false_length_is_not_believed(
    backend: Backend, alice: User, upstream: Upstream, tmp_path: Path, path: str
) -> None:
    """Neither one that nobody can send, nor one behind which more comes."""
    async with raw(backend, alice, f"Content-Length: {10**15}", path=path) as (reader, _):
        assert b" 413 " in await asyncio.wait_for(reader.readline(), 10)
    for length in ("-1", "0x10", "1_000", "12, 13"):
        async with raw(backend, alice, f"Content-Length: {length}", path=path) as (reader, _):
            assert b" 400 " in await asyncio.wait_for(reader.readline(), 10)
    name = b"files" if path.startswith("/rag") else b"file"
    body = form(REPORT, "a.pdf", name)
    async with raw(backend, alice, f"Content-Length: {len(body) - 20}", path=path) as (reader, writer):
        writer.write(body)
        assert b" 400 " in await asyncio.wait_for(reader.readline(), 10)
    await nothing_is_left(alice, upstream, tmp_path)
    assert (await alice.http.get("/rag/collections")).json()["items"] == []


@pytest.mark.parametrize(
    ("given", "shown"),
    [("../../etc/bridge.pdf", "bridge.pdf"), ("a\0b.pdf", "a b.pdf"), ("..\\..\\桥.pdf", "桥.pdf"), ("🎉", "🎉")],
)
async def test_a_name_is_only_a_name(alice: User, tmp_path: Path, given: str, shown: str) -> None:
    answer = await alice.http.post(PATH, content=form(REPORT, given), headers={"Content-Type": FORM})
    assert answer.status_code == 200, answer.text
    (told,) = Stream.of(answer.content).named("sources")
    assert [each["name"] for each in told["files"]] == [shown]
    assert {path.parent.parent for path in on_disk(tmp_path)} == {tmp_path / "files"}
