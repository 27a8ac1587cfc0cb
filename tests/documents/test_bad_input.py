"""What is no document, no collection, or not all of one: refused with a word, and nothing of it is left."""

import asyncio
import io
import json
import os
import zipfile
from pathlib import Path
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest

from tests.accounts.signing import is_problem
from tests.backend import Backend, User
from tests.conftest import Serve
from tests.documents.papers import NOTES, add, added, failed, ready, report
from tests.files.sending import BOUNDARY, END, FORM, form, head, on_disk, raw
from tests.files.test_keeping import LONG_AGO, put

MOST = 1024 * 1024
JSON = "application/json"


@pytest.fixture
async def backend(serve: Serve) -> Backend:
    return await serve(max_upload_bytes=MOST)


@pytest.fixture
async def alice(backend: Backend) -> User:
    return await backend.user("alice")


async def nothing_is_left(user: User, folder: Path) -> None:
    assert (await user.http.get("/rag/collections")).json()["items"] == []
    assert (await user.http.get("/files")).json()["items"] == []
    assert on_disk(folder) == []


PART = head("a.txt", b"files") + b"x\r\n"
BODIES: dict[str, tuple[bytes, str, int, str]] = {
    "nothing": (b"", FORM, 400, "invalid_form"),
    "no type": (b"x", "", 415, "unsupported_media_type"),
    "plain text": (b"x", "text/plain", 415, "unsupported_media_type"),
    "no part": (b"--" + BOUNDARY + b"--\r\n", FORM, 422, "validation_error"),
    "another field": (form(b"x", "a.txt", b"file"), FORM, 422, "validation_error"),
    "no name": (form(b"x", None, b"files"), FORM, 422, "validation_error"),
    "an empty file": (form(b"", "a.txt", b"files"), FORM, 422, "validation_error"),
    "an empty file behind a good one": (PART + form(b"", "b.txt", b"files"), FORM, 422, "validation_error"),
    "21 files": (PART * 20 + form(b"x", "a.txt", b"files"), FORM, 422, "validation_error"),
    "10,000 parts": (PART * 10_000 + END, FORM, 400, "invalid_form"),
    "no end": (form(b"x" * 1000, "a.txt", b"files")[: -len(END)], FORM, 400, "invalid_form"),
    "a large file": (form(b"x" * (MOST + 1), "a.txt", b"files"), FORM, 413, "payload_too_large"),
    "an endless title": (PART + form(b"x" * 70_000, None, b"title"), FORM, 413, "payload_too_large"),
    "no JSON": (b"{", JSON, 400, "invalid_json"),
    "JSON in Latin-1": (b'{"title": "\xe9", "text": "x"}', JSON, 400, "invalid_json"),
    "deep JSON": (b"[" * 100_000, JSON, 400, "invalid_json"),
    "a list": (b"[]", JSON, 422, "validation_error"),
    "null": (b"null", JSON, 422, "validation_error"),
    "no text": (b'{"title": "x"}', JSON, 422, "validation_error"),
    "more than is offered": (b'{"title": "x", "text": "x", "user_id": "x"}', JSON, 422, "validation_error"),
    "an empty text": (b'{"title": "x", "text": ""}', JSON, 422, "validation_error"),
    "a blank text": (b'{"title": "x", "text": " \\n "}', JSON, 422, "validation_error"),
    "a blank title": (b'{"title": " ", "text": "x"}', JSON, 422, "validation_error"),
    "a long title": (json.dumps({"title": "x" * 301, "text": "x"}).encode(), JSON, 422, "validation_error"),
    "a number": (b'{"title": 1, "text": 2}', JSON, 422, "validation_error"),
    "NUL": (b'{"title": "x", "text": "a\\u0000b"}', JSON, 422, "validation_error"),
    "half a pair": (b'{"title": "x", "text": "a\\ud800b"}', JSON, 422, "validation_error"),
    "a large text": (json.dumps({"title": "x", "text": "x" * 2 * MOST}).encode(), JSON, 413, "payload_too_large"),
}


