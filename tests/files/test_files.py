"""Files are kept as they were sent, are told by their content, and are their owner's alone."""

import hashlib
import io
import os
import re
import zipfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from app.stores.blobs.keeping import PIECE
from tests.accounts.signing import is_problem, new_key
from tests.backend import Backend, User
from tests.conftest import Serve
from tests.files.places import KINDS, settings_of
from tests.files.sending import PDF, content_of, form, listed, on_disk, sent, upload, uploaded, within
from tests.s3_server import S3Server


@pytest.fixture
async def alice(backend: Backend) -> User:
    return await backend.user("alice")


@pytest.fixture(params=KINDS)
async def anywhere(request: pytest.FixtureRequest, serve: Serve) -> AsyncIterator[User]:
    """A user of a server that keeps files in a folder, or in a bucket."""
    async with AsyncExitStack() as stack:
        settings = settings_of(await stack.enter_async_context(S3Server())) if request.param == "bucket" else {}
        yield await (await serve(**settings)).user("alice")


@pytest.mark.parametrize("size", [1, PIECE, 6 * 1024 * 1024 + 3])
async def test_a_file_comes_back_as_it_was_sent(anywhere: User, size: int) -> None:
    content = os.urandom(size)
    file = await uploaded(anywhere, content, "Größe 数据.bin")
    assert file.keys() == {"id", "name", "media_type", "size", "sha256", "created_at"}
    assert (file["name"], file["size"], file["sha256"]) == ("Größe 数据.bin", size, hashlib.sha256(content).hexdigest())
    assert (await anywhere.http.get(f"/files/{file['id']}")).json() == file
    assert await listed(anywhere) == [file]
    assert await content_of(anywhere, file) == content
    assert (await anywhere.http.delete(f"/files/{file['id']}")).status_code == 204
    for path in (f"/files/{file['id']}", f"/files/{file['id']}/content"):
        is_problem(await anywhere.http.get(path), 404, "not_found")
    assert await listed(anywhere) == []


async def test_a_download_is_a_download_whatever_it_holds(alice: User) -> None:
    file = await uploaded(alice, b"<html><script>alert(1)</script></html>", "evil\"; x='.html")
    answer = await alice.http.get(f"/files/{file['id']}/content")
    headers = answer.headers
    assert headers["content-type"] == "text/html"
    assert headers["content-disposition"].startswith('attachment; filename="')
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "sandbox"
    assert headers["cache-control"] == "private, no-store"
    assert headers["content-length"] == str(file["size"])
    assert headers["etag"] == f'"{file["sha256"]}"'


async def test_its_name_is_told_in_every_script(alice: User) -> None:
    file = await uploaded(alice, b"x", "年度报告 🎉.pdf")
    disposition = (await alice.http.get(f"/files/{file['id']}/content")).headers["content-disposition"]
    assert disposition.endswith("filename*=UTF-8''%E5%B9%B4%E5%BA%A6%E6%8A%A5%E5%91%8A%20%F0%9F%8E%89.pdf")


def _docx() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", "<document/>")
    return held.getvalue()


