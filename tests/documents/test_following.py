"""Those who follow a job: one who leaves or does not read is no trouble to anybody else, nor to the job."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from tests.backend import Backend, User
from tests.conftest import Serve
from tests.documents.papers import added, job_reached, ready
from tests.jobs.papers import long_report, midway
from tests.scrape import Scrape

PAGES = 150
"""Three seconds' reading."""
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def backend(serve: Serve) -> Backend:
    return await serve(reader_timeout=0.5)


@pytest.fixture
async def alice(backend: Backend) -> User:
    return await backend.user("alice")


@asynccontextmanager
async def following(user: User, job_id: str) -> AsyncIterator[Connection]:
    """A connection that follows a job; nothing of the answer is read."""
    url = urlsplit(str(user.http.base_url))
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    head = (f"GET /jobs/{job_id}/events HTTP/1.1", "Host: x", f"Authorization: Bearer {user.token}", "", "")
    writer.write("\r\n".join(head).encode())
    try:
        yield reader, writer
    finally:
        writer.close()


async def open_streams(backend: Backend, count: int, *, within: float = 10.0) -> None:
    async with asyncio.timeout(within):
        while (await Scrape.of(backend)).value("ai_open_streams") != count:
            await asyncio.sleep(0.03)


async def test_who_leaves_ends_only_the_own_following(backend: Backend, alice: User) -> None:
    (document,) = await added(alice, ("long.pdf", long_report(PAGES)))
    staying = asyncio.create_task(alice.http.get(f"/jobs/{document['job_id']}/events", timeout=60))
    for _ in range(5):
        async with following(alice, document["job_id"]) as (reader, writer):
            assert b" 200 " in await reader.readline()
            await reader.readuntil(b"event: progress")
            writer.transport.abort()
    await midway(alice, document["job_id"])
    await open_streams(backend, 1)
    told = (await staying).text
    assert json.loads(told.rpartition("data: ")[2]) == {"done": True, "status": "complete"}
    await open_streams(backend, 0)
    assert (await ready(alice, document["document_id"]))["pages"] == PAGES


async def test_those_who_do_not_read_hold_nobody_up(backend: Backend, alice: User) -> None:
    (document,) = await added(alice, ("long.pdf", long_report(PAGES)))
    async with following(alice, document["job_id"]), following(alice, document["job_id"]):
        began = time.monotonic()
        told = (await alice.http.get(f"/jobs/{document['job_id']}/events", timeout=60)).text
        assert told.count("event: progress") >= 2
        assert (await alice.chat("Hello")).done["status"] == "complete"
        assert time.monotonic() - began < 60
        await open_streams(backend, 0)
    await job_reached(alice, document["job_id"], "complete")


async def test_a_server_goes_though_somebody_who_does_not_read_follows(serve: Serve) -> None:
    backend = await serve()
    alice = await backend.user("alice")
    (document,) = await added(alice, ("long.pdf", long_report(10 * PAGES)))
    await midway(alice, document["job_id"])
    async with following(alice, document["job_id"]) as (reader, _):
        await open_streams(backend, 1)
        async with asyncio.timeout(15):
            await backend.house.drain(0)
            await backend.stop()
        assert b"goodbye" in await reader.read()
