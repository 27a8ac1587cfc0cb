"""The stores that hold to the interface, each over a real engine."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from app.domain.vectors import Space, VectorStore
from app.stores.vectors.embedded import EmbeddedVectors
from app.stores.vectors.server import ServerVectors
from tests.qdrant_server import QdrantServer

PATIENCE = 30.0
"""Seconds; far more than anything takes, for the machine may be busy."""
REAL = os.environ.get("TEST_QDRANT_URL")

Restart = Callable[[], Awaitable[VectorStore]]


@pytest.fixture(scope="session")
def qdrant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QdrantServer]:
    """One for all tests, which clean up behind themselves."""
    with QdrantServer(tmp_path_factory.mktemp("qdrant")) as server:
        yield server


@pytest.fixture(params=["embedded", "server", *(["real server"] if REAL else [])])
def kind(request: pytest.FixtureRequest) -> str:
    given: str = request.param
    return given


@pytest.fixture
async def restart(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> AsyncIterator[Restart]:
    """Opens the same index anew, after everything that served it has gone. A real server is not ours to end."""
    stores: list[VectorStore] = []
    qdrant = request.getfixturevalue("qdrant") if kind == "server" else None

    async def start() -> VectorStore:
        if stores:
            await stores[-1].close()
        if stores and qdrant is not None:
            qdrant.kill()
            qdrant.start()
        url = qdrant.url if qdrant is not None else REAL or ""
        key = os.environ.get("TEST_QDRANT_API_KEY") if kind == "real server" else None
        embedded = kind == "embedded"
        stores.append(
            EmbeddedVectors(tmp_path / "vectors", patience=PATIENCE)
            if embedded
            else ServerVectors(url, key, patience=PATIENCE)
        )
        return stores[-1]

    yield start
    if stores:
        await stores[-1].close()


@pytest.fixture
async def store(restart: Restart) -> VectorStore:
    return await restart()


@pytest.fixture
async def space(store: VectorStore) -> AsyncIterator[Space]:
    """An empty one of the test's own, of three dimensions."""
    made = Space(f"test-{uuid4().hex}", 3)
    await store.open(made)
    yield made
    await _forget(store, made)


@pytest.fixture
async def sparse_space(store: VectorStore) -> AsyncIterator[Space]:
    """One without dense vectors."""
    made = Space(f"test-{uuid4().hex}")
    await store.open(made)
    yield made
    await _forget(store, made)


async def _forget(store: VectorStore, space: Space) -> None:
    # A store that a test has closed has nothing to forget any more.
    if not (isinstance(store, EmbeddedVectors) and store.pid is None):
        await store.drop(space.name)