@pytest.mark.parametrize(
    ("content", "name", "media_type"),
    [
        (PDF, "holiday.jpg", "application/pdf"),
        (b"MZ\x90\x00\x03" + bytes(200), "report.pdf", "application/octet-stream"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "text.txt", "image/png"),
        (b"<!DOCTYPE html><html></html>", "image.png", "text/html"),
        (_docx(), "x.zip", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (b"a,b\n1,2\n", "table.csv", "text/csv"),
        ("# 标题\n".encode(), "notes.md", "text/markdown"),
        ("你好".encode("gb18030"), "old.txt", "text/plain"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_a_file_is_its_content_tells(alice: User, content: bytes, name: str, media_type: str) -> None:
    assert (await uploaded(alice, content, name))["media_type"] == media_type


async def test_the_same_content_again_is_the_same_file(alice: User, database_kind: str, tmp_path: Path) -> None:
    first = await uploaded(alice, b"the same", "first.txt")
    assert await uploaded(alice, b"the same", "second.txt") == first
    assert await listed(alice) == [first]
    assert len(on_disk(tmp_path)) == 1


async def test_two_people_have_the_same_content_each_for_themselves(backend: Backend, alice: User) -> None:
    bob = await backend.user("bob")
    mine, other = await uploaded(alice, b"the same"), await uploaded(bob, b"the same")
    assert mine["id"] != other["id"]
    assert (await alice.http.delete(f"/files/{mine['id']}")).status_code == 204
    assert await content_of(bob, other) == b"the same"


async def test_what_was_deleted_can_be_uploaded_again(alice: User) -> None:
    first = await uploaded(alice, b"again")
    await alice.http.delete(f"/files/{first['id']}")
    second = await uploaded(alice, b"again")
    assert second["id"] != first["id"]
    assert await content_of(alice, second) == b"again"


async def test_nobody_else_sees_a_file(backend: Backend, alice: User, database_kind: str) -> None:
    file = await uploaded(alice, b"secret")
    bob = await backend.user("bob")
    for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        for id_ in (file["id"], str(uuid4()), "1", "..%2f..", "%00"):
            is_problem(await bob.http.request(method, f"/files/{id_}{path}"), 404, "not_found")
    assert await listed(bob) == []
    assert await content_of(alice, file) == b"secret"


async def test_a_key_needs_the_scope(backend: Backend, alice: User) -> None:
    key = await new_key(backend, dict(alice.http.headers), scopes=["chat"])
    answer = await upload(alice, b"x", headers={"Authorization": f"Bearer {key['key']}"})
    is_problem(answer, 403, "insufficient_scope")


async def test_files_are_listed_page_by_page_the_newest_first(alice: User, database_kind: str) -> None:
    ids = [(await uploaded(alice, f"file {number}".encode()))["id"] for number in range(7)]
    found: list[str] = []
    query: dict[str, Any] = {"limit": 3}
    while True:
        page = (await alice.http.get("/files", params=query)).json()
        found += [each["id"] for each in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert found == ids[::-1]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("C:\\Users\\me\\a.pdf", "a.pdf"),
        ("/absolute/a.pdf", "a.pdf"),
        ("a\x00b.pdf", "a b.pdf"),
        ("..", "file"),
        (".", "file"),
        ("   ", "file"),
        ("\u202efdp.exe", "fdp.exe"),
        ("CON", "CON"),
        ("a;b=c.txt", "a;b=c.txt"),
        ("家族 👨‍👩‍👧.png", "家族 👨‍👩‍👧.png"),
        ("名" * 5_000 + ".pdf", "名" * 196 + ".pdf"),
        ("x" * 300, "x" * 200),
    ],
    ids=lambda value: repr(value)[:20],
)
async def test_a_name_is_only_a_name(alice: User, tmp_path: Path, given: str, shown: str) -> None:
    before = {*within(tmp_path)}
    answer = await sent(alice, form(b"x", given))  # as it stands: clients of good faith would escape some of it
    assert answer.status_code == 201, answer.text
    file = answer.json()
    assert file["name"] == shown
    made = {*within(tmp_path)} - before
    ours = [path for path in made if "-wal" not in path.name and "-shm" not in path.name]
    assert [path for path in ours if path.relative_to(tmp_path).parts[0] != "vectors"] == on_disk(tmp_path)
    (kept,) = on_disk(tmp_path)
    assert re.fullmatch("[0-9a-f-]{36}/[0-9a-f-]{36}", str(kept.relative_to(tmp_path / "files")))
    assert await content_of(alice, file) == b"x"


async def test_a_part_of_a_file_is_had_by_its_range(anywhere: User) -> None:
    content = os.urandom(3 * PIECE + 11)
    file = await uploaded(anywhere, content)
    path = f"/files/{file['id']}/content"
    for asked, start, end in (
        ("bytes=0-0", 0, 1),
        ("bytes=10-", 10, len(content)),
        ("bytes=-5", len(content) - 5, len(content)),
        (f"bytes=5-{10**17}", 5, len(content)),
        (f"bytes=-{10**17}", 0, len(content)),
        (f"bytes={PIECE - 1}-{2 * PIECE}", PIECE - 1, 2 * PIECE + 1),
    ):
        answer = await anywhere.http.get(path, headers={"Range": asked})
        assert answer.status_code == 206, asked
        assert answer.content == content[start:end]
        assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(content)}"
        assert answer.headers["content-length"] == str(end - start)


async def test_a_range_that_is_none_gets_all_and_one_beyond_the_end_is_refused(alice: User) -> None:
    file = await uploaded(alice, b"0123456789")
    path = f"/files/{file['id']}/content"
    many = "bytes=" + ",".join(f"{number}-{number + 5}" for number in range(2000))
    for asked in (
        "bytes=a-b",
        "bytes=-",
        "bytes=5-2",
        "lines=0-1",
        "bytes",
        many,
        "bytes=0-1,3-4",
        "",
        "bytes=1-1" * 50,
    ):
        answer = await alice.http.get(path, headers={"Range": asked})
        assert (answer.status_code, answer.content) == (200, b"0123456789"), asked
    for asked in ("bytes=10-", "bytes=99-100", "bytes=-0"):
        answer = await alice.http.get(path, headers={"Range": asked})
        is_problem(answer, 416, "range_not_satisfiable")
        assert answer.headers["content-range"] == "bytes */10"


async def test_a_range_of_another_version_is_not_given(alice: User) -> None:
    file = await uploaded(alice, b"0123456789")
    path = f"/files/{file['id']}/content"
    for version, status in ((f'"{file["sha256"]}"', 206), ('"other"', 200)):
        answer = await alice.http.get(path, headers={"Range": "bytes=0-1", "If-Range": version})
        assert answer.status_code == status


async def test_the_export_has_them_all(backend: Backend, alice: User) -> None:
    content = os.urandom(PIECE + 5)
    first, second = await uploaded(alice, content, "数据.bin"), await uploaded(alice, b"text", "数据.bin")
    await uploaded(await backend.user("bob"), b"of Bob")
    answer = await alice.http.get("/users/me/export", timeout=60)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.read(f"files/{first['id']}/数据.bin") == content
        assert archive.read(f"files/{second['id']}/数据.bin") == b"text"
        told = archive.read("files.json").decode()
        assert len([name for name in archive.namelist() if name.startswith("files/")]) == 2
    assert first["id"] in told
    assert "of Bob" not in told
