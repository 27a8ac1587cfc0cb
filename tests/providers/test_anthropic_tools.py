"""Tools at Anthropic's API: how they are offered, how their results go back, and how a model calls them."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from app.core.errors import NotSupported
from app.domain.events import Finish, FinishReason, ProviderEvent, TextDelta, ToolCallDelta, ToolCallStart
from app.domain.failures import FailureCode, GenerationFailure
from app.domain.prompts import (
    CacheMark,
    Effort,
    Image,
    ImageLink,
    ModelMessage,
    Pdf,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from app.domain.text import decode
from app.providers.anthropic.abilities import check
from app.providers.anthropic.adapter import AnthropicProvider
from tests import upstream as scripted
from tests.providers.adapters import answered
from tests.providers.anthropic_events import CLOSE, DONE, END, START, STOP, begin, delta, end, event
from tests.providers.anthropic_requests import asking, assistant, body, user
from tests.providers.loopback import Loopback, events
from tests.upstream import Upstream

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool("weather", "Tells the weather.", CITY)
CLOCK = Tool("clock", None, {})
REQUIRED, NAMED = ToolChoice("required"), ToolChoice("named", "weather")


# How they are offered


def test_tools_are_told_with_their_schemas() -> None:
    sent = body(tools=[WEATHER, CLOCK])
    assert sent["tools"] == [
        {"name": "weather", "description": "Tells the weather.", "input_schema": CITY},
        {"name": "clock", "input_schema": {"type": "object"}},
    ]
    assert "tool_choice" not in sent


def test_strictness_and_marks_stand_beside_the_tool_where_the_model_knows_them() -> None:
    tool = replace(WEATHER, strict=True, cache=CacheMark("1h"))
    strict = body(tools=[tool])["tools"][0]
    assert (strict["strict"], strict["cache_control"]) == (True, {"type": "ephemeral", "ttl": "1h"})
    assert "strict" not in body(tools=[tool], model="claude-sonnet-4-20250514")["tools"][0]
    assert "strict" not in body(tools=[replace(WEATHER, strict=False)])["tools"][0]


@pytest.mark.parametrize(
    ("choice", "parallel", "sent"),
    [
        (None, None, None),
        (None, True, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice("auto"), None, {"type": "auto"}),
        (ToolChoice("none"), False, {"type": "none"}),
        (REQUIRED, None, {"type": "any"}),
        (REQUIRED, False, {"type": "any", "disable_parallel_tool_use": True}),
        (NAMED, True, {"type": "tool", "name": "weather"}),
    ],
)
def test_each_choice_has_its_name(choice: ToolChoice | None, parallel: bool | None, sent: object) -> None:
    told = body(tools=[WEATHER], tool_choice=choice, parallel_calls=parallel)
    assert told.get("tool_choice") == sent
    assert "tool_choice" not in body(tool_choice=choice, parallel_calls=parallel)


@pytest.mark.parametrize(
    ("model", "effort", "thinking"),
    [
        ("claude-sonnet-4-6", None, None),
        ("claude-sonnet-4-6", Effort.HIGH, "disabled"),
        ("claude-haiku-4-5", Effort.HIGH, "disabled"),
        ("claude-sonnet-5", None, "disabled"),
        ("claude-haiku-5-5", Effort.MAX, "disabled"),
        ("claude-fable-5", None, "adaptive"),  # which cannot be told to leave it
    ],
)
def test_a_call_that_has_to_be_comes_without_thoughts_before_it(
    model: str, effort: Effort | None, thinking: str | None
) -> None:
    sent = body(model=model, effort=effort, tools=[WEATHER], tool_choice=NAMED)
    assert sent.get("thinking", {}).get("type") == thinking
    assert "disabled" not in str(body(model=model, effort=effort, tools=[WEATHER], tool_choice=ToolChoice("auto")))


@pytest.mark.parametrize("model", ["claude-sonnet-5-5", "claude-opus-5-5", "claude-fable-5-1"])
def test_models_that_cannot_be_made_to_call_are_not_asked_to(model: str) -> None:
    check(asking(model=model, tools=[WEATHER], tool_choice=ToolChoice("auto"), parallel_calls=False))
    with pytest.raises(NotSupported) as refused:
        check(asking(model=model, tools=[WEATHER], tool_choice=REQUIRED))
    assert refused.value.feature == "tool_choice"


@pytest.mark.parametrize("model", ["claude-opus-5", "claude-haiku-5-5", "claude-haiku-4-5", "glm-5"])
def test_all_others_are(model: str) -> None:
    check(asking(model=model, tools=[WEATHER], tool_choice=REQUIRED))


# How their results go back


def test_a_result_may_be_pictures_and_documents_in_their_order() -> None:
    parts = (Text("Look: "), Image(b"\x89", "image/png"), ImageLink("https://a.org/b.png"), Pdf(b"%PDF"), Text(" "))
    sent = body(
        user("Q"),
        assistant(ToolCall("t1", "look", "{}"), ToolCall("t2", "look", "{}")),
        user("And?", ToolResult("t1", "Look:  ", parts=parts), CacheMark(), ToolResult("t2", "none", failed=True)),
    )["messages"][-1]["content"]
    assert sent[0] == {
        "type": "tool_result",
        "tool_use_id": "t1",
        "content": [
            {"type": "text", "text": "Look: "},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iQ=="}},
            {"type": "image", "source": {"type": "url", "url": "https://a.org/b.png"}},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}},
        ],
        "cache_control": {"type": "ephemeral"},
    }
    assert sent[1] == {"type": "tool_result", "tool_use_id": "t2", "content": "none", "is_error": True}
    assert sent[2] == {"type": "text", "text": "And?"}


@pytest.mark.parametrize(
    ("model", "effort", "goes_back"),
    [
        ("claude-sonnet-5-5", Effort.NONE, True),  # between the calls of tools it thinks all the same
        ("claude-opus-5-5", Effort.NONE, True),
        ("claude-haiku-5-5", Effort.NONE, False),
    ],
)
def test_thoughts_between_calls_go_back_to_models_that_cannot_leave_it(
    model: str, effort: Effort, goes_back: bool
) -> None:
    call = assistant(Reasoning("Hm.", signature="s"), ToolCall("t", "weather", "{}"))
    sent = body(user("Q"), call, user(ToolResult("t", "Rain.")), model=model, effort=effort, tools=[WEATHER])
    assert ("'signature'" in str(sent)) is goes_back


SEALED, CALL = Reasoning("Hm.", signature="s"), ToolCall("t", "weather", "{}")
RAIN = user(ToolResult("t", "Rain."))


@pytest.mark.parametrize(
    ("model", "messages", "thinks"),
    [
        ("claude-haiku-4-5", [assistant(SEALED, CALL), RAIN], "enabled"),
        ("claude-haiku-4-5", [assistant(Reasoning(redacted="r"), CALL), RAIN], "enabled"),
        (
            "claude-haiku-4-5",
            [assistant(SEALED, CALL), RAIN, assistant(CALL), RAIN],
            "enabled",
        ),  # thought of it all
        ("claude-haiku-4-5", [assistant(CALL), RAIN], "disabled"),
        ("claude-haiku-4-5", [assistant(Reasoning("Hm."), CALL), RAIN], "disabled"),
        ("claude-haiku-4-5", [assistant(CALL), RAIN, assistant(CALL), RAIN], "disabled"),
        ("claude-haiku-4-5", [assistant(CALL), RAIN, user("And?")], "disabled"),
        ("claude-haiku-4-5", [assistant(CALL), RAIN, assistant("Rain."), user("And?")], "enabled"),
        ("claude-sonnet-4-6", [assistant(CALL), RAIN], "adaptive"),
    ],
)
def test_who_cannot_think_on_without_the_thoughts_before_a_call_does_not(
    model: str, messages: list[ModelMessage], thinks: str
) -> None:
    sent = body(user("Q"), *messages, model=model, effort=Effort.HIGH, tools=[WEATHER])
    assert sent["thinking"]["type"] == thinks


# How a model calls them


@pytest.fixture
async def claude(vendor: Loopback) -> AsyncIterator[AnthropicProvider]:
    provider = AnthropicProvider(api_key=SecretStr("sk-test"), base_url=vendor.url, connect_timeout=5)
    yield provider
    await provider.aclose()


async def run(provider: AnthropicProvider, seen: list[ProviderEvent] | None = None) -> list[ProviderEvent]:
    seen = [] if seen is None else seen
    async with aclosing(provider.stream(asking())) as stream:
        async for batch in stream:
            seen += answered(batch)
    return seen


def calling(number: int = 0, **block: Any) -> bytes:
    return begin(number, **{"type": "tool_use", "id": f"t{number}", "name": "f", "input": {}} | block)


def piece(text: str, number: int = 0) -> bytes:
    return event("content_block_delta", index=number, delta={"type": "input_json_delta", "partial_json": text})


def close(number: int) -> bytes:
    return event("content_block_stop", index=number)


CALLED = [Finish(FinishReason.TOOL_CALLS), DONE[1]]


async def test_calls_are_counted_by_themselves_and_their_arguments_come_in_pieces(
    vendor: Loopback, claude: AnthropicProvider
) -> None:
    text = begin(0) + delta("text_delta", text="Let me look.") + CLOSE
    first = calling(1) + piece("", 1) + piece('{"city": ', 1) + piece('"Paris"}', 1) + close(1)
    vendor.replies = [events(START, text, first, calling(2, name="gé") + close(2), end("tool_use"), STOP)]
    assert await run(claude) == [
        TextDelta(b'"Let me look."'),
        ToolCallStart(0, "t1", "f"),
        ToolCallDelta(0, rb'"{\"city\": "'),
        ToolCallDelta(0, rb'"\"Paris\"}"'),
        ToolCallStart(1, "t2", "gé"),
        ToolCallDelta(1, b'"{}"'),
        *CALLED,
    ]


async def test_pieces_of_two_calls_at_once_are_told_apart(vendor: Loopback, claude: AnthropicProvider) -> None:
    mixed = calling(0) + calling(1) + piece("[", 1) + piece("{", 0) + piece("]", 1) + piece("}", 0)
    vendor.replies = [events(START, mixed, close(0), close(1), end("tool_use"), STOP)]
    pieces = [each for each in await run(claude) if isinstance(each, ToolCallDelta)]
    assert [each.index for each in pieces] == [1, 0, 1, 0]
    assert [decode(each.raw for each in pieces if each.index == index) for index in (0, 1)] == ["{}", "[]"]


async def test_arguments_that_came_whole_are_one_piece(vendor: Loopback, claude: AnthropicProvider) -> None:
    vendor.replies = [events(START, calling(input={"a": "汉\n"}), end("tool_use"), STOP)]
    assert decode(each.raw for each in await run(claude) if isinstance(each, ToolCallDelta)) == r'{"a": "\u6c49\n"}'


async def test_arguments_are_safe_to_splice_whatever_they_hold(vendor: Loopback, claude: AnthropicProvider) -> None:
    hostile = ['{"a":"\u2028 \x85 ', "\ud83d", "\ude00\\u0000", 'data: x\\n\\n\ud83d"}']
    vendor.replies = [events(START, calling(), *map(piece, hostile), CLOSE, end("tool_use"), STOP)]
    raws = [each.raw for each in await run(claude) if isinstance(each, ToolCallDelta)]
    assert decode(raws) == '{"a":"\u2028 \x85 😀\\u0000data: x\\n\\n\ufffd"}'
    assert all(len(raw.decode().splitlines()) == 1 and b"\x00" not in raw for raw in raws)


@pytest.mark.parametrize("block", [{"id": ""}, {"id": 7}, {"name": None}, {"name": "a\nb"}, {"name": "\ud83d"}])
async def test_a_call_that_nobody_could_answer_is_a_failure(
    vendor: Loopback, claude: AnthropicProvider, block: dict[str, Any]
) -> None:
    vendor.replies = [events(START, calling(**block), end("tool_use"), STOP)]
    with pytest.raises(GenerationFailure) as failure:
        await run(claude)
    assert failure.value.code is FailureCode.UPSTREAM_PROTOCOL


async def test_a_call_after_the_finish_marker_is_no_whole_answer(vendor: Loopback, claude: AnthropicProvider) -> None:
    vendor.replies = [events(START, end("tool_use"), calling(), STOP)]
    with pytest.raises(GenerationFailure):
        await run(claude)


async def test_a_cut_call_is_not_made_whole(vendor: Loopback, claude: AnthropicProvider) -> None:
    vendor.replies = [events(START, calling(0) + close(0) + calling(1), pause=0.005, end=False)]
    seen: list[ProviderEvent] = []
    with pytest.raises(GenerationFailure):
        await run(claude, seen)
    assert seen == [ToolCallStart(0, "t0", "f"), ToolCallDelta(0, b'"{}"'), ToolCallStart(1, "t1", "f")]


async def test_the_vendors_own_tools_are_nobodys_business(vendor: Loopback, claude: AnthropicProvider) -> None:
    theirs = calling(0, type="server_tool_use") + piece('{"query":"x"}') + CLOSE
    found = begin(1, type="web_search_tool_result", tool_use_id="t0", content=[{"type": "web_search_result"}])
    vendor.replies = [events(START, theirs, found, close(1), begin(2, text="So."), close(2), END)]
    assert await run(claude) == [TextDelta(b'"So."'), *DONE]


async def test_what_the_loopback_vendor_calls_is_called(upstream: Upstream) -> None:
    calls = (
        scripted.ToolCall("weather", id="c1"),
        scripted.ToolArguments('{"city":'),
        scripted.ToolArguments('"Paris"}'),
        scripted.ToolCall("clock", id="c2", index=1),
    )
    upstream.script(scripted.Answer(("Hm.", *calls), finish="tool_calls"))
    provider = AnthropicProvider(api_key=SecretStr("k"), base_url=upstream.url, connect_timeout=5)
    seen = await run(provider)
    await provider.aclose()
    assert [each for each in seen if isinstance(each, ToolCallStart)] == [
        ToolCallStart(0, "c1", "weather"),
        ToolCallStart(1, "c2", "clock"),
    ]
    assert decode(each.raw for each in seen if isinstance(each, ToolCallDelta)) == '{"city":"Paris"}{}'
    assert seen[-2] == Finish(FinishReason.TOOL_CALLS)
