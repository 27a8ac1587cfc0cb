"""Where files are kept something goes wrong: a typed refusal for what it is about, and everything else goes on."""

import asyncio
import io
import os
import resource
import sys
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import delete

from app.models.files import files
from app.services.orphans import Orphans
from app.stores.blobs.keeping import PIECE
from tests.accounts.behind import alter
from tests.accounts.signing import is_problem
from tests.backend import Backend, Process, User
from tests.conftest import Serve
from tests.files.places import settings_of
from tests.files.sending import content_of, listed, on_disk, upload, uploaded
from tests.s3_server import S3Server

LONG_AGO = time.time() - 40 * 24 * 3600


@pytest.fixture
async def alice(backend: Backend) -> User:
    return await backend.user("alice")


async def test_a_file_whose_bytes_are_lost_is_unreadable_alone_until_it_comes_again(
    alice: User, tmp_path: Path
) -> None:
    whole, lost = await uploaded(alice, b"whole"), await uploaded(alice, b"to be lost")
    next(path for path in on_disk(tmp_path) if path.name == lost["id"]).unlink()
    is_problem(await alice.http.get(f"/files/{lost['id']}/content"), 500, "file_unreadable")
    assert await content_of(alice, whole) == b"whole"
    assert await uploaded(alice, b"to be lost") == lost
    assert await content_of(alice, lost) == b"to be lost"
    assert (await alice.http.delete(f"/files/{lost['id']}")).status_code == 204
    assert [path.name for path in on_disk(tmp_path)] == [whole["id"]]


async def test_a_file_that_is_shorter_than_it_was_is_never_sent_as_if_it_were_whole(
    alice: User, tmp_path: Path
) -> None:
    file = await uploaded(alice, b"0123456789")
    on_disk(tmp_path)[0].write_bytes(b"01234")
    is_problem(await alice.http.get(f"/files/{file['id']}/content"), 500, "file_unreadable")


async def test_the_export_says_of_a_lost_file_that_it_is_lost(alice: User, tmp_path: Path) -> None:
    file = await uploaded(alice, b"to be lost", "a.txt")
    on_disk(tmp_path)[0].unlink()
    answer = await alice.http.get("/users/me/export")
    assert f"files/{file['id']}/a.txt.unreadable.txt".encode() in answer.content


async def test_the_export_goes_on_behind_a_file_that_is_damaged_further_on(alice: User, tmp_path: Path) -> None:
    damaged = await uploaded(alice, os.urandom(3 * PIECE), "a.bin")
    path = on_disk(tmp_path)[0]
    before = path.read_bytes()
    whole = await uploaded(alice, b"whole", "b.txt")
    os.truncate(path, PIECE + 1)
    answer = await alice.http.get("/users/me/export")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.read(f"files/{damaged['id']}/a.bin") == before[:PIECE]
        assert archive.read(f"files/{damaged['id']}/a.bin.unreadable.txt")
        assert archive.read(f"files/{whole['id']}/b.txt") == b"whole"


async def test_without_a_folder_uploads_are_refused_and_nothing_else(alice: User, tmp_path: Path) -> None:
    (tmp_path / "files").write_bytes(b"in the way")
    is_problem(await upload(alice, b"x"), 503, "storage_unavailable")
    assert await listed(alice) == []
    assert (await alice.chat("Hello")).done["status"] == "complete"


@pytest.mark.skipif(sys.platform != "linux", reason="another process is limited here")
async def test_where_the_disk_is_full_nothing_is_left_of_an_upload(tmp_path: Path, database_url: str) -> None:
    """A limit on the size of files stands for the disk: both are refused in the middle of a write."""
    async with Process(tmp_path, database_url) as process:
        alice = await process.signed_up("alice")
        _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (8 * 1024 * 1024, hard))
        is_problem(await upload(alice, os.urandom(9 * 1024 * 1024)), 507, "storage_full")
        assert on_disk(tmp_path) == []
        assert (await upload(alice, b"small")).status_code == 201
        assert len(on_disk(tmp_path)) == 1


