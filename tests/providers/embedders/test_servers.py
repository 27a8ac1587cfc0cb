"""What each kind of server is asked, and with which credentials."""

from array import array
from base64 import b64encode
from decimal import Decimal
from importlib.util import find_spec
from math import nan
from typing import Any

import pytest

from app.core.config import StartRefused
from app.domain.cards import ModelCard
from app.domain.embedding import Embedder, EmbedderUnavailable
from app.domain.scripts import Script
from app.providers.embedders.billing import Biller, Tally
from app.providers.embedders.endpoint import Endpoint
from app.providers.embedders.known import Traits
from app.providers.embedders.openai import OpenAISource
from app.providers.embedders.registry import configured_embedder
from app.providers.embedders.source import Kind
from app.providers.prices import Prices
from tests.providers.embedders.making import Maker, are_of, settings
from tests.upstream import Page, Upstream
from tests.upstream.dialects.vectors import vector_of


def made(**given: object) -> Embedder:
    embedder = configured_embedder(settings(**given))
    assert embedder is not None
    return embedder


def test_there_is_none_unless_it_is_named() -> None:
    assert configured_embedder(settings(openai_api_key="sk-test")) is None


async def test_openai_is_asked_in_its_protocol(maker: Maker, upstream: Upstream) -> None:
    await maker.make("openai/some/model", embedding_api_key=" sk-embed\n").embed_passages(["a", "b"])
    (call,) = upstream.calls
    assert (call.method, call.path) == ("POST", "/v1/embeddings")
    assert call.headers["authorization"] == "Bearer sk-embed"
    assert call.body == {"model": "some/model", "input": ["a", "b"]}


async def test_ollama_is_asked_in_its_own(maker: Maker, upstream: Upstream) -> None:
    for suffix in ("", "/", "/v1", "/api/"):
        await maker.make("ollama/bge-m3", embedding_base_url=upstream.url + suffix).embed_passages(["a"])
    for call in upstream.calls:
        assert (call.method, call.path) == ("POST", "/api/embed")
        assert "authorization" not in call.headers
        assert call.body == {"model": "bge-m3", "truncate": True, "input": ["a"]}


async def test_vectors_are_put_in_the_order_of_their_numbers(maker: Maker) -> None:
    assert are_of(
        await maker.make("openai/echo-swapped").embed_passages(["one", "two", "three"]), "one", "two", "three"
    )


async def test_jinas_model_is_told_what_a_text_is_for(maker: Maker, upstream: Upstream) -> None:
    embedder = maker.make("openai/jina-embeddings-v3")
    await embedder.embed_passages(["a"])
    await embedder.embed_question("b")
    assert [call.body["task"] for call in upstream.calls] == ["retrieval.passage", "retrieval.query"]


async def test_the_providers_own_address_and_key_are_used_unless_there_are_others(upstream: Upstream) -> None:
    own = {"embedding_model": "openai/echo", "openai_api_key": "sk-chat", "openai_base_url": f"{upstream.url}/v1"}
    elsewhere = {**own, "openai_base_url": "http://127.0.0.1:1/v1", "embedding_base_url": f"{upstream.url}/v1"}
    cases: list[tuple[dict[str, Any], str | None]] = [
        (own, "Bearer sk-chat"),
        ({**own, "embedding_api_key": "sk-embed"}, "Bearer sk-embed"),
        ({**elsewhere, "embedding_api_key": "sk-embed"}, "Bearer sk-embed"),
        (elsewhere, None),  # a key for OpenAI is nobody else's business
    ]
    for given, authorization in cases:
        upstream.reset()
        embedder = made(**given)
        await embedder.embed_question("hello")
        assert upstream.calls[0].headers.get("authorization") == authorization
        await embedder.aclose()


async def test_ollama_is_looked_for_where_chat_has_its_own(upstream: Upstream) -> None:
    embedder = made(embedding_model="ollama/echo", ollama_base_url=upstream.url)
    assert await embedder.dimensions() == 32
    await embedder.aclose()


