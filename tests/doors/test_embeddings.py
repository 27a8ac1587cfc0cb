"""Vectors for clients that exist: of the texts as they are, by whichever vendor makes some."""

import asyncio
import base64
import json
from array import array
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import ollama
import openai
import pytest
from sqlalchemy import select

from app.models.usage import usage_records
from tests.accounts.behind import rows
from tests.backend import User
from tests.chat.conftest import serving
from tests.doors.conftest import Service
from tests.upstream import Upstream
from tests.upstream.dialects.vectors import vector_of
from tests.upstream.scenarios import Answer, Page, Refuse, Silence

_people = iter(range(1000))
_C = usage_records.c
_BOOKED = select(_C.outcome, _C.estimated, _C.input_tokens).order_by(_C.created_at)
INDEX = "openai/index-48d"
"""The model of the server's own index, whose name says of how many dimensions it is."""
MODELS = ("openai/text-embedding-3-small", "deepseek/embedder", "ollama/nomic-embed-text", INDEX)


@pytest.fixture(scope="module")
async def service(
    every_vendor: Upstream, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("embeddings")
    async with serving(
        every_vendor,
        sqlite_template,
        folder,
        embedding_model=INDEX,
        embedding_base_url=f"{every_vendor.url}/v1",
        embedding_timeout=3,
    ) as service:
        yield service


@pytest.fixture
async def client(service: Service, vendor: Upstream) -> AsyncIterator[openai.AsyncOpenAI]:
    vendor.models = ("gpt", "nomic-embed-text")
    async with openai.AsyncOpenAI(
        base_url=f"{service.backend.url}/v1", api_key=service.alice.token, max_retries=0
    ) as client:
        yield client


@pytest.fixture
async def ollamas(service: Service, vendor: Upstream) -> AsyncIterator[ollama.AsyncClient]:
    vendor.models = ("gpt", "nomic-embed-text")
    headers = {"Authorization": f"Bearer {service.alice.token}"}
    async with ollama.AsyncClient(f"{service.backend.url}/ollama", headers=headers) as client:
        yield client


async def asked(service: Service, path: str = "/v1/embeddings", /, **body: Any) -> httpx.Response:
    return await service.alice.http.post(path, json=body)


async def refused(service: Service, **body: Any) -> tuple[int, str | None, str | None]:
    response = await asked(service, **body)
    error = response.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    return response.status_code, error["param"], error["code"]


def near(vector: Any, text: str, dimensions: int = 32) -> bool:
    meant = vector_of(text, dimensions)
    return len(vector) == len(meant) and all(abs(one - other) < 1e-6 for one, other in zip(vector, meant, strict=True))


@pytest.mark.parametrize("model", MODELS)
async def test_openais_client_gets_vectors_of_every_vendor(client: openai.AsyncOpenAI, model: str) -> None:
    made = await client.embeddings.create(model=model, input=["the cat", "犬 dog"])
    dimensions = 48 if model == INDEX else 32
    assert [each.index for each in made.data] == [0, 1]
    assert near(made.data[0].embedding, "the cat", dimensions)
    assert near(made.data[1].embedding, "犬 dog", dimensions)
    assert made.model == model
    assert made.usage.prompt_tokens == made.usage.total_tokens > 0


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("index-48d", INDEX),
        ("text-embedding-3-small", "openai/text-embedding-3-small"),
        ("nomic-embed-text", "ollama/nomic-embed-text"),
        ("nomic-embed-text:latest", "ollama/nomic-embed-text"),
    ],
)
async def test_a_bare_id_will_do(client: openai.AsyncOpenAI, name: str, meant: str) -> None:
    assert (await client.embeddings.create(model=name, input="x")).model in (meant, f"openai/{name}")


async def test_a_text_reaches_its_model_as_it_is(service: Service, vendor: Upstream) -> None:
    long = "  Ünïcode\n\t" + "x" * 20_000 + "  "
    for model in ("ollama/bge-m3", "openai/bge-m3", INDEX):
        assert (await asked(service, model=model, input=long)).status_code == 200
        assert vendor.calls[-1].body["input"] == [long]


