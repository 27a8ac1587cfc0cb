"""Tools at an Ollama server: what it is told of them, and the calls that its models make."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from app.core.errors import NotSupported
from app.domain.cards import ModelCard
from app.domain.events import (
    Finish,
    FinishReason,
    ProviderEvent,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    Usage,
)
from app.domain.failures import FailureCode
from app.domain.prompts import ModelMessage, ModelRequest, Tool, ToolChoice
from app.domain.text import decode
from app.providers.ollama.adapter import OllamaProvider
from tests.providers.adapters import asking, broken, run, text_of
from tests.upstream import Answer, Frame, Reasoning, ToolArguments, ToolCall, Upstream

CARD = ModelCard("ollama", "llama3.2", context_window=4096, reasons=True)
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool("weather", "Tells the weather.", SCHEMA)
CLOCK = Tool("clock", None, {})
REQUEST = replace(asking(CARD), tools=(WEATHER, CLOCK))


@pytest.fixture
async def provider(upstream: Upstream) -> AsyncIterator[OllamaProvider]:
    provider = OllamaProvider(base_url=upstream.url, context_tokens=8192, connect_timeout=5)
    yield provider
    await provider.aclose()


async def told(upstream: Upstream, provider: OllamaProvider, request: ModelRequest = REQUEST) -> dict[str, Any]:
    provider.check(request)
    await run(provider, request)
    return dict(upstream.calls[-1].body)


def calls_of(seen: list[ProviderEvent]) -> list[tuple[int, str, Any]]:
    """Number, name and arguments, each of the latter read as what it says."""
    starts = {event.index: event.name for event in seen if isinstance(event, ToolCallStart)}
    texts = {
        index: decode(event.raw for event in seen if isinstance(event, ToolCallDelta) and event.index == index)
        for index in starts
    }
    return [(index, name, json.loads(texts[index])) for index, name in starts.items()]


def odd(calls: bytes) -> Frame:
    return Frame(b'{"message":{"role":"assistant","content":"","tool_calls":' + calls + b'},"done":false}\n')


async def test_tools_are_told_as_functions(upstream: Upstream, provider: OllamaProvider) -> None:
    assert (await told(upstream, provider))["tools"] == [
        {
            "type": "function",
            "function": {"name": "weather", "description": "Tells the weather.", "parameters": SCHEMA},
        },
        {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}},
    ]


async def test_a_model_that_is_to_call_none_is_told_of_none(upstream: Upstream, provider: OllamaProvider) -> None:
    assert "tools" in await told(upstream, provider, replace(REQUEST, tool_choice=ToolChoice("auto")))
    assert "tools" not in await told(upstream, provider, replace(REQUEST, tool_choice=ToolChoice("none")))
    assert "tools" not in await told(upstream, provider, asking(CARD))


@pytest.mark.parametrize("choice", [ToolChoice("required"), ToolChoice("named", "clock")])
def test_a_call_cannot_be_made_to_happen(provider: OllamaProvider, choice: ToolChoice) -> None:
    with pytest.raises(NotSupported) as refusal:
        provider.check(replace(REQUEST, tool_choice=choice))
    assert refusal.value.feature == "tool_choice"


def test_calls_cannot_be_kept_to_one_at_a_time(provider: OllamaProvider) -> None:
    provider.check(replace(REQUEST, parallel_calls=True))
    provider.check(replace(asking(CARD), parallel_calls=False))  # for without tools there are none
    with pytest.raises(NotSupported) as refusal:
        provider.check(replace(REQUEST, parallel_calls=False))
    assert refusal.value.feature == "parallel_calls"


async def test_calls_come_whole_with_their_ids(upstream: Upstream, provider: OllamaProvider) -> None:
    one = (ToolCall("weather", '{"city":', id="a1"), ToolArguments('"Paris 汉"}'))
    upstream.script(Answer(("Let me look.", *one, ToolCall("clock", index=1, id="a2")), finish="tool_calls"))
    assert await run(provider, REQUEST) == [
        TextDelta(b'"Let me look."'),
        ToolCallStart(0, "a1", "weather"),
        ToolCallDelta(0, '"{\\"city\\":\\"Paris 汉\\"}"'.encode()),
        ToolCallStart(1, "a2", "clock"),
        ToolCallDelta(1, b'"{}"'),
        Finish(FinishReason.TOOL_CALLS),
        Usage(9, 3),
    ]


async def test_calls_without_ids_are_given_some(upstream: Upstream, provider: OllamaProvider) -> None:
    upstream.script(Answer((ToolCall("clock", id=""), ToolCall("clock", index=1, id="")), finish="tool_calls"))
    starts = [event for event in await run(provider, REQUEST) if isinstance(event, ToolCallStart)]
    assert [(start.index, start.id[:5]) for start in starts] == [(0, "call_"), (1, "call_")]
    assert len({start.id for start in starts}) == 2


async def test_an_answer_that_was_cut_short_stays_so(upstream: Upstream, provider: OllamaProvider) -> None:
    upstream.script(Answer((ToolCall("clock"),), finish="length"))
    assert Finish(FinishReason.LENGTH) in await run(provider, REQUEST)


async def test_what_was_thought_and_said_comes_before_the_call(upstream: Upstream, provider: OllamaProvider) -> None:
    upstream.script(Answer((Reasoning(rb"Hm\ud83d"), rb"So\ud83d", ToolCall("clock")), finish="tool_calls"))
    kinds = [type(event) for event in await run(provider, REQUEST)]
    assert kinds[-4:] == [ToolCallStart, ToolCallDelta, Finish, Usage]
    assert set(kinds[:-4]) == {TextDelta, ReasoningDelta}


@pytest.mark.parametrize(
    ("calls", "read"),
    [
        (b'[{"function":{"name":"f","arguments":{"a": [1.50, "\\n"]}}}]', [(0, "f", {"a": [1.5, "\n"]})]),
        (b'[{"function":{"name":"f","arguments":"{\\"a\\":1}"}}]', [(0, "f", {"a": 1})]),
        (b'[{"function":{"name":"f","arguments":""}}]', [(0, "f", {})]),
        (b'[{"function":{"name":"f","arguments":null}},{"function":{"name":"g"}}]', [(0, "f", {}), (1, "g", {})]),
        (b'[{"id":null,"function":{"name":"f\\n\\u0000g"}}]', [(0, "fg", {})]),
        (rb'[{"function":{"name":"f\ud83d","arguments":{"a":"\ud83d"}}}]', [(0, "f", {"a": "?"})]),
        (b'[{"function":{"name":"f","arguments":{"a":"\xff"}}}]', [(0, "f", {"a": "\ufffd"})]),
    ],
)
async def test_calls_may_be_spelled_oddly(
    upstream: Upstream, provider: OllamaProvider, calls: bytes, read: list[tuple[int, str, Any]]
) -> None:
    upstream.script(Answer((odd(calls),)))
    seen = await run(provider, REQUEST)
    assert calls_of(seen) == read
    assert Finish(FinishReason.TOOL_CALLS) in seen


@pytest.mark.parametrize(
    "calls",
    [b"7", b'"f"', b"{}", b"[7]", b'[{"function":{}}]', b'[{"function":{"name":"f","arguments":[1]}}]'],
)
async def test_what_is_no_call_is_a_failure_of_the_vendor(
    upstream: Upstream, provider: OllamaProvider, calls: bytes
) -> None:
    upstream.script(Answer(("a", odd(calls))))
    seen, failure = await broken(provider, REQUEST)
    assert (text_of(seen), failure.code) == ("a", FailureCode.UPSTREAM_PROTOCOL)


async def test_a_conversation_goes_on_behind_its_calls(upstream: Upstream, provider: OllamaProvider) -> None:
    told_so = [ModelMessage("user", "Q"), ModelMessage("system", "Be brief."), ModelMessage("user", "R")]
    asked = await told(upstream, provider, replace(REQUEST, messages=told_so))
    assert [message["role"] for message in asked["messages"]] == ["user", "system", "user"]
