"""The bucket that a document is read from goes, hangs or talks nonsense: reading waits, and nothing else does."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.core.document_metrics import DocumentMetrics
from app.parsing.limits import ReadingLimits
from app.services.chunk_storing import ChunkStoring
from app.services.ingestion import Ingestion
from app.services.page_storing import PageStoring
from app.services.runner import Runner
from app.services.scratch import Scratch
from tests.accounts.signing import is_problem
from tests.backend import Backend, User
from tests.conftest import Serve
from tests.documents.papers import NOTES, add, added, failed, job, ready, report, shown
from tests.documents.rows import OF_DOCUMENTS, counts
from tests.files.places import settings_of
from tests.parsing.pdfs import lines, pdf, stream_of
from tests.s3_server import S3Server, Stored

PUT_OFF = "the reading of a document is put off"


@pytest.fixture
async def bucket() -> AsyncIterator[S3Server]:
    async with S3Server() as server:
        yield server


@pytest.fixture
async def backend(serve: Serve, bucket: S3Server) -> Backend:
    return await serve(**settings_of(bucket))


@pytest.fixture
async def alice(backend: Backend) -> User:
    return await backend.user("alice")


def heavy(megabytes: int) -> bytes:
    """A report beside which much else is in the file."""
    return pdf(lines("The harbour is deep."), objects={900: stream_of(b"\0" * megabytes * 1024 * 1024)})


async def put_off(caplog: pytest.LogCaptureFixture) -> None:
    async with asyncio.timeout(30):
        while not any(entry.message == PUT_OFF for entry in caplog.records):
            await asyncio.sleep(0.02)


def reads(bucket: S3Server) -> int:
    return sum(call.startswith("GET /files/") for call in bucket.calls)


async def chats(alice: User) -> None:
    began = time.monotonic()
    assert (await alice.chat("Hello")).done["status"] == "complete"
    assert time.monotonic() - began < 5


def copies(folder: Path) -> list[Path]:
    return list((folder / "tmp").iterdir()) if (folder / "tmp").exists() else []


@pytest.mark.parametrize("fault", [500, 403, "garbage", "hang"])
async def test_what_cannot_be_fetched_is_put_off_and_read_in_the_end(
    backend: Backend,
    alice: User,
    bucket: S3Server,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    fault: str | int,
) -> None:
    bucket.read_fault = fault
    (document,) = await added(alice, ("report.pdf", report(3)))
    await chats(alice)
    await put_off(caplog)
    told = await shown(alice, document["document_id"])
    assert (told["status"], told["error"]) == ("reading", None)
    assert (await job(alice, document["job_id"]))["status"] == "running"
    assert copies(tmp_path) == []
    await chats(alice)
    bucket.read_fault = None
    await backend.house.runner.begin()  # as a new process does, which waits for nothing
    assert (await ready(alice, document["document_id"], within=60))["pages"] == 3
    assert copies(tmp_path) == []


async def test_what_was_put_off_is_tried_again_and_again_by_itself(
    backend: Backend, alice: User, bucket: S3Server, tmp_path: Path
) -> None:
    await backend.house.runner.drain()  # the one below takes its place, and has less patience
    database, metrics = backend.house.database, DocumentMetrics()
    pages = PageStoring(database, Scratch(tmp_path / "tmp", backend.house.blobs), ReadingLimits(), metrics)
    reading = Ingestion(database, pages, ChunkStoring(database), metrics, backend.house.indexing.wake, later=0.3)
    runner = Runner(database, reading.work, at_once=1)
    bucket.read_fault = 500
    (document,) = await added(alice, ("report.pdf", report(3)))
    running = asyncio.create_task(runner.run_forever())
    try:
        async with asyncio.timeout(30):
            while reads(bucket) < 6:  # each of which the client tries twice
                await asyncio.sleep(0.02)
        assert (await shown(alice, document["document_id"]))["status"] == "reading"
        bucket.read_fault = None
        assert (await ready(alice, document["document_id"], within=60))["pages"] == 3
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await runner.drain()


async def test_a_bucket_that_goes_in_the_middle_costs_nothing(
    backend: Backend, alice: User, bucket: S3Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bucket.read_fault = "slow"
    (document,) = await added(alice, ("heavy.pdf", heavy(5)))  # which takes six seconds
    async with asyncio.timeout(30):
        while reads(bucket) < 3:
            await asyncio.sleep(0.02)
    await chats(alice)
    bucket.read_fault = 500
    await put_off(caplog)
    assert copies(tmp_path) == []
    bucket.read_fault = None
    await backend.house.runner.begin()
    assert (await ready(alice, document["document_id"], within=60))["pages"] == 1


@pytest.mark.parametrize("how", ["cancelled", "deleted"])
async def test_nobody_waits_for_a_bucket_to_be_rid_of_a_document(
    serve: Serve, bucket: S3Server, tmp_path: Path, database_url: str, how: str
) -> None:
    alice = await (await serve(**settings_of(bucket) | {"s3_timeout": 30})).user("alice")
    bucket.read_fault = "hang"
    (document,) = await added(alice, ("report.pdf", report(3)))
    async with asyncio.timeout(10):
        while not reads(bucket):
            await asyncio.sleep(0.02)
    began = time.monotonic()
    path = f"/jobs/{document['job_id']}" if how == "cancelled" else f"{NOTES}/{document['document_id']}"
    assert (await alice.http.delete(path)).status_code == 204
    assert time.monotonic() - began < 5
    async with asyncio.timeout(20):
        while copies(tmp_path):
            await asyncio.sleep(0.02)
    if how == "cancelled":
        assert (await job(alice, document["job_id"]))["status"] == "cancelled"
        assert (await alice.http.delete(f"{NOTES}/{document['document_id']}")).status_code == 204
    assert await counts(database_url) == {**dict.fromkeys(OF_DOCUMENTS, 0), "collections": 1}
    assert bucket.objects == {}


@pytest.mark.parametrize("how", ["gone", "shorter", "empty", "cut where a piece ends"])
async def test_a_document_whose_bytes_are_lost_says_so(
    alice: User, bucket: S3Server, how: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bucket.read_fault = 500
    (document,) = await added(alice, ("heavy.pdf", heavy(1)))
    await put_off(caplog)
    (key, stored) = next(iter(bucket.objects.items()))
    size = {"gone": None, "shorter": 1000, "empty": 0, "cut where a piece ends": 256 * 1024}[how]
    if size is None:
        del bucket.objects[key]
    else:
        bucket.objects[key] = Stored(stored.body[:size])
    bucket.read_fault = None
    assert (await alice.http.delete(f"/jobs/{document['job_id']}")).status_code == 204
    assert (await alice.http.post(f"/jobs/{document['job_id']}/retry")).status_code == 202
    assert await failed(alice, document["document_id"]) == "file_unreadable"
    assert copies(tmp_path) == []


@pytest.mark.parametrize("fault", [500, "hang"])
async def test_what_cannot_be_kept_is_refused_and_leaves_nothing(
    alice: User, bucket: S3Server, database_url: str, fault: str | int
) -> None:
    bucket.fault = fault
    is_problem(await add(alice, ("report.pdf", report(3))), 503, "storage_unavailable")
    is_problem(await alice.http.post("/analyze/pdf", files={"file": ("a.pdf", report(1))}), 503, "storage_unavailable")
    bucket.fault = None
    assert await counts(database_url) == dict.fromkeys(OF_DOCUMENTS, 0)
    assert bucket.objects == {}
    await chats(alice)