async def test_what_is_not_of_the_protocol_goes_nowhere(service: Service, vendor: Upstream) -> None:
    beside = {"user": "x", "api_base": "http://evil.test", "api_key": "sk-x", "extra_headers": {"X": "y"}, "foo": None}
    assert (await asked(service, model="openai/m", input="x", **beside)).status_code == 200
    assert vendor.calls[-1].body == {"model": "m", "input": ["x"]}
    assert vendor.calls[-1].headers["authorization"] == "Bearer sk-loopback-key"


async def test_floats_are_told_as_the_model_says_them(service: Service, vendor: Upstream) -> None:
    vendor.script(Page(b'{"data":[{"embedding":[0.1,-2.5e-9,3]}]}', content_type="application/json"))
    response = await asked(service, model="openai/m", input="x", encoding_format="float")
    assert response.json()["data"] == [{"object": "embedding", "index": 0, "embedding": [0.1, -2.5e-9, 3.0]}]


async def test_base64_is_numbers_of_32_bits(service: Service, vendor: Upstream) -> None:
    response = await asked(service, model="ollama/m", input="cat", encoding_format="base64")
    numbers = array("f", base64.b64decode(response.json()["data"][0]["embedding"]))
    assert near(numbers, "cat")


async def test_ids_of_tokens_are_passed_on_where_the_protocol_has_them(
    client: openai.AsyncOpenAI, vendor: Upstream
) -> None:
    one = await client.embeddings.create(model="openai/m", input=[5, 6, 7])
    two = await client.embeddings.create(model="deepseek/m", input=[[5, 6], [7]])
    assert (len(one.data), len(two.data)) == (1, 2)
    assert [call.body["input"] for call in vendor.calls] == [[[5, 6, 7]], [[5, 6], [7]]]
    with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length=False") as refusal:
        await client.embeddings.create(model="ollama/nomic-embed-text", input=[[5, 6]])
    assert refusal.value.param == "input"


async def test_dimensions_are_the_models_business(client: openai.AsyncOpenAI) -> None:
    made = await client.embeddings.create(model="ollama/m", input="x", dimensions=8)
    assert len(made.data[0].embedding) == 8
    with pytest.raises(openai.BadRequestError) as refusal:
        await client.embeddings.create(model="openai/m-fixed", input="x", dimensions=8)
    assert refusal.value.param == "dimensions"


async def test_many_texts_are_asked_for_in_several_requests_and_stay_in_order(
    client: openai.AsyncOpenAI, vendor: Upstream
) -> None:
    texts = [f"word{number}" for number in range(300)]
    made = await client.embeddings.create(model="openai/m-swapped", input=texts, user="somebody")
    assert all(near(each.embedding, text) for each, text in zip(made.data, texts, strict=True))
    assert [each.index for each in made.data] == list(range(300))
    assert max(len(call.body["input"]) for call in vendor.calls) <= 32


@pytest.mark.parametrize(
    "given", ["", [], [""], ["a", ""], [[]], [1, "a"], ["a", 1], [[1], "a"], [-1], 7, {}, None, ["a"] * 2049, "a\0b"]
)
async def test_what_is_no_input_is_refused(service: Service, vendor: Upstream, given: Any) -> None:
    status, param, _ = await refused(service, model="openai/m", input=given)
    assert status == 400
    assert (param or "").startswith("input")
    assert not vendor.calls


@pytest.mark.parametrize(
    ("body", "status", "param", "code"),
    [
        ({"model": "nobody-has-this"}, 404, "model", "model_not_found"),
        ({"model": "anthropic/claude-sonnet-4-6"}, 400, "model", None),
        ({"model": "offline/responder"}, 400, "model", None),
        ({"model": "openai/m", "encoding_format": "int8"}, 400, "encoding_format", None),
        ({"model": "openai/m", "dimensions": 0}, 400, "dimensions", None),
        ({}, 400, "model", None),
    ],
)
async def test_what_cannot_be_is_refused_by_its_field(
    client: openai.AsyncOpenAI, service: Service, vendor: Upstream, body: Any, status: int, param: str, code: str | None
) -> None:
    if body.get("model") == "nobody-has-this":
        vendor.script(Refuse(404))
    assert await refused(service, input="x", **body) == (status, param, code)