@pytest.mark.parametrize("what", BODIES)
async def test_what_is_no_document_is_refused_and_leaves_nothing(alice: User, tmp_path: Path, what: str) -> None:
    body, content_type, status, code = BODIES[what]
    answer = await alice.http.post(NOTES, content=body, headers={"Content-Type": content_type})
    is_problem(answer, status, code)
    await nothing_is_left(alice, tmp_path)


async def test_a_form_has_a_limit_of_its_own(alice: User, tmp_path: Path) -> None:
    many = [(f"{number}.bin", os.urandom(16).hex().encode() * (MOST // 33)) for number in range(6)]
    is_problem(await add(alice, *many), 413, "payload_too_large")
    await nothing_is_left(alice, tmp_path)
    assert len(await added(alice, *many[:3])) == 3


NO_NAMES = ("", " ", " a", "a ", "a\n", "\x00", "a\x7fb", "x" * 201, ".", "..", "a/b", "\ud800", "\u2028")


@pytest.mark.parametrize("name", NO_NAMES, ids=lambda name: ascii(name)[:20])
async def test_what_no_collection_can_be_called(alice: User, tmp_path: Path, name: str) -> None:
    body = json.dumps({"name": name}).encode()
    answer = await alice.http.post("/rag/collections", content=body, headers={"Content-Type": JSON})
    is_problem(answer, 422, "validation_error")
    spelled = quote(name.encode(errors="surrogatepass"), safe="")
    for path, method in ((f"/rag/collections/{spelled}/documents", "POST"), (f"/rag/collections/{spelled}", "DELETE")):
        answer = await alice.http.request(method, path, json={"title": "x", "text": "x"})
        assert answer.status_code in (404, 405), (path, answer.text)
    await nothing_is_left(alice, tmp_path)


async def test_what_one_can_be_called_in_any_script(alice: User, database_kind: str) -> None:
    for name in ("x" * 200, "手册", "🎉👨‍👩‍👧", "a b", "a?b#c%d&e", "..x", "' OR 1=1 --", "\\"):
        answer = await alice.http.post("/rag/collections", json={"name": name, "description": "说明 🎉"})
        assert answer.status_code == 201, answer.text
        is_problem(await alice.http.post("/rag/collections", json={"name": name}), 409, "collection_exists")
        path = f"/rag/collections/{quote(name, safe='')}"
        (document,) = await added(alice, ("a.txt", b"Something."), to=f"{path}/documents")
        await ready(alice, document["document_id"], f"{path}/documents")
        (listed,) = (await alice.http.get("/rag/collections")).json()["items"]
        assert (listed["name"], listed["description"], listed["documents"]) == (name, "说明 🎉", 1)
        assert (await alice.http.delete(path)).status_code == 204
        assert (await alice.http.get("/rag/collections")).json()["items"] == []


async def test_names_are_told_apart_by_every_character(alice: User, database_kind: str) -> None:
    for name in ("notes", "Notes", "nötes", "notes!"):
        assert (await alice.http.post("/rag/collections", json={"name": name})).status_code == 201
    assert len((await alice.http.get("/rag/collections")).json()["items"]) == 4


@pytest.mark.parametrize("value", ["1", "null", "%00", "x" * 300, str(UUID(int=7)), "张三", "..%2f.."])
async def test_what_is_unknown_is_404_everywhere(alice: User, database_kind: str, value: str) -> None:
    await added(alice, ("a.txt", b"Something."))
    for method, path in (
        ("GET", f"{NOTES}/{value}"),
        ("DELETE", f"{NOTES}/{value}"),
        ("GET", f"/rag/collections/{value}/documents"),
        ("DELETE", f"/rag/collections/{value}"),
        ("GET", f"/jobs/{value}"),
        ("GET", f"/jobs/{value}/events"),
        ("DELETE", f"/jobs/{value}"),
        ("POST", f"/jobs/{value}/retry"),
    ):
        is_problem(await alice.http.request(method, path), 404, "not_found")


async def test_a_name_is_only_a_name(alice: User, tmp_path: Path) -> None:
    for given, title in (
        ("../../etc/passwd.txt", "passwd.txt"),
        ("a\x00b.txt", "a b.txt"),
        ("🎉 数据.txt", "🎉 数据.txt"),
    ):
        body = form(f"Of {title}".encode(), given, b"files")
        answer = await alice.http.post(NOTES, content=body, headers={"Content-Type": FORM})
        assert answer.status_code == 202, answer.text
        assert answer.json()["documents"][0]["title"] == title
    assert {path.parent.parent for path in on_disk(tmp_path)} == {tmp_path / "files"}


async def test_a_bomb_is_a_document_that_cannot_be_read(alice: User) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", b"<w>" + b"\0" * 300 * MOST)
    (document,) = await added(alice, ("bomb.docx", held.getvalue()))
    assert await failed(alice, document["document_id"]) in ("too_large", "damaged")
    assert (await alice.http.get("/ready")).status_code == 200


async def test_a_client_that_leaves_in_the_middle_leaves_nothing(backend: Backend, alice: User, tmp_path: Path) -> None:
    body = PART + head("b.txt", b"files") + b"x" * 300_000
    async with raw(backend, alice, "Content-Length: 900000", path=NOTES) as (_, writer):
        writer.write(body)
        await writer.drain()
        async with asyncio.timeout(10):
            while not on_disk(tmp_path):
                await asyncio.sleep(0.02)
    async with asyncio.timeout(10):
        while on_disk(tmp_path):
            await asyncio.sleep(0.05)
    await nothing_is_left(alice, tmp_path)


async def test_a_false_length_is_not_believed(backend: Backend, alice: User) -> None:
    async with raw(backend, alice, f"Content-Length: {10**15}", path=NOTES) as (reader, _):
        async with asyncio.timeout(10):
            assert b" 413 " in await reader.readline()


async def test_a_file_whose_bytes_are_lost_says_so_and_heals(alice: User, tmp_path: Path) -> None:
    content = report(2)
    (document,) = await added(alice, ("a.pdf", content))
    await ready(alice, document["document_id"])
    (other,) = await added(alice, ("a.pdf", content), to="/rag/collections/other/documents")
    others = "/rag/collections/other/documents"
    await ready(alice, other["document_id"], others)
    for path in on_disk(tmp_path):
        path.unlink()
    (third,) = await added(alice, ("b.txt", b"Not lost."))
    await ready(alice, third["document_id"])
    assert (await alice.http.post(f"/jobs/{other['job_id']}/retry")).status_code == 202
    assert (await ready(alice, other["document_id"], others))["pages"] == 2
    assert await added(alice, ("a.pdf", content)) == [document]
    file_id = (await ready(alice, document["document_id"]))["file_id"]
    assert (await alice.http.get(f"/files/{file_id}/content")).content == content


async def test_an_upload_that_meets_a_deletion_is_kept(alice: User) -> None:
    """Of the same content; it was 404 for the one who came second."""
    content = b"the same"

    async def upload_and_delete() -> None:
        for _ in range(15):
            answer = await alice.http.post("/files", files={"file": ("a.txt", content)})
            assert answer.status_code == 201, answer.text
            await alice.http.delete(f"/files/{answer.json()['id']}")

    await asyncio.gather(*(upload_and_delete() for _ in range(4)))


async def test_what_a_deleted_account_was_uploading_is_swept(backend: Backend, alice: User, tmp_path: Path) -> None:
    me = (await alice.http.get("/users/me")).json()["id"]
    assert (await alice.http.delete("/users/me")).status_code == 204
    late = tmp_path / "files" / me / str(uuid4())
    late.parent.mkdir(parents=True)
    put(late)
    os.utime(late, (LONG_AGO, LONG_AGO))
    await backend.house.orphans.sweep()
    assert on_disk(tmp_path) == []
