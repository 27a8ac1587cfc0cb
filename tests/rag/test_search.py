"""Searching over HTTP: what is found, by whom, and what is refused."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from app.domain.documents import Document, DocumentStatus
from tests.backend import Backend, User
from tests.conftest import Serve
from tests.qdrant_server import QdrantServer
from tests.rag import rows
from tests.rag.keeper import eventually

ENGLISH = ["Preface.", "The pump is blue. The warranty of the pump lasts three years. Clean it with water."]
CHINESE = ["前言。", "本机为蓝色。保修期为三年，自交货之日起计算。请用清水清洗。"]


@pytest.fixture(params=["embedded", "server"])
async def backend(request: pytest.FixtureRequest, serve: Serve, tmp_path: Path) -> Any:
    if request.param == "embedded":
        yield await serve()
        return
    folder = tmp_path / "qdrant"
    folder.mkdir()
    with QdrantServer(folder, api_key="loopback") as server:
        yield await serve(qdrant_url=server.url, qdrant_api_key="loopback")


async def id_of(user: User) -> str:
    return str((await user.http.get("/users/me")).json()["id"])


async def read(backend: Backend, user: User, text: rows.Text, **more: Any) -> Document:
    """A document that can be found."""
    (document,) = await read_all(backend, user, [text], **more)
    return document


async def read_all(backend: Backend, user: User, texts: Sequence[rows.Text], **more: Any) -> Sequence[Document]:
    database, user_id = backend.house.database, await id_of(user)
    documents = [await rows.read(database, user_id, text, **more) for text in texts]
    backend.house.indexing.wake()

    async def found() -> bool:
        return all([await rows.status(database, each) is DocumentStatus.READY for each in documents])

    await eventually(found)
    return documents


async def search(user: User, query: str, collection: str | Sequence[str] = "manuals", **more: Any) -> dict[str, Any]:
    response = await user.http.post("/rag/search", json={"query": query, "collection": collection, **more})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def refused(user: User, body: Any) -> tuple[int, str]:
    response = await user.http.post("/rag/search", json=body)
    return response.status_code, response.json()["code"]


async def test_both_languages_are_found_with_their_page_and_quote(backend: Backend) -> None:
    alice = await backend.user()
    english = await read(backend, alice, ENGLISH, title="Pump")
    chinese = await read(backend, alice, CHINESE, title="水泵")

    found = await search(alice, "How long does the warranty last?")
    chinese_found = await search(alice, "保修期有多长？")

    first, second = found["results"][0], chinese_found["results"][0]
    assert (first["title"], first["page"], first["document_id"]) == ("Pump", 2, english.id)
    assert first["quote"] == "The warranty of the pump lasts three years."
    assert ENGLISH[1][first["start"] : first["end"]] == first["quote"]
    assert first["content"] == ENGLISH[1]
    assert first["collection"] == "manuals"
    assert (second["title"], second["page"], second["document_id"]) == ("水泵", 2, chinese.id)
    assert CHINESE[1][second["start"] : second["end"]] == second["quote"] == "保修期为三年，自交货之日起计算。"
    assert 0 <= found["confidence"] <= 1


async def test_what_stands_nowhere_is_not_answerable(backend: Backend) -> None:
    alice = await backend.user()
    await read_all(backend, alice, [f"Machine {number} stands in hall {number}." for number in range(30)])

    found = await search(alice, "Who wrote the symphony of the new world?")

    assert not found["answerable"]
    assert found["confidence"] < 0.5


async def test_nobody_finds_what_is_anothers(backend: Backend) -> None:
    alice, bob = await backend.user(), await backend.user("bob")
    theirs = await read(backend, alice, ENGLISH)
    await read(backend, bob, "Bob's own manual is about gears.", name="own")

    assert await refused(bob, {"query": "warranty", "collection": "manuals"}) == (404, "not_found")
    assert await refused(bob, {"query": "warranty", "collection": ["own", "manuals"]}) == (404, "not_found")
    assert await refused(bob, {"query": "warranty", "collection": theirs.collection_id}) == (404, "not_found")
    for guessed in (theirs.user_id, theirs.id, await _space(backend), f"ai-backend-{await _space(backend)}"):
        assert await refused(bob, {"query": "warranty", "collection": guessed}) == (404, "not_found")
    within = {"document_ids": [theirs.id]}
    assert (await search(bob, "warranty of the pump", "own", filter=within))["results"] == []


async def test_a_collection_of_the_same_name_is_anothers_all_the_same(backend: Backend) -> None:
    alice, bob = await backend.user(), await backend.user("bob")
    await read(backend, alice, ENGLISH, title="Alice's")
    await read(backend, bob, ENGLISH, title="Bob's")

    assert [each["title"] for each in (await search(alice, "warranty"))["results"]] == ["Alice's"]


async def test_several_collections_are_searched_at_once(backend: Backend) -> None:
    alice = await backend.user()
    await read(backend, alice, ENGLISH, title="Pump", name="english")
    await read(backend, alice, "The warranty of the gear lasts a year.", title="Gear", name="gears")

    found = await search(alice, "How long is the warranty?", ["english", "gears", "english"])

    assert {(each["title"], each["collection"]) for each in found["results"]} == {
        ("Pump", "english"),
        ("Gear", "gears"),
    }


async def test_a_filter_and_a_number_bound_what_is_found(backend: Backend) -> None:
    alice = await backend.user()
    documents = await read_all(backend, alice, [f"The warranty of pump {n} is long." for n in range(8)])

    assert len((await search(alice, "warranty"))["results"]) == 5
    assert len((await search(alice, "warranty", top_k=50))["results"]) == 8
    assert len((await search(alice, "warranty", top_k=1))["results"]) == 1
    only = await search(alice, "warranty", filter={"document_ids": [documents[3].id.upper()]})
    assert [each["document_id"] for each in only["results"]] == [documents[3].id]
    assert (await search(alice, "warranty", filter={"document_ids": []}))["results"] == []
    assert len((await search(alice, "warranty", filter={}))["results"]) == 5


async def test_copies_of_a_text_are_shown_once(backend: Backend) -> None:
    alice = await backend.user()
    await read_all(backend, alice, [[*ENGLISH, *ENGLISH], [ENGLISH[1], "Another page tells of the warranty, too."]])

    results = (await search(alice, "warranty of the pump", top_k=5))["results"]

    contents = [result["content"] for result in results]
    assert ENGLISH[1] in contents
    assert len(contents) == len(set(contents)) >= 2


async def test_a_deleted_document_is_not_found_at_once(backend: Backend) -> None:
    alice = await backend.user()
    document = await read(backend, alice, ENGLISH)

    await rows.delete(backend.house.database, document)

    assert (await search(alice, "warranty"))["results"] == []


async def test_a_passage_that_is_not_on_its_page_is_not_shown(backend: Backend) -> None:
    alice = await backend.user()
    document = await read(backend, alice, ENGLISH)
    async with backend.house.database.transaction() as tx:
        await tx.chunks.drop_pages(document.id, after=1, most=10)

    found = await search(alice, "warranty of the pump")

    assert [each["page"] for each in found["results"]] == [1] * len(found["results"])
    metrics = (await alice.http.get("/metrics")).text
    assert "ai_quotes_dropped_total 1.0" in metrics


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
@pytest.mark.parametrize(
    "query", ["?", "的", "🎉", " ", "the of and", "\u200b", "warranty " * 20_000, "保修" * 90_000, "a" * 200_000]
)
async def test_any_question_is_answered(backend: Backend, query: str) -> None:
    alice = await backend.user()
    await read(backend, alice, ENGLISH)

    await search(alice, query)


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
@pytest.mark.parametrize(
    "more",
    [
        {"query": ""},
        {"query": None},
        {"query": "a\0b"},
        {"query": "\ud800"},
        {"query": "a" * 200_001},
        {"collection": ""},
        {"collection": []},
        {"collection": ["manuals"] * 21},
        {"collection": "a\0b"},
        {"collection": "x" * 201},
        {"collection": {"name": "manuals"}},
        {"top_k": 0},
        {"top_k": 51},
        {"top_k": "5"},
        {"top_k": True},
        {"filter": {"document_ids": ["not an id"]}},
        {"filter": {"document_ids": ["01a1b2c3-0000-7000-8000-000000000000"] * 101}},
        {"filter": {"tenant": "x"}},
        {"user_id": "x"},
    ],
)
async def test_what_is_out_of_bounds_is_refused(backend: Backend, more: dict[str, Any]) -> None:
    alice = await backend.user()
    await read(backend, alice, ENGLISH)

    response = await alice.http.post(
        "/rag/search",
        content=_json({"query": "warranty", "collection": "manuals", **more}),
        headers={"content-type": "application/json"},
    )

    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_an_empty_collection_answers_nothing(backend: Backend) -> None:
    alice = await backend.user()
    await rows.collection(backend.house.database, await id_of(alice))

    assert await search(alice, "warranty") == {"results": [], "answerable": False, "confidence": 0.0}


async def _space(backend: Backend) -> str:
    return (await backend.house.database.now.index.spaces())[0].name


def _json(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()