@pytest.mark.parametrize("model", ["openai/m", "ollama/m"])
@pytest.mark.parametrize(
    ("scenario", "status", "code"),
    [
        (Refuse(400), 400, None),
        (Refuse(422), 400, None),
        (Refuse(400, reason="context_length"), 400, "context_length_exceeded"),
        (Refuse(401), 502, "upstream_auth"),
        (Refuse(404), 404, "model_not_found"),
        (Refuse(429, headers={"Retry-After": "7"}), 503, "upstream_rate_limited"),
        (Refuse(503, headers={"Retry-After": "7"}), 503, "upstream_overloaded"),
        (Page(b"<html>", content_type="text/html"), 502, "upstream_protocol"),
        (Page(b'{"data":[],"embeddings":[]}', content_type="application/json"), 502, "upstream_protocol"),
        (Silence(), 504, "upstream_timeout"),
    ],
)
async def test_what_goes_wrong_at_the_vendor_is_told(
    service: Service, vendor: Upstream, model: str, scenario: Any, status: int, code: str | None
) -> None:
    vendor.script(scenario)
    response = await asked(service, model=model, input="x")
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    if status == 503:
        assert response.headers["retry-after"] == "7"
    if code == "context_length_exceeded":
        assert response.json()["error"]["param"] == "input"


async def booked(service: Service, user: User, *, calls: int = 1) -> list[tuple[str, bool, int]]:
    """How each call ended, whether its tokens are an estimate, and those; once there are so many."""
    me = (await user.http.get("/users/me")).json()["id"]
    async with asyncio.timeout(20):
        while len(found := await rows(service.database_url, _BOOKED.where(_C.user_id == me))) < calls:
            await asyncio.sleep(0.01)
    return [tuple(each.values()) for each in found]  # type: ignore[misc]  # as selected


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/embeddings", {"model": "openai/m", "input": "x"}),
        ("/ollama/api/embed", {"model": "ollama/m", "input": "x"}),
        ("/ollama/api/embeddings", {"model": "ollama/m", "prompt": "x"}),
    ],
)
async def test_who_leaves_is_billed_for_what_was_asked_for(
    service: Service, vendor: Upstream, path: str, body: dict[str, Any]
) -> None:
    user = await service.backend.user(f"leaver-{next(_people)}")
    vendor.script(Answer(("x",), hold=True, usage=(40, 0)))
    asking = asyncio.create_task(user.http.post(path, json=body))
    call = await vendor.requested()
    asking.cancel()
    await asyncio.sleep(0.05)
    assert call.ended is None
    await vendor.finish(request=call)
    assert await booked(service, user) == [("complete", False, 40)]


async def test_of_who_left_nothing_more_is_asked(service: Service, vendor: Upstream) -> None:
    user = await service.backend.user(f"leaver-{next(_people)}")
    vendor.script(Answer(("x",), hold=True, usage=(40, 0)))
    many = {"model": "openai/m", "input": [f"text {number}" for number in range(99)]}
    asking = asyncio.create_task(user.http.post("/v1/embeddings", json=many))
    call = await vendor.requested()
    asking.cancel()
    await asyncio.sleep(0.5)  # until that is seen
    await vendor.finish(request=call)
    assert await booked(service, user) == [("stopped", False, 40)]
    assert len(vendor.calls) == 1