async def test_a_key_that_no_request_can_hold_is_refused_without_one(maker: Maker, upstream: Upstream) -> None:
    with pytest.raises(EmbedderUnavailable) as failed:
        await maker.make("openai/echo", embedding_api_key="sk-schlüssel").embed_question("hello")
    assert failed.value.lasting
    assert not upstream.requests


async def test_numbers_are_asked_for_packed_where_that_is_known(upstream: Upstream) -> None:
    endpoint = Endpoint(f"{upstream.url}/v1/embeddings", None, connect_timeout=5, patience=5)
    source = OpenAISource(endpoint, "echo", Traits(None), None, packed=True)
    reply = await source.ask(["one", "two words"], Kind.PASSAGE)
    assert upstream.calls[0].body["encoding_format"] == "base64"
    for vector, text in zip(reply.vectors, ("one", "two words"), strict=True):
        assert vector == pytest.approx(vector_of(text))
    await source.aclose()


async def test_packed_numbers_that_are_none_are_refused(maker: Maker, upstream: Upstream) -> None:
    for packed in (b"AAAA", b"AADAfwAA", b64encode(array("f", [nan, 1.0]).tobytes()), b"%%%"):
        upstream.script(Page(b'{"data": [{"embedding": "%b"}]}' % packed, content_type="application/json"))
        with pytest.raises(EmbedderUnavailable):
            await maker.make("openai/echo").embed_question("hello")


# Where somebody has installed the extra, it is not missing.
MISSING = [] if find_spec("fastembed") else [({"embedding_model": "fastembed/BAAI/bge-m3"}, "pip install")]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        *MISSING,
        ({"embedding_model": "openai/text-embedding-3-small"}, "OPENAI_API_KEY"),
        ({"embedding_model": "fastembed/BAAI/bge-small-en-v1.5", "embedding_dimensions": 64}, "EMBEDDING_DIMENSIONS"),
    ],
)
def test_what_cannot_work_does_not_start(given: dict[str, Any], says: str) -> None:
    with pytest.raises(StartRefused, match=says):
        configured_embedder(settings(**given))


@pytest.mark.parametrize(
    "name", ["text-embedding-3-small", "cohere/embed-v4", "openai/", "ollama/a\nb", "openai/" + "x" * 200]
)
def test_other_names_are_no_settings(name: str) -> None:
    with pytest.raises(ValueError, match="embedding model is named"):
        settings(embedding_model=name)


@pytest.mark.parametrize("given", ["klingon", "latin,klingon"])
def test_other_scripts_are_no_settings(given: str) -> None:
    with pytest.raises(ValueError, match="embedding_scripts"):
        settings(embedding_scripts=given)


def test_every_script_can_be_set() -> None:
    everything = made(embedding_model="ollama/mine", embedding_scripts=",".join(Script))
    assert everything.scripts == set(Script)


def test_an_operator_knows_better_than_the_table(caplog: pytest.LogCaptureFixture) -> None:
    assert made(embedding_model="ollama/all-minilm", embedding_scripts="latin, cyrillic").scripts == {
        "latin",
        "cyrillic",
    }
    assert made(embedding_model="ollama/mine", embedding_scripts="chinese").scripts == {"chinese"}
    assert not caplog.records


def test_an_unknown_model_counts_as_knowing_all_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    assert made(embedding_model="ollama/mine").scripts is None
    assert "EMBEDDING_SCRIPTS" in caplog.text


@pytest.mark.parametrize(("model", "cost"), [("text-embedding-3-small", "0.02"), ("text-embedding-3-large", "0.13")])
async def test_openais_own_tokens_have_their_price(model: str, cost: str) -> None:
    biller = Biller(ModelCard("openai", model), Prices({"openai"}).cost)
    attempt = (await biller.bill(Tally(1_000_000))).attempt
    assert attempt is not None
    assert attempt.cost == Decimal(cost)


@pytest.mark.parametrize("reported", [None, -1, 2**31, 10**30])
async def test_tokens_that_are_no_number_of_any_are_estimated(reported: int | None) -> None:
    tally = Tally()
    tally.add(["hello"], reported)
    assert tally.estimated
    assert 0 < tally.tokens < 10
