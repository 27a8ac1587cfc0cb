"""Qdrant goes, freezes or talks nonsense: searches are refused soon and in plain words, and chats go on."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.domain.documents import Document, DocumentStatus
from tests.backend import Backend, User
from tests.conftest import Serve
from tests.qdrant_server import QdrantServer
from tests.rag import rows
from tests.rag.keeper import eventually
from tests.rag.test_search import ENGLISH, id_of, read, search

SOON = 12.0
FAULTS: dict[str, dict[str, Any]] = {
    "500": {"status": 500, "body": b"boom"},
    "late": {"delay": 60},
    "a page": {"status": 200, "body": b"<html>hello</html>"},
    "nothing": {"status": 200, "body": b""},
    "empty JSON": {"status": 200, "body": b"{}"},
    "without end": {"status": 200, "unending": True, "body": b" " * 65536},
    "unauthorised": {"status": 401, "body": b'{"status": {"error": "no key"}}'},
    "no collection": {"status": 404, "body": b'{"status": {"error": "Not found"}}'},
}


@pytest.fixture
def qdrant(tmp_path: Path) -> Iterator[QdrantServer]:
    folder = tmp_path / "qdrant"
    folder.mkdir()
    with QdrantServer(folder) as server:
        yield server


@pytest.fixture
async def backend(serve: Serve, qdrant: QdrantServer) -> Backend:
    return await serve(qdrant_url=qdrant.url)


async def refused_soon(user: User) -> bool:
    began = time.monotonic()
    response = await user.http.post("/rag/search", json={"query": "warranty of the pump", "collection": "manuals"})
    assert time.monotonic() - began < SOON
    assert (response.status_code, response.json()["code"]) == (503, "rag_unavailable"), response.text
    assert int(response.headers["retry-after"]) >= 1
    return True


async def finds(user: User) -> bool:
    response = await user.http.post("/rag/search", json={"query": "warranty of the pump", "collection": "manuals"})
    return response.status_code == 200 and len(response.json()["results"]) == 1


async def state(user: User) -> tuple[int, str, str]:
    response = await user.http.get("/ready")
    return response.status_code, response.json()["status"], response.json()["parts"]["vectors"]


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_search_is_refused_soon_and_chats_go_on(backend: Backend, qdrant: QdrantServer, fault: str) -> None:
    alice = await backend.user()
    await read(backend, alice, ENGLISH)

    qdrant.answer_with(**FAULTS[fault])
    refusals = await asyncio.gather(*(refused_soon(alice) for _ in range(8)))
    stream = await alice.chat("hello")

    assert all(refusals)
    assert stream.done["status"] == "complete"
    qdrant.heal()
    await eventually(lambda: finds(alice))


async def test_a_server_that_died_and_came_back(backend: Backend, qdrant: QdrantServer) -> None:
    alice = await backend.user()
    await read(backend, alice, ENGLISH)

    qdrant.kill()
    assert await refused_soon(alice)
    assert (await alice.chat("hello")).done["status"] == "complete"
    await eventually(lambda: _is(alice, (200, "degraded", "away")))
    late = await rows.read(backend.house.database, await id_of(alice), "The gear is red.", title="Gear")
    await asyncio.sleep(2)
    assert await rows.status(backend.house.database, late) is DocumentStatus.INDEXING
    qdrant.start()

    await eventually(lambda: finds(alice))
    await eventually(lambda: _ready(backend, late))
    await eventually(lambda: _is(alice, (200, "ready", "ok")))
    assert (await search(alice, "What is red?"))["results"][0]["title"] == "Gear"


async def test_a_frozen_server_keeps_nobody_waiting(backend: Backend, qdrant: QdrantServer) -> None:
    alice = await backend.user()
    await read(backend, alice, ENGLISH)

    qdrant.freeze()
    try:
        assert all(await asyncio.gather(*(refused_soon(alice) for _ in range(30))))
        assert (await alice.chat("hello")).done["status"] == "complete"
    finally:
        qdrant.thaw()

    await eventually(lambda: finds(alice))


async def test_a_server_that_lost_everything_is_filled_again(
    backend: Backend, qdrant: QdrantServer, tmp_path: Path
) -> None:
    alice = await backend.user()
    await read(backend, alice, ENGLISH)
    space = (await backend.house.database.now.index.spaces())[0].name

    await backend.house.vectors.store.drop(space)
    assert await refused_soon(alice)

    await eventually(lambda: finds(alice), within=60)


async def test_without_any_document_nothing_is_asked_of_the_index(backend: Backend, qdrant: QdrantServer) -> None:
    alice = await backend.user()
    await rows.collection(backend.house.database, await id_of(alice))
    qdrant.kill()

    assert (await search(alice, "warranty"))["results"] == []


async def _ready(backend: Backend, document: Document) -> bool:
    return await rows.status(backend.house.database, document) is DocumentStatus.READY


async def _is(user: User, expected: tuple[int, str, str]) -> bool:
    return await state(user) == expected
