"""What every adapter owes its vendor: one request in the vendor's own words, with our key and nobody else's."""

import json
from dataclasses import replace

import pytest

from app.domain.cards import Input
from app.domain.failures import FailureCode, GenerationFailure
from app.domain.prompts import (
    Effort,
    Image,
    ModelMessage,
    ModelRequest,
    Part,
    Pdf,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from app.domain.providers import Provider
from tests.providers.adapters import Adapter, asking, run
from tests.providers.asked import Asked
from tests.upstream import Upstream

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
PDF = b"%PDF-1.7\n" + bytes(range(256))
NASTY = 'line\r\nbreak\u2028 "quotes" \\ 汉字 😀 \x01 data: x\n\nevent: done'


async def asked(upstream: Upstream, adapter: Adapter, provider: Provider, request: ModelRequest) -> Asked:
    await run(provider, request)
    return adapter.read(upstream.calls[-1].body)


def saying(adapter: Adapter, *parts: Part) -> ModelRequest:
    return ModelRequest(adapter.card, [ModelMessage("user", parts)], None, 64, None)


async def test_the_conversation_is_told_in_order_behind_the_system_prompt(
    upstream: Upstream, adapter: Adapter, adapted: Provider
) -> None:
    said = [("user", "Q1"), ("assistant", "A1"), ("user", NASTY), ("assistant", NASTY), ("user", "Q3")]
    history = [ModelMessage("assistant" if role == "assistant" else "user", text) for role, text in said]
    told = await asked(upstream, adapter, adapted, ModelRequest(adapter.card, history, NASTY, 64, None))
    assert (told.model, told.system, told.turns) == (adapter.card.id, NASTY, said)
    assert upstream.calls[0].body["stream"] is True


async def test_without_a_system_prompt_there_is_none(upstream: Upstream, adapter: Adapter, adapted: Provider) -> None:
    told = await asked(upstream, adapter, adapted, asking(adapter.card))
    assert (told.system, told.turns) == (None, [("user", "Hi")])


async def test_a_bound_on_the_answer_is_always_told(upstream: Upstream, adapter: Adapter, adapted: Provider) -> None:
    told = await asked(upstream, adapter, adapted, replace(asking(adapter.card), max_tokens=1234))
    assert told.max_tokens == 1234


@pytest.mark.parametrize("temperature", [None, 0.0, 0.5])
async def test_a_temperature_is_told_to_models_that_take_one(
    upstream: Upstream, adapter: Adapter, adapted: Provider, temperature: float | None
) -> None:
    request = replace(asking(adapter.card), temperature=temperature)
    assert (await asked(upstream, adapter, adapted, request)).temperature == temperature
    unmoved = replace(request, model=replace(adapter.card, takes_temperature=False))
    assert (await asked(upstream, adapter, adapted, unmoved)).temperature is None


@pytest.mark.parametrize("effort", list(Effort))
async def test_an_effort_is_told_to_models_that_reason(
    upstream: Upstream, adapter: Adapter, adapted: Provider, effort: Effort
) -> None:
    request = replace(asking(adapter.card), effort=effort)
    assert (await asked(upstream, adapter, adapted, request)).effort != {}
    plain = replace(request, model=replace(adapter.card, reasons=False))
    assert (await asked(upstream, adapter, adapted, plain)).effort == {}
    assert (await asked(upstream, adapter, adapted, asking(adapter.card))).effort == {}


async def test_images_go_along_where_models_see(upstream: Upstream, adapter: Adapter, adapted: Provider) -> None:
    parts = (Text("What "), Image(PNG, "image/png"), Image(PNG[::-1], "image/jpeg"), Text("is this?"))
    told = await asked(upstream, adapter, adapted, saying(adapter, *parts))
    assert told.images == [PNG, PNG[::-1]]
    assert told.turns == [("user", "What is this?")]


async def test_a_pdf_goes_along_or_nothing_is_asked(upstream: Upstream, adapter: Adapter, adapted: Provider) -> None:
    request = saying(adapter, Text("Sum up."), Pdf(PDF, "paper.pdf"))
    if adapter.id != "ollama":
        told = await asked(upstream, adapter, adapted, request)
        assert (told.pdfs, told.turns) == ([PDF], [("user", "Sum up.")])
        return
    assert Input.PDF not in adapter.card.inputs
    with pytest.raises(GenerationFailure) as failure:
        await run(adapted, request)
    assert (failure.value.code, failure.value.retryable) == (FailureCode.UPSTREAM_ERROR, False)
    assert "attached" in failure.value.detail
    assert upstream.requests == []


async def test_a_large_attachment_arrives_whole(upstream: Upstream, adapter: Adapter, adapted: Provider) -> None:
    image = PNG * 12_000
    told = await asked(upstream, adapter, adapted, saying(adapter, Text("?"), Image(image, "image/png")))
    assert told.images == [image]


async def test_tools_that_were_used_are_part_of_the_conversation(
    upstream: Upstream, adapter: Adapter, adapted: Provider
) -> None:
    weather, clock = ToolCall("call_1", "weather", '{"city": "Paris", "day": 1}'), ToolCall("call_2", "clock", "")
    history = [
        ModelMessage("user", "Weather?"),
        ModelMessage("assistant", [Text("Let me look."), weather, clock]),
        ModelMessage("user", [ToolResult("call_1", "Rain 汉"), ToolResult("call_2", "It stopped.", failed=True)]),
        ModelMessage("assistant", "It rains."),
        ModelMessage("user", [Text("And now?")]),
    ]
    told = await asked(upstream, adapter, adapted, ModelRequest(adapter.card, history, None, 64, None))
    assert told.calls == [("weather", {"city": "Paris", "day": 1}), ("clock", {})]
    assert told.results == [("weather", "Rain 汉"), ("clock", "It stopped.")]
    assert told.turns == [
        ("user", "Weather?"),
        ("assistant", "Let me look."),
        ("assistant", "It rains."),
        ("user", "And now?"),
    ]


async def test_what_a_model_thought_is_no_part_of_what_it_said(
    upstream: Upstream, adapter: Adapter, adapted: Provider
) -> None:
    answer = ModelMessage("assistant", [Reasoning("Hm.", signature="c2Vhb"), Text("42.")])
    history = [ModelMessage("user", "Q1"), answer, ModelMessage("user", "Q2")]
    told = await asked(upstream, adapter, adapted, ModelRequest(adapter.card, history, None, 64, None))
    assert told.turns == [("user", "Q1"), ("assistant", "42."), ("user", "Q2")]


@pytest.mark.parametrize("where", ["question", "system"])
async def test_what_no_request_can_hold_is_refused_before_it_is_sent(
    upstream: Upstream, adapter: Adapter, adapted: Provider, where: str
) -> None:
    half = "half a pair: \ud83d"
    request = asking(adapter.card, half) if where == "question" else replace(asking(adapter.card), system_prompt=half)
    with pytest.raises(GenerationFailure) as failure:
        await run(adapted, request)
    assert not failure.value.retryable
    assert upstream.requests == []


# Whose it is


async def test_only_its_own_key_goes_along(upstream: Upstream, adapter: Adapter, adapted: Provider) -> None:
    await run(adapted, asking(adapter.card))
    await adapted.models()
    for request in upstream.requests:
        names = {"authorization", "x-api-key", "api-key", "cookie", "proxy-authorization"} & request.headers.keys()
        assert {name: request.headers[name] for name in names} == adapter.credentials
        assert "ours" not in request.path + request.query + json.dumps(request.body)


async def test_a_compressed_answer_is_never_asked_for(upstream: Upstream, adapter: Adapter, adapted: Provider) -> None:
    await run(adapted, asking(adapter.card))
    await adapted.models()
    assert {request.headers["accept-encoding"] for request in upstream.requests} == {"identity"}


ELSEWHERE = "http://127.0.0.1:9"
ENVIRONMENT = {
    "OPENAI_API_KEY": "theirs-OPENAI_API_KEY",
    "OPENAI_ADMIN_KEY": "theirs-OPENAI_ADMIN_KEY",
    "OPENAI_ORG_ID": "theirs-OPENAI_ORG_ID",
    "OPENAI_PROJECT_ID": "theirs-OPENAI_PROJECT_ID",
    "OPENAI_WEBHOOK_SECRET": "theirs-OPENAI_WEBHOOK_SECRET",
    "OPENAI_BASE_URL": ELSEWHERE,
    "OPENAI_CUSTOM_HEADERS": "Authorization: Bearer theirs-OPENAI_CUSTOM_HEADERS\nX-More: theirs-OPENAI_CUSTOM_HEADERS",
    "AZURE_OPENAI_API_KEY": "theirs-AZURE_OPENAI_API_KEY",
    "AZURE_OPENAI_ENDPOINT": ELSEWHERE,
    "ANTHROPIC_API_KEY": "theirs-ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN": "theirs-ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_BASE_URL": ELSEWHERE,
    "ANTHROPIC_CUSTOM_HEADERS": "X-Api-Key: theirs-ANTHROPIC_CUSTOM_HEADERS\nX-More: theirs-ANTHROPIC_CUSTOM_HEADERS",
    "ANTHROPIC_PROFILE": "theirs-ANTHROPIC_PROFILE",
    "ANTHROPIC_WORKSPACE_ID": "theirs-ANTHROPIC_WORKSPACE_ID",
    "ANTHROPIC_WEBHOOK_SIGNING_KEY": "theirs-ANTHROPIC_WEBHOOK_SIGNING_KEY",
    "DEEPSEEK_API_KEY": "theirs-DEEPSEEK_API_KEY",
    "OLLAMA_API_KEY": "theirs-OLLAMA_API_KEY",
    "OLLAMA_HOST": ELSEWHERE,
}


async def test_nothing_that_lies_about_in_the_environment_is_told(
    upstream: Upstream, adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    provider = adapter.make(upstream.url)
    await run(provider, asking(adapter.card))
    await provider.models()
    await provider.aclose()

    told = "".join(str((request.path, request.query, request.headers, request.body)) for request in upstream.requests)
    assert {name for name in ENVIRONMENT if f"theirs-{name}" in told} == adapter.shows
    assert {request.headers.get("authorization") for request in upstream.requests} == {
        adapter.credentials.get("authorization")
    }
