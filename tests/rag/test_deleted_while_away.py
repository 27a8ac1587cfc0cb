"""What is deleted while the index is away is found by nobody, and is gone from it soon after it is back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.grounding.library import PUMP, read
from tests.qdrant_server import QdrantServer
from tests.rag.keeper import eventually
from tests.rag.points import no_points, points

GONE = {
    "document": "/rag/collections/house/documents/{document_id}",
    "collection": "/rag/collections/house",
    "account": "/users/me",
}


@pytest.fixture
def qdrant(tmp_path: Path) -> Iterator[QdrantServer]:
    folder = tmp_path / "qdrant"
    folder.mkdir()
    with QdrantServer(folder) as server:
        yield server


@pytest.mark.parametrize("what", GONE)
async def test_nothing_of_it_stays(serve: Serve, qdrant: QdrantServer, what: str) -> None:
    backend = await serve(qdrant_url=qdrant.url, qdrant_timeout=4)
    alice, bob = await backend.user(), await backend.user("bob")
    ids = await read(alice, "house", manual=PUMP)
    await read(bob, "house", manual=PUMP)
    alice_id = (await alice.http.get("/users/me")).json()["id"]
    bob_id = (await bob.http.get("/users/me")).json()["id"]
    assert await points(backend, alice_id) > 0
    qdrant.kill()

    path = GONE[what].format(document_id=ids["manual"])
    assert (await alice.http.delete(path)).status_code == 204
    if what != "account":
        assert (await alice.http.get("/files")).json()["items"] == []

    qdrant.start()
    await eventually(lambda: no_points(backend, alice_id), within=60)
    assert await points(backend, bob_id) > 0