def put(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")


async def test_what_crashes_have_left_is_swept_and_nothing_else(
    backend: Backend, alice: User, tmp_path: Path, database_url: str
) -> None:
    stays, lost = await uploaded(alice, b"stays"), await uploaded(alice, b"without a row")
    await alter(database_url, delete(files).where(files.c.id == lost["id"]))
    me = (await alice.http.get("/users/me")).json()["id"]
    kept = tmp_path / "files" / me
    young = kept / str(uuid4())  # whose row may be about to come
    stranger = tmp_path / "files" / str(uuid4()) / str(uuid4())  # of another database, perhaps
    broken_off, coming = (tmp_path / "files" / ".incoming" / str(uuid4()) for _ in range(2))
    for path in (young, stranger, broken_off, coming):
        put(path)
    for path in (kept / stays["id"], kept / lost["id"], stranger, broken_off):
        os.utime(path, (LONG_AGO, LONG_AGO))
    await backend.house.orphans.sweep()
    assert set(on_disk(tmp_path)) == {kept / stays["id"], young, stranger, coming}
    assert await content_of(alice, stays) == b"stays"


async def test_an_older_copy_of_the_database_costs_nobody_many_files(
    backend: Backend, alice: User, tmp_path: Path, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    stays = await uploaded(alice, b"stays")
    me = (await alice.http.get("/users/me")).json()["id"]
    later = [tmp_path / "files" / me / str(uuid4()) for _ in range(41)]
    for path in later:
        put(path)
    for path in later[20:]:  # the others will be as old in a while
        os.utime(path, (LONG_AGO, LONG_AGO))
    await backend.house.orphans.sweep()
    assert {path.name for path in on_disk(tmp_path)} == {stays["id"], *(path.name for path in later)}
    told = [entry.levelname for entry in caplog.records if "right database" in entry.message]
    assert told in (["ERROR"], 2 * ["ERROR"])  # twice if its own sweep came just then
    later[0].unlink()
    await backend.house.orphans.sweep()
    assert {path.name for path in on_disk(tmp_path)} == {stays["id"], *(path.name for path in later[1:20])}


async def test_deleting_an_account_deletes_its_files_and_nobody_elses(
    serve: Serve, tmp_path: Path, database_kind: str
) -> None:
    backend = await serve()
    alice, bob = await backend.user("alice"), await backend.user("bob")
    for number in range(5):
        await uploaded(alice, f"{number}".encode())
    stays = await uploaded(bob, b"of Bob")
    assert (await alice.http.delete("/users/me")).status_code == 204
    assert [path.name for path in on_disk(tmp_path)] == [stays["id"]]


@pytest.mark.parametrize("fault", [500, 403, "garbage", "hang"])
async def test_a_bucket_that_fails_is_told_in_time_and_heals(serve: Serve, fault: str | int) -> None:
    async with S3Server() as server:
        alice = await (await serve(**settings_of(server) | {"s3_timeout": 0.5})).user("alice")
        file = await uploaded(alice, b"before")
        server.fault = fault
        began = time.monotonic()
        is_problem(await upload(alice, b"meanwhile"), 503, "storage_unavailable")
        answer = await alice.http.get(f"/files/{file['id']}/content")
        assert answer.status_code in (500, 503)
        assert time.monotonic() - began < 30
        assert await listed(alice) == [file]
        assert (await alice.http.delete(f"/files/{file['id']}")).status_code == 204
        server.fault = None
        again = await uploaded(alice, b"after")
        assert await content_of(alice, again) == b"after"


async def test_a_bucket_is_swept_too(serve: Serve) -> None:
    async with S3Server() as server:
        backend = await serve(**settings_of(server))
        alice = await backend.user("alice")
        names = {(await uploaded(alice, f"{number}".encode()))["id"] for number in range(7)}
        me = (await alice.http.get("/users/me")).json()["id"]
        orphan = f"files/{me}/{uuid4()}"
        server.objects[orphan] = next(iter(server.objects.values()))
        for stored in server.objects.values():
            stored.since = datetime.fromtimestamp(LONG_AGO, UTC)
        await Orphans(backend.house.database, backend.house.blobs, most_bytes=1).sweep()
        assert {key.rpartition("/")[2] for key in server.objects} == names


async def test_a_download_that_nobody_reads_is_dropped_and_a_deleted_file_is_gone(serve: Serve) -> None:
    backend = await serve(reader_timeout=0.5)
    alice = await backend.user("alice")
    file = await uploaded(alice, os.urandom(8 * 1024 * 1024))
    async with alice.http.stream("GET", f"/files/{file['id']}/content") as answer:
        assert answer.headers["content-length"] == str(file["size"])
        await asyncio.sleep(1.5)
    assert (await alice.http.delete(f"/files/{file['id']}")).status_code == 204