async def test_who_leaves_keeps_the_place_until_the_vendor_has_answered(service: Service, vendor: Upstream) -> None:
    vendor.script(Answer(("x",), hold=True))
    leaving = [asyncio.create_task(asked(service, model="ollama/m", input=f"text {n}")) for n in range(2)]
    await vendor.requested(2)
    first = vendor.calls[0]
    for each in leaving:
        each.cancel()
    waiting = asyncio.create_task(asked(service, model="ollama/m", input="text 3"))
    await asyncio.sleep(0.05)
    assert len(vendor.calls) == 2
    await vendor.finish(request=first)
    await vendor.requested(3)
    for call in vendor.calls[1:]:
        await vendor.finish(request=call)
    assert (await waiting).status_code == 200


async def test_a_vendor_that_never_answers_who_left_is_left_at_its_time(service: Service, vendor: Upstream) -> None:
    vendor.script(Silence())
    asking = asyncio.create_task(asked(service, model="ollama/m", input="x"))
    call = await vendor.requested()
    asking.cancel()
    await vendor.wait_for(lambda: call.ended == "aborted", within=20)
    assert len(vendor.calls) == 1  # for nobody it is not asked again


async def test_a_drain_waits_for_what_is_asked_and_books_what_it_cuts(
    every_vendor: Upstream, vendor: Upstream, sqlite_template: Path, tmp_path: Path
) -> None:
    vendor.script(Answer(("x",), hold=True, usage=(40, 0)))
    async with serving(every_vendor, sqlite_template, tmp_path) as service:
        alice, bob = service.alice, await service.backend.user("bob")
        ways = {"in time": alice, "left": alice, "too late": bob}
        in_time, left, too_late = [
            asyncio.create_task(user.http.post("/v1/embeddings", json={"model": "openai/m", "input": text}))
            for text, user in ways.items()
        ]
        await vendor.requested(3)
        left.cancel()
        draining = asyncio.create_task(service.backend.house.drain(1.0))
        await asyncio.sleep(0.02)
        refused = await asked(service, model="openai/m", input="x")
        await vendor.finish(request=next(call for call in vendor.calls if call.body["input"] == ["in time"]))
        assert (await in_time).status_code == 200
        assert (await too_late).status_code == refused.status_code == 503
        await draining
        assert sorted(await booked(service, alice, calls=2)) == [("complete", False, 40), ("stopped", True, 2)]
        assert await booked(service, bob) == [("stopped", True, 3)]
    assert int(refused.headers["retry-after"]) > 0
    assert len(vendor.calls) == 3


async def test_nobody_has_more_than_two_requests_at_work(service: Service, vendor: Upstream) -> None:
    vendor.script(Answer(("x",), hold=True))
    asking = [asyncio.create_task(asked(service, model="ollama/m", input=f"text {n}")) for n in range(4)]
    await vendor.requested(2)
    await asyncio.sleep(0.05)
    assert len(vendor.calls) == 2
    vendor.script(Answer(("x",)))
    for call in list(vendor.calls):
        await vendor.finish(request=call)
    assert [(await each).status_code for each in asking] == [200] * 4


async def test_what_was_used_is_booked_by_its_model(service: Service, vendor: Upstream) -> None:
    bob = await service.backend.user("bob")
    vendor.script(Answer(("x",), usage=(40, 0)))
    for model in ("openai/booked", "ollama/booked", "openai/booked"):
        await bob.http.post("/v1/embeddings", json={"model": model, "input": "x"})
    items = (await bob.http.get("/users/me/usage")).json()["items"]
    assert {each["model"]: (each["requests"], each["input_tokens"]) for each in items} == {
        "openai/booked": (2, 80),
        "ollama/booked": (1, 40),
    }
    counted = service.backend.house.metrics.exposition().decode()
    assert 'ai_upstream_attempts_total{outcome="complete",provider="ollama"}' in counted


async def test_a_key_for_some_models_gets_no_others(service: Service, vendor: Upstream) -> None:
    made = await service.alice.http.post("/users/me/api-keys", json={"name": "k", "scopes": ["models:ollama/*"]})
    headers = {"Authorization": f"Bearer {made.json()['key']}"}
    async with httpx.AsyncClient(base_url=service.backend.url, headers=headers, trust_env=False) as http:
        for model, status in (("ollama/m", 200), ("openai/m", 403), (INDEX, 403)):
            answer = await http.post("/v1/embeddings", json={"model": model, "input": "x"})
            assert answer.status_code == status


