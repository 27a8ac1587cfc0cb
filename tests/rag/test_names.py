"""The names by which the index keeps documents open nothing: neither those of its spaces, nor those of its users."""

import pytest

from tests.accounts.signing import is_problem
from tests.backend import Backend, User
from tests.conftest import Serve
from tests.documents.papers import added, ready
from tests.files.sending import uploaded
from tests.grounding.library import PUMP, read

WARRANTY = "How long is the warranty of the filter F3?"


@pytest.fixture
async def backend(serve: Serve) -> Backend:
    return await serve()


@pytest.fixture
async def bob(backend: Backend) -> User:
    bob = await backend.user("bob")
    await read(bob, "house", manual=PUMP)
    return bob


@pytest.fixture
async def alice(backend: Backend, bob: User) -> User:
    alice = await backend.user()
    await read(alice, "mine", note="The gate is green.")
    return alice


async def internal(backend: Backend, bob: User) -> list[str]:
    """What the index calls things, and what stands beside its points."""
    bob_id = (await bob.http.get("/users/me")).json()["id"]
    spaces = [each.name for each in await backend.house.database.now.index.spaces()]
    collection = await backend.house.database.now.collections.find(bob_id, "house")
    assert collection is not None
    assert spaces
    held = await backend.house.vectors.store.spaces()
    return [*spaces, *held, bob_id, collection.id, f"{bob_id}/house", "*", "%", "house"]


async def test_internal_names_are_as_unknown_as_any_other(backend: Backend, bob: User, alice: User) -> None:
    for name in await internal(backend, bob):
        for path, body in (
            ("/rag/search", {"query": WARRANTY, "collection": name}),
            ("/rag/search", {"query": WARRANTY, "collection": ["mine", name]}),
            ("/rag/query", {"question": WARRANTY, "collection": name}),
            ("/ai/chat", {"message": WARRANTY, "collection": name}),
        ):
            is_problem(await alice.http.post(path, json=body), 404, "not_found")
        if "/" not in name:
            path = f"/rag/collections/{name.replace('%', '%25')}"
            is_problem(await alice.http.get(f"{path}/documents"), 404, "not_found")
            is_problem(await alice.http.delete(path), 404, "not_found")
    assert (await alice.http.get("/conversations")).json()["items"] == []


async def test_where_attached_files_are_kept_has_no_name(backend: Backend, alice: User) -> None:
    file = await uploaded(alice, PUMP.encode(), "manual.md")
    await alice.chat("What is it about?", file_ids=[file["id"]])
    alice_id = (await alice.http.get("/users/me")).json()["id"]
    stored = await backend.house.files.get(alice_id, file["id"])
    hidden = await backend.house.adding.attach(alice_id, stored)
    await backend.house.documents.settled(alice_id, hidden.id, 20)
    for name in ("", " ", "\u2028"):
        answer = await alice.http.post("/rag/search", json={"query": WARRANTY, "collection": name})
        assert answer.status_code in (404, 422), answer.text
    for method in ("GET", "DELETE"):
        is_problem(await alice.http.request(method, f"/rag/collections/mine/documents/{hidden.id}"), 404, "not_found")
    body = {"query": WARRANTY, "collection": "mine", "filter": {"document_ids": [hidden.id]}}
    assert (await alice.http.post("/rag/search", json=body)).json()["results"] == []
    is_problem(await alice.http.post("/rag/search", json=body | {"collection": hidden.collection_id}), 404, "not_found")


async def test_the_filter_opens_nothing_of_others(bob: User, alice: User) -> None:
    (document,) = (await bob.http.get("/rag/collections/house/documents")).json()["items"]
    body = {"query": WARRANTY, "collection": "mine", "filter": {"document_ids": [document["id"]]}}
    assert (await alice.http.post("/rag/search", json=body)).json()["results"] == []
    (mine,) = await added(alice, ("a.md", PUMP.encode()), to="/rag/collections/mine/documents")
    await ready(alice, mine["document_id"], "/rag/collections/mine/documents")
    assert (await alice.http.post("/rag/search", json=body)).json()["results"] == []
