"""A Qdrant server that is away, slow, foreign or hostile: an error with a name, in time, and never a wrong answer."""

import asyncio
import gzip
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from qdrant_client import AsyncQdrantClient, models

from app.core.errors import VectorsUnavailable
from app.domain.vectors import Found, Space
from app.stores.vectors.server import ServerVectors
from tests.ports import free_port
from tests.qdrant_server import QdrantServer
from tests.stores.vectors.points import ALICE, MALLORY, name, point, query

PATIENCE = 2.0
SPACE = Space("faults", 3)

Call = Callable[[ServerVectors], Awaitable[object]]
CALLS: Mapping[str, Call] = {
    "open": lambda store: store.open(SPACE),
    "upsert": lambda store: store.upsert(SPACE, ALICE, [point({1: 1.0})]),
    "delete": lambda store: store.delete(SPACE, ALICE),
    "search": lambda store: store.search(SPACE, ALICE, query({1: 1.0}, [1, 0, 0])),
    "documents": lambda store: store.documents(SPACE, ALICE),
    "tenants": lambda store: store.tenants(SPACE),
    "spaces": lambda store: store.spaces(),
    "drop": lambda store: store.drop("other"),
}
HTML = b"<!doctype html><title>Welcome</title><h1>It works</h1>"
FAULTS: Mapping[str, dict[str, Any]] = {
    "an error": {"status": 500, "body": b'{"status": {"error": "Service internal error"}, "time": 0}'},
    "an error as a page": {"status": 502, "body": HTML},
    "a refusal": {"status": 400, "body": b'{"status": {"error": "Wrong input: expected dim: 4, got 3"}, "time": 0}'},
    "a conflict": {"status": 409, "body": b'{"status": {"error": "Conflict"}, "time": 0}'},
    "a status that nobody has": {"status": 499, "body": b'{"status": {"error": "?"}, "time": 0}'},
    "a page": {"status": 200, "body": HTML},
    "a page that is not found": {"status": 404, "body": HTML},
    "somebody else's not found": {"status": 404, "body": b'{"detail": "Not Found"}'},
    "nothing": {"status": 200, "body": b""},
    "null": {"status": 200, "body": b"null"},
    "no result": {"status": 200, "body": b'{"status": "ok", "time": 0, "result": null}'},
    "another result": {"status": 200, "body": b'{"status": "ok", "time": 0, "result": [{"a": "\\ud800"}, 3]}'},
    "half a result": {"status": 200, "body": b'{"status": "ok", "result": {"coll'},
    "deep nesting": {"status": 200, "body": b"[" * 200_000},
    "bytes": {"status": 200, "body": bytes(range(256)) * 100},
    "a redirection": {"status": 307, "headers": {"Location": "http://127.0.0.1:1/"}},
    "somebody who knows us not": {"status": 401, "body": b"Must provide an API key"},
    "too many requests": {"status": 429, "headers": {"Retry-After": "tomorrow"}, "body": b"slow down"},
    "less than it says": {"status": 200, "headers": {"Content-Length": "5000", "Connection": "close"}, "body": b"{"},
    "a bomb": {
        "status": 200,
        "headers": {"Content-Encoding": "gzip"},
        "body": gzip.compress(b'{"result": "' + b"a" * 50_000_000),
    },
    "no end": {"unending": True, "body": b" " * 65536},
    "a long time": {"status": 200, "delay": PATIENCE + 3, "body": b"{}"},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QdrantServer]:
    with QdrantServer(tmp_path_factory.mktemp("faulty")) as faulty:
        yield faulty


@pytest.fixture
async def store(server: QdrantServer) -> AsyncIterator[ServerVectors]:
    made = ServerVectors(server.url, None, patience=PATIENCE)
    await made.open(SPACE)
    yield made
    server.heal()
    await made.close()


async def refused(call: Awaitable[object]) -> bool:
    """In time."""
    began = time.monotonic()
    with pytest.raises(VectorsUnavailable) as caught:
        await call
    assert caught.value.code == "rag_unavailable"
    return time.monotonic() - began < PATIENCE + 2


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", ["search", "upsert", "delete"])
async def test_whatever_it_answers_is_an_error_with_a_name(
    store: ServerVectors, server: QdrantServer, call: str, fault: str
) -> None:
    server.answer_with(**FAULTS[fault])

    assert await refused(CALLS[call](store))


@pytest.mark.parametrize(
    "fault", ["a refusal", "a conflict", "a page that is not found", "another result", "no result", "half a result"]
)
@pytest.mark.parametrize("call", sorted(CALLS.keys() - {"search", "upsert", "delete"}))
async def test_so_it_is_for_every_call(store: ServerVectors, server: QdrantServer, call: str, fault: str) -> None:
    server.answer_with(**FAULTS[fault])

    assert await refused(CALLS[call](store))


@pytest.mark.parametrize("call", CALLS)
async def test_nobody_there_is_told_at_once(call: str) -> None:
    store = ServerVectors(f"http://127.0.0.1:{free_port()}", None, patience=PATIENCE)

    assert await refused(CALLS[call](store))
    await store.close()


async def test_a_frozen_server_keeps_nobody_waiting_and_is_found_again(
    store: ServerVectors, server: QdrantServer
) -> None:
    server.freeze()
    try:
        assert all(await asyncio.gather(*(refused(CALLS["search"](store)) for _ in range(30))))
        began = time.monotonic()
        for _ in range(100):
            assert await refused(CALLS["search"](store))
        assert time.monotonic() - began < PATIENCE  # nobody asks it any more
    finally:
        server.thaw()
    async with asyncio.timeout(20):
        while store.away:
            await asyncio.sleep(0.05)
    assert await CALLS["search"](store) == Found({}, {})