async def test_ollamas_client_gets_vectors_of_every_vendor(ollamas: ollama.AsyncClient, vendor: Upstream) -> None:
    for model in ("nomic-embed-text", "nomic-embed-text:latest", INDEX, f"{INDEX}:latest"):
        made = await ollamas.embed(model, ["the cat", "dog"])
        assert made.model == model
        assert near(made.embeddings[0], "the cat", len(made.embeddings[0]))
        assert (len(made.embeddings), made.prompt_eval_count) == (2, vendor_tokens(vendor))
        old = await ollamas.embeddings(model, "the cat")
        assert near(old.embedding, "the cat", len(old.embedding))
    assert len((await ollamas.embed("nomic-embed-text", "x", dimensions=8)).embeddings[0]) == 8


def vendor_tokens(vendor: Upstream) -> int:
    scenario = vendor.calls[-1].scenario
    assert isinstance(scenario, Answer)
    assert scenario.usage is not None
    return scenario.usage[0]


async def test_ollamas_clients_say_whether_texts_may_be_cut(
    service: Service, ollamas: ollama.AsyncClient, vendor: Upstream
) -> None:
    await ollamas.embed("ollama/m", "x")
    await ollamas.embed("ollama/m", "x", truncate=False)
    await asked(service, model="ollama/m", input="x")
    assert [call.body["truncate"] for call in vendor.calls] == [True, False, False]


async def test_of_nothing_ollamas_clients_get_nothing(ollamas: ollama.AsyncClient, vendor: Upstream) -> None:
    assert (await ollamas.embed("ollama/m", "")).embeddings == []
    assert (await ollamas.embeddings("ollama/m", "")).embedding == []
    assert not vendor.calls


async def test_ollamas_client_is_refused_in_its_own_words(
    service: Service, ollamas: ollama.AsyncClient, vendor: Upstream
) -> None:
    with pytest.raises(ollama.ResponseError) as refusal:
        await ollamas.embed("anthropic/claude-sonnet-4-6", "x")
    assert (refusal.value.status_code, "anthropic" in refusal.value.error) == (400, True)
    vendor.script(Refuse(404))
    response = await asked(service, "/ollama/api/embed", model="ollama/gone", input="x")
    assert response.status_code == 404
    assert isinstance(response.json()["error"], str)


@pytest.mark.parametrize("spelled", ["float", "base64"])
async def test_a_large_answer_is_sent_whole_and_gives_its_place_back(
    service: Service, vendor: Upstream, spelled: str
) -> None:
    answered = {"data": [{"embedding": [number / 32] * 2048} for number in range(32)]}
    vendor.script(Page(json.dumps(answered).encode(), content_type="application/json"))
    for _ in range(3):  # more than one has places
        response = await asked(service, model="openai/m", input=["x"] * 64, encoding_format=spelled)
        data = response.json()["data"]
        vectors = [_unpacked(each["embedding"]) for each in data]
        assert [each["index"] for each in data] == list(range(64))
        assert [(vector[0], len(vector)) for vector in vectors] == [(number / 32, 2048) for number in range(32)] * 2


def _unpacked(vector: Any) -> Any:
    return array("f", base64.b64decode(vector)) if isinstance(vector, str) else vector


async def test_more_than_can_be_held_is_refused(service: Service, vendor: Upstream) -> None:
    answered = json.dumps({"data": [{"embedding": [0] * 4096}] * 32}).encode()
    vendor.script(Page(answered, content_type="application/json"))
    response = await asked(service, model="openai/m", input=["x"] * 2048)
    assert (response.status_code, response.json()["error"]["param"]) == (400, "input")
    assert "1024" in response.json()["error"]["message"]
    assert len(vendor.calls) == 1
