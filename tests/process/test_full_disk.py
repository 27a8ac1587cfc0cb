"""A disk that fills up while a document is read: that is put off, leaves nothing, and goes on when there is room.

A limit on the size of files stands for the disk: both refuse a write in its middle.
"""

import asyncio
import io
import os
import resource
import signal
import sys
import zipfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import docx
import pytest

from tests.accounts.signing import is_problem
from tests.backend import Process, User
from tests.documents.papers import NOTES, add, added, job, reached, ready, report, shown
from tests.documents.readers import children
from tests.documents.rows import pages_twice
from tests.files.places import settings_of
from tests.files.sending import on_disk
from tests.jobs.papers import long_report
from tests.s3_server import S3Server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="another process is limited here")
MIB = 1024 * 1024
PAGES = 300
"""Of which the database has no room for half."""
PUT_OFF = "the reading of a document is put off"


@contextmanager
def full(pid: int, most: int) -> Iterator[None]:
    """No file gets larger than this by a process."""
    limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, limits[1]))
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


async def put_off(process: Process) -> None:
    async with asyncio.timeout(30):
        while not any(entry["message"] == PUT_OFF for entry in process.log):
            await asyncio.sleep(0.05)


async def begun_anew(process: Process) -> None:
    """A new process waits for nothing that was put off."""
    process.signal(signal.SIGTERM)
    await process.exited()
    await process.start()


def letter(size: int) -> bytes:
    """A Word document of so many bytes: of a part of it nobody can make anything."""
    written = io.BytesIO()
    made = docx.Document()
    made.add_paragraph("The harbour is deep.")
    made.save(written)
    with zipfile.ZipFile(written, "a", zipfile.ZIP_STORED) as parts:
        parts.writestr("word/media/image1.png", os.urandom(size - len(written.getvalue()) - 1000))
    return written.getvalue()


@pytest.fixture
async def bucket() -> AsyncIterator[S3Server]:
    async with S3Server() as server:
        yield server


def environment(bucket: S3Server) -> Mapping[str, str]:
    return {name.upper(): str(value) for name, value in settings_of(bucket).items()}


async def test_while_a_copy_is_made_for_the_child(tmp_path: Path, database_url: str, bucket: S3Server) -> None:
    """The copy lacks the end of its last piece, which is not mistaken for a damaged document."""
    async with Process(tmp_path, database_url, **environment(bucket)) as process:
        alice = await process.signed_up()
        (first,) = await added(alice, ("first.pdf", report(2)))
        await ready(alice, first["document_id"])
        with full(process.pid, 8 * MIB + 50_000):
            (document,) = await added(alice, ("letter.docx", letter(8 * MIB + 150_000)))
            await put_off(process)
            told = await shown(alice, document["document_id"])
            assert (told["status"], told["error"]) == ("reading", None)
            assert (await job(alice, document["job_id"]))["status"] == "running"
            assert list((tmp_path / "tmp").iterdir()) == []
            assert (await alice.chat("Hello")).done["status"] == "complete"
            (small,) = await added(alice, ("small.txt", b"There is room for this."))
            await ready(alice, small["document_id"])
        await begun_anew(process)
        assert (await ready(alice, document["document_id"]))["pages"] == 1
        assert list((tmp_path / "tmp").iterdir()) == []
        assert not any(entry["level"] == "error" for entry in process.log), process.output.decode()


async def test_while_pages_are_written(tmp_path: Path, database_url: str) -> None:
    """What the database cannot take is not lost, and what it has taken is not written twice."""
    async with Process(tmp_path, database_url) as process:
        alice = await process.signed_up()
        (first,) = await added(alice, ("first.pdf", report(2)))
        await ready(alice, first["document_id"])
        database = tmp_path / "app.db"
        with full(process.pid, max(database.stat().st_size, (tmp_path / "app.db-wal").stat().st_size) + MIB // 4):
            (document,) = await added(alice, ("long.pdf", long_report(PAGES)))
            await put_off(process)
            assert list((tmp_path / "tmp").iterdir()) == []
            refused = await add(alice, ("more.txt", b"More."))
            if refused.status_code != 202:
                is_problem(refused, 503, "database_unavailable")
            assert (await alice.http.get("/health")).status_code == 200
        await begun_anew(process)
        assert (await ready(alice, document["document_id"], within=60))["pages"] == PAGES
        async with asyncio.timeout(20):
            while list((tmp_path / "tmp").iterdir()):  # where the other was taken, it may be read just now
                await asyncio.sleep(0.05)
        assert (await alice.chat("Hello")).done["status"] == "complete"
    assert await pages_twice(database_url) == 0


async def test_while_the_index_learns(tmp_path: Path, database_url: str) -> None:
    """What it has learnt is found all the while."""
    async with Process(tmp_path, database_url) as process:
        alice = await process.signed_up()
        (first,) = await added(alice, ("first.txt", b"The harbour is deep."))
        await ready(alice, first["document_id"])
        (engine,) = children(process.pid, "app.stores.vectors")
        with full(engine, 0):
            (second,) = await added(alice, ("second.txt", b"The lighthouse is tall."))
            assert await finds(alice, "How deep is the harbour?", "first.txt")
            await reached(alice, second["document_id"], "indexing", "ready", "failed")
            await it_writes(engine)
            assert (await alice.chat("Hello")).done["status"] == "complete"
        told = await reached(alice, second["document_id"], "ready", "failed", within=60)
        if told["status"] == "failed":
            assert told["error"]["code"] == "index_failed"
            assert (await alice.http.post(f"/jobs/{second['job_id']}/retry")).status_code == 202
            await ready(alice, second["document_id"])
        assert await finds(alice, "How tall is the lighthouse?", "second.txt")
        assert await finds(alice, "How deep is the harbour?", "first.txt")


async def it_writes(engine: int) -> None:
    """What it was told goes to the disk some seconds later, and most often it dies of that."""
    with suppress(TimeoutError, ProcessLookupError):
        async with asyncio.timeout(8):
            while True:
                os.kill(engine, 0)
                await asyncio.sleep(0.1)


async def finds(alice: User, question: str, title: str) -> bool:
    """It may be begun anew just now."""
    async with asyncio.timeout(30):
        while True:
            answer = await alice.http.post("/rag/search", json={"query": question, "collection": "notes"})
            if answer.status_code == 200:
                return bool(answer.json()["results"][0]["title"] == title)
            is_problem(answer, 503, "rag_unavailable")
            await asyncio.sleep(0.1)


async def test_while_a_document_is_uploaded(tmp_path: Path, database_url: str) -> None:
    async with Process(tmp_path, database_url) as process:
        alice = await process.signed_up()
        (first,) = await added(alice, ("first.txt", b"First."), to="/rag/collections/other/documents")
        await ready(alice, first["document_id"], "/rag/collections/other/documents")
        kept = on_disk(tmp_path)
        with full(process.pid, 8 * MIB):
            answer = await add(alice, ("small.txt", b"Small."), ("letter.docx", letter(8 * MIB + 150_000)))
            is_problem(answer, 507, "storage_full")
            assert on_disk(tmp_path) == kept
            is_problem(await alice.http.get(NOTES), 404, "not_found")
            analysed = await alice.http.post("/analyze/pdf", files={"file": ("a.pdf", b"%PDF-1.7\n" + bytes(9 * MIB))})
            is_problem(analysed, 507, "storage_full")
            assert on_disk(tmp_path) == kept
            assert len((await alice.http.get("/files")).json()["items"]) == len(kept)
            (small,) = await added(alice, ("small.txt", b"Small."))
            await ready(alice, small["document_id"])