@pytest.mark.parametrize("status", ["acknowledged", "wait_timeout"])
@pytest.mark.parametrize("call", ["upsert", "delete"])
async def test_what_is_only_noted_is_not_done(
    store: ServerVectors, server: QdrantServer, call: str, status: str
) -> None:
    noted = {"status": "ok", "time": 0, "result": {"operation_id": 1, "status": status}}
    server.answer_with(json.dumps(noted).encode())

    assert await refused(CALLS[call](store))


def hit(passage: str | None, score: float | str = 0.5, **more: object) -> dict[str, object]:
    return {"id": name(), "version": 1, "score": score, "payload": {"passage": passage}, **more}


@pytest.mark.parametrize(
    "points",
    [
        [hit(name())],  # whose id is not made of ours
        [hit(None)],
        [hit(name(), payload=None)],
        [hit(name(), id=7)],
    ],
)
async def test_points_that_cannot_be_ours_are_no_answer(
    store: ServerVectors, server: QdrantServer, points: list[dict[str, object]]
) -> None:
    answer = {"status": "ok", "time": 0, "result": [{"points": points}, {"points": []}]}
    server.answer_with(json.dumps(answer).encode())

    assert await refused(CALLS["search"](store))


async def test_another_s_point_is_no_answer_even_if_it_is_a_real_one(
    store: ServerVectors, server: QdrantServer
) -> None:
    hers = point({1: 1.0}, [1, 0, 0])
    await store.upsert(SPACE, ALICE, [hers])
    client = AsyncQdrantClient(url=server.url, check_compatibility=False)
    (row,) = await client.query_batch_points(
        "ai-backend-faults", [models.QueryRequest(query=[1.0, 0.0, 0.0], using="dense", with_payload=True)]
    )
    await client.close()
    stolen = row.model_dump(mode="json")
    assert [each["payload"]["passage"] for each in stolen["points"]] == [hers.passage_id]
    answer = {"status": "ok", "time": 0, "result": [stolen, stolen]}
    server.answer_with(json.dumps(answer).encode())

    assert await refused(store.search(SPACE, MALLORY, query({1: 1.0}, [1, 0, 0])))
    assert list((await store.search(SPACE, ALICE, query({1: 1.0}, [1, 0, 0]))).dense) == [hers.passage_id]
    server.heal()
    await store.delete(SPACE, ALICE)


@pytest.mark.parametrize("result", ["[]", '[{"points": []}]', '[{"points": []}, {"points": []}, {"points": []}]'])
async def test_an_answer_for_each_channel_and_no_more(store: ServerVectors, server: QdrantServer, result: str) -> None:
    server.answer_with(b'{"status": "ok", "time": 0, "result": %s}' % result.encode())

    assert await refused(CALLS["search"](store))


async def test_a_refusal_of_one_request_says_nothing_about_others(store: ServerVectors, server: QdrantServer) -> None:
    nowhere = Space("nowhere")
    for _ in range(10):
        with pytest.raises(VectorsUnavailable):
            await store.search(nowhere, ALICE, query({1: 1.0}))

    assert not store.away
    assert await CALLS["search"](store) == Found({}, {})


@pytest.mark.parametrize(
    ("vectors", "sparse"),
    [
        ({"dense": models.VectorParams(size=4, distance=models.Distance.COSINE)}, models.Modifier.IDF),
        ({"dense": models.VectorParams(size=3, distance=models.Distance.COSINE)}, None),
        ({}, models.Modifier.IDF),
    ],
)
async def test_a_collection_of_our_name_that_is_another_is_not_used(
    server: QdrantServer, store: ServerVectors, vectors: dict[str, models.VectorParams], sparse: models.Modifier | None
) -> None:
    client = AsyncQdrantClient(url=server.url, check_compatibility=False)
    terms = {"terms": models.SparseVectorParams(modifier=sparse)}
    await client.create_collection("ai-backend-taken", vectors_config=vectors, sparse_vectors_config=terms)

    assert await refused(store.open(Space("taken", 3)))
    await client.delete_collection("ai-backend-taken")
    await client.close()


async def test_collections_of_others_are_neither_seen_nor_touched(server: QdrantServer, store: ServerVectors) -> None:
    client = AsyncQdrantClient(url=server.url, check_compatibility=False)
    await client.create_collection("theirs", sparse_vectors_config={"words": models.SparseVectorParams()})

    assert await store.spaces() == [SPACE.name]
    await store.drop("theirs")

    assert "theirs" in {each.name for each in (await client.get_collections()).collections}
    await client.delete_collection("theirs")
    await client.close()


async def test_a_key_is_sent_and_told_to_nobody_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with QdrantServer(tmp_path, api_key="sesame-1234") as locked:
        ours = ServerVectors(locked.url, "sesame-1234", patience=PATIENCE)
        await ours.open(SPACE)
        assert await ours.spaces() == [SPACE.name]
        await ours.close()
        for wrong in (None, "guess-5678"):
            theirs = ServerVectors(locked.url, wrong, patience=PATIENCE)
            with pytest.raises(VectorsUnavailable) as caught:
                await theirs.spaces()
            assert "guess" not in str(caught.value)
            await theirs.close()

    assert "sesame" not in caplog.text
    assert "guess" not in caplog.text


async def test_a_server_that_comes_back_empty_is_not_taken_for_one_that_finds_nothing(tmp_path: Path) -> None:
    with QdrantServer(tmp_path) as forgetful:
        store = ServerVectors(forgetful.url, None, patience=PATIENCE)
        await store.open(SPACE)
        await store.drop(SPACE.name)

        assert await refused(CALLS["search"](store))
        assert await refused(CALLS["upsert"](store))
        await store.close()
