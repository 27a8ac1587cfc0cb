"""What is deleted while it is read: who reads it is gone soon, and nothing of it is left anywhere."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.backend import Backend
from tests.conftest import Serve
from tests.documents.papers import NOTES, added, job, ready, report
from tests.documents.readers import nobody_reads, readers
from tests.documents.rows import OF_DOCUMENTS, counts
from tests.files.places import KINDS, settings_of
from tests.files.sending import on_disk
from tests.jobs.papers import long_report, midway
from tests.rag.keeper import eventually
from tests.rag.points import no_points, points
from tests.s3_server import S3Server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")
PAGES = 3000
"""A minute's reading."""
GONE = {"document": "", "collection": "/rag/collections/notes", "account": "/users/me"}


@asynccontextmanager
async def place_of(kind: str, serve: Serve) -> AsyncIterator[tuple[Backend, S3Server | None]]:
    """Files are kept there; the bucket, if it is one."""
    if kind == "folder":
        yield await serve(), None
        return
    async with S3Server() as server:
        yield await serve(**settings_of(server)), server


@pytest.mark.parametrize("place", KINDS)
@pytest.mark.parametrize("what", GONE)
async def test_nothing_is_left_and_nobody_reads_on(
    serve: Serve, tmp_path: Path, database_url: str, what: str, place: str
) -> None:
    async with place_of(place, serve) as (backend, bucket):
        alice = await backend.user("alice")
        user_id = (await alice.http.get("/users/me")).json()["id"]
        (short,) = await added(alice, ("short.pdf", report(3)))
        await ready(alice, short["document_id"])
        (long,) = await added(alice, ("long.pdf", long_report(PAGES)))
        await midway(alice, long["job_id"])
        assert len(readers()) == 1
        assert await points(backend, user_id) > 0

        if what == "document":
            assert (await alice.http.delete(f"{NOTES}/{short['document_id']}")).status_code == 204
        path = GONE[what] or f"{NOTES}/{long['document_id']}"
        assert (await alice.http.delete(path)).status_code == 204

        await nobody_reads()
        await eventually(lambda: no_points(backend, user_id))
        left = {"collections": 1} if what == "document" else {}
        await eventually(lambda: only(database_url, left))
        assert not list((tmp_path / "tmp").iterdir())
        assert (bucket.objects if bucket else on_disk(tmp_path)) in ({}, [])
        if what != "account":
            (again,) = await added(alice, ("short.pdf", report(3)))
            await ready(alice, again["document_id"])


async def only(database_url: str, left: dict[str, int]) -> bool:
    return await counts(database_url) == {**dict.fromkeys(OF_DOCUMENTS, 0), **left}


async def test_who_deletes_an_account_ends_its_followers_and_its_reader(serve: Serve) -> None:
    backend = await serve()
    alice, bob = await backend.user("alice"), await backend.user("bob")
    (long,) = await added(alice, ("long.pdf", long_report(PAGES)))
    (other,) = await added(bob, ("other.pdf", report(5)))
    await midway(alice, long["job_id"])
    following = asyncio.create_task(alice.http.get(f"/jobs/{long['job_id']}/events", timeout=30))
    await asyncio.sleep(0.2)
    assert (await alice.http.delete("/users/me")).status_code == 204
    answer = await following
    assert answer.text.endswith('data: {"done":true,"status":"cancelled"}\n\n'), answer.text[-300:]
    await nobody_reads()
    assert (await ready(bob, other["document_id"]))["pages"] == 5
    assert (await job(bob, other["job_id"]))["status"] == "complete"
