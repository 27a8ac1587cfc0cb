"""The list of Claude models: what it tells, and what is known without it."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from app.domain.cards import Input, ModelCard
from app.domain.failures import GenerationFailure
from app.providers import shipped
from app.providers.anthropic.adapter import AnthropicProvider
from tests.providers.loopback import Loopback, page

ALL = frozenset(Input)


@pytest.fixture
async def claude(vendor: Loopback) -> AsyncIterator[AnthropicProvider]:
    provider = AnthropicProvider(api_key=SecretStr("sk-test"), base_url=vendor.url, connect_timeout=5)
    yield provider
    await provider.aclose()


def model(name: str, **fields: Any) -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": name, "lifecycle": "active"} | fields


def listed(*models: dict[str, Any], more: bool = False) -> bytes:
    return json.dumps({"data": models, "has_more": more, "last_id": models[-1]["id"] if models else None}).encode()


def supports(**flags: bool) -> dict[str, dict[str, bool]]:
    return {name: {"supported": flag} for name, flag in flags.items()}


async def test_the_list_knows_more_than_the_table(vendor: Loopback, claude: AnthropicProvider) -> None:
    told = supports(image_input=True, pdf_input=False, thinking=False)
    new = model("claude-sonnet-7", max_input_tokens=2_000_000, max_tokens=256_000, capabilities=told)
    vendor.replies = [page(200, listed(new, model("claude-haiku-4-5-20251001"), model("glm-5")))]
    assert await claude.models() == [
        shipped.card("anthropic", "claude-haiku-4-5-20251001"),
        ModelCard(
            "anthropic",
            "claude-sonnet-7",
            2_000_000,
            256_000,
            takes_temperature=False,
            inputs=frozenset({Input.TEXT, Input.IMAGE}),
            reasons=False,
        ),
        ModelCard("anthropic", "glm-5"),
    ]


async def test_what_is_retired_is_not_listed(vendor: Loopback, claude: AnthropicProvider) -> None:
    models = [model("a", lifecycle="retired"), model("b", lifecycle="deprecated"), model("c")]
    vendor.replies = [page(200, listed(*models))]
    assert [card.id for card in await claude.models()] == ["b", "c"]


async def test_a_list_may_have_pages(vendor: Loopback, claude: AnthropicProvider) -> None:
    vendor.replies = [page(200, listed(model("b"), more=True)), page(200, listed(model("a")))]
    assert [card.id for card in await claude.models()] == ["a", "b"]
    assert [sent.path for sent in vendor.requests] == ["/v1/models?limit=1000", "/v1/models?limit=1000&after_id=b"]


async def test_a_list_without_end_is_left(vendor: Loopback, claude: AnthropicProvider) -> None:
    vendor.replies = [page(200, listed(model(str(number)), more=True)) for number in range(50)]
    assert len(await claude.models()) == 10
    vendor.replies = [page(200, listed(model("same"), more=True))]
    vendor.requests.clear()
    await claude.models()
    assert len(vendor.requests) == 2


async def test_a_gateways_list_in_openais_shape_is_read(vendor: Loopback, claude: AnthropicProvider) -> None:
    vendor.replies = [page(200, b'{"object":"list","data":[{"id":"x","object":"model","created":1}]}')]
    assert [card.name for card in await claude.models()] == ["anthropic/x"]


@pytest.mark.parametrize("body", [b"<html>", b'{"data":7}', b"[]", b'{"data":[{"name":"x"}]}'])
async def test_a_list_that_is_none_is_a_failure(vendor: Loopback, claude: AnthropicProvider, body: bytes) -> None:
    vendor.replies = [page(200, body)]
    with pytest.raises(GenerationFailure):
        await claude.models()


async def test_a_list_that_is_refused_is_a_failure(vendor: Loopback, claude: AnthropicProvider) -> None:
    vendor.replies = [page(401, b'{"type":"error","error":{"type":"authentication_error"}}')]
    with pytest.raises(GenerationFailure, match="credentials"):
        await claude.models()


@pytest.mark.parametrize(
    ("name", "window", "output"),
    [
        ("claude-sonnet-5-5", 1_000_000, 128_000),
        ("claude-sonnet-4-6", 1_000_000, 128_000),
        ("claude-haiku-4-5-20251001", 200_000, 64_000),
        ("claude-opus-4-5-20251101", 200_000, 64_000),
        ("claude-opus-9", None, None),
    ],
)
def test_the_table_knows_limits_by_name_and_day(name: str, window: int | None, output: int | None) -> None:
    card = shipped.card("anthropic", name)
    assert (card.context_window, card.max_output_tokens) == (window, output)


@pytest.mark.parametrize(
    ("name", "temperature", "inputs", "reasons"),
    [
        ("claude-sonnet-5-5", False, ALL, True),
        ("claude-opus-4-7", False, ALL, True),
        ("claude-sonnet-4-6", True, ALL, True),
        ("claude-haiku-4-5-20251001", True, ALL, True),
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", True, ALL, True),
        ("anthropic/claude-opus-5.5", False, ALL, True),
        ("claude-3-7-sonnet-20250219", True, ALL, True),
        ("claude-3-5-haiku-latest", True, ALL, False),
        ("claude-3-haiku-20240307", True, frozenset({Input.TEXT}), False),
        ("claude-opus-10", False, ALL, True),
        ("my-model", True, frozenset({Input.TEXT}), False),
    ],
)
def test_a_name_tells_what_a_model_takes(name: str, temperature: bool, inputs: frozenset[Input], reasons: bool) -> None:
    card = shipped.card("anthropic", name)
    assert (card.takes_temperature, card.inputs, card.reasons) == (temperature, inputs, reasons)
