"""The stream of OpenAI's Responses API: all that it says of an answer, however its server spells it."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from app.domain.events import (
    Finish,
    FinishReason,
    ProviderEvent,
    ReasoningDelta,
    ReasoningSignature,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    Usage,
)
from app.domain.failures import FailureCode
from app.domain.prompts import ModelRequest, Tool
from app.domain.providers import Provider
from app.domain.text import decode
from app.providers import seals, shipped
from app.providers.openai.adapter import OpenAIProvider
from app.providers.openai.servers import Server
from tests.providers.adapters import asking, broken, run, text_of, thoughts_of
from tests.providers.loopback import DONE, Loopback, events, frame
from tests.providers.test_openai_tools import calls_of

SEAL = ReasoningSignature(seals.mark("c2Vhb"))
USAGE = {"input_tokens": 7, "output_tokens": 3}


def request() -> ModelRequest:
    return replace(asking(shipped.card("openai", "gpt-6.1-terra")), tools=[Tool("f", None, {})])


@pytest.fixture
async def provider(vendor: Loopback) -> AsyncIterator[Provider]:
    made = OpenAIProvider(
        "openai", api_key=SecretStr("k"), base_url=vendor.url, connect_timeout=5, server=Server.OFFICIAL
    )
    yield made
    await made.aclose()


def event(kind: str, **fields: Any) -> bytes:
    name = kind if kind == "error" else f"response.{kind}"
    return frame(json.dumps({"type": name, "sequence_number": 1, **fields}))


def said(text: str, item: int = 0) -> bytes:
    return event("output_text.delta", output_index=item, content_index=0, delta=text, logprobs=[])


def thought(text: str, item: int = 0, part: int = 0) -> bytes:
    return event("reasoning_summary_text.delta", output_index=item, summary_index=part, delta=text)


def sealed(seal: object = "c2Vhb", item: int = 0) -> bytes:
    return done({"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": seal}, item)


def added(item: dict[str, Any], number: int = 0) -> bytes:
    return event("output_item.added", output_index=number, item=item)


def done(item: dict[str, Any], number: int = 0) -> bytes:
    return event("output_item.done", output_index=number, item=item)


def call(number: int = 0, arguments: str = "", **fields: Any) -> dict[str, Any]:
    names = {"id": f"fc_{number}", "call_id": f"c{number}", "name": f"f{number}"}
    return {"type": "function_call", **names, "arguments": arguments, **fields}


def argued(text: str, number: int = 0) -> bytes:
    return event("function_call_arguments.delta", output_index=number, item_id=f"fc_{number}", delta=text)


def argued_whole(text: str, number: int = 0) -> bytes:
    return event("function_call_arguments.done", output_index=number, item_id=f"fc_{number}", arguments=text)


def ended(kind: str = "completed", usage: Any = USAGE, **fields: Any) -> bytes:
    return event(kind, response={"id": "resp_1", "status": kind, "output": [], "usage": usage, **fields})


def cut_short(reason: str) -> bytes:
    return ended("incomplete", incomplete_details={"reason": reason})


async def heard(vendor: Loopback, provider: Provider, *packets: bytes) -> list[ProviderEvent]:
    vendor.replies = [events(*packets)]
    return await run(provider, request())


async def test_an_answer_is_all_that_was_thought_said_and_called(vendor: Loopback, provider: Provider) -> None:
    seen = await heard(
        vendor,
        provider,
        event("created", response={"id": "resp_1", "output": []}),
        event("in_progress", response={"id": "resp_1"}),
        added({"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "half"}),
        thought("Hm."),
        thought(" So.", part=1),
        sealed(),
        added({"type": "message", "id": "msg", "role": "assistant", "content": []}, 1),
        said("Let me look.", 1),
        added(call(2), 2),
        argued('{"a":', 2),
        argued("1}", 2),
        argued_whole('{"a":1}', 2),
        done(call(2, '{"a":1}'), 2),
        ended(usage={**USAGE, "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 4}}),
    )
    assert seen == [
        ReasoningDelta(b'"Hm."'),
        ReasoningDelta(rb'"\n\n"'),
        ReasoningDelta(b'" So."'),
        SEAL,
        TextDelta(b'"Let me look."'),
        ToolCallStart(0, "c2", "f2"),
        ToolCallDelta(0, rb'"{\"a\":"'),
        ToolCallDelta(0, b'"1}"'),
        Finish(FinishReason.TOOL_CALLS),
        Usage(7, 3, cached_input_tokens=2, cache_write_tokens=4),
    ]


@pytest.mark.parametrize(
    ("spelled", "thoughts"),
    [
        (thought("a") + thought("b") + thought("c", part=1) + thought("d", part=1), "ab\n\ncd"),
        (thought("a") + sealed() + thought("b", item=1) + sealed(item=1), "ab"),
        (thought("a") + thought("b", item=1), "a\n\nb"),
        (thought("") + thought("a", part=1), "a"),
        (event("reasoning_text.delta", output_index=0, content_index=0, delta="a"), "a"),
        (thought("a\ud83d") + thought("\ude00b") + thought("c\ud83d") + sealed(), "a😀bc\ufffd"),
    ],
)
async def test_the_parts_of_a_thought_stand_apart(
    vendor: Loopback, provider: Provider, spelled: bytes, thoughts: str
) -> None:
    assert thoughts_of(await heard(vendor, provider, spelled, said("A", 5), ended())) == thoughts


@pytest.mark.parametrize("seal", [None, "", 7, "a\nb", "é", "\ud83d", "\x00"])
async def test_a_seal_that_could_not_go_back_is_none(vendor: Loopback, provider: Provider, seal: object) -> None:
    seen = await heard(vendor, provider, thought("a"), sealed(seal), ended())
    assert [type(each) for each in seen] == [ReasoningDelta, Finish, Usage]


async def test_two_messages_of_one_answer_stand_apart(vendor: Loopback, provider: Provider) -> None:
    seen = await heard(vendor, provider, said("I look."), said(" So."), said("It rains.", 1), said("", 2), ended())
    assert text_of(seen) == "I look. So.\n\nIt rains."


A = '{"a": 1}'
CALLS: dict[str, tuple[bytes, list[tuple[str, str, str]]]] = {
    "whole-at-its-end": (added(call()) + argued_whole(A) + done(call(arguments=A)), [("c0", "f0", A)]),
    "whole-as-an-item": (added(call()) + done(call(arguments=A)), [("c0", "f0", A)]),
    "without-a-beginning": (done(call(arguments=A)), [("c0", "f0", A)]),
    "whole-at-its-beginning-too": (
        added(call(arguments=A)) + argued(A) + argued_whole(A) + done(call(arguments=A)),
        [("c0", "f0", A)],
    ),
    "no-arguments": (added(call()) + argued_whole("") + done(call()), [("c0", "f0", "{}")]),
    "in-turns": (
        added(call(0)) + added(call(1), 1) + argued('{"a"', 1) + argued(A) + argued(": 1}", 1) + done(call(1, A), 1),
        [("c0", "f0", A), ("c1", "f1", A)],
    ),
    "halves": (added(call()) + argued('{"a":"\ud83d') + argued('\ude00"}'), [("c0", "f0", '{"a":"😀"}')]),
    "names-that-break-lines": (added(call(name="f\n\ud83d", call_id="c\r")) + argued(A), [("c", "f", A)]),
}


@pytest.mark.parametrize(("spelled", "calls"), CALLS.values(), ids=CALLS)
async def test_a_call_is_neither_lost_nor_doubled(
    vendor: Loopback, provider: Provider, spelled: bytes, calls: list[tuple[str, str, str]]
) -> None:
    seen = await heard(vendor, provider, spelled, ended())
    assert (calls_of(seen), seen[-2]) == (calls, Finish(FinishReason.TOOL_CALLS))


async def test_a_call_that_was_cut_short_is_not_made_whole(vendor: Loopback, provider: Provider) -> None:
    begun = added(call(0)) + argued('{"a') + added(call(1), 1)
    seen = await heard(vendor, provider, begun, cut_short("max_output_tokens"))
    assert calls_of(seen) == [("c0", "f0", '{"a'), ("c1", "f1", "")]
    assert seen[-2:] == [Finish(FinishReason.LENGTH), Usage(7, 3)]


async def test_arguments_of_what_nobody_knows_are_a_failure(vendor: Loopback, provider: Provider) -> None:
    vendor.replies = [events(said("a"), argued(A), ended())]
    seen, failure = await broken(provider, request())
    assert (text_of(seen), failure.code) == ("a", FailureCode.UPSTREAM_PROTOCOL)


def refused(text: str) -> bytes:
    return event("refusal.delta", output_index=0, content_index=0, delta=text)


@pytest.mark.parametrize(
    ("declining", "words"),
    [
        (refused("I can") + refused("not.") + event("refusal.done", refusal="I cannot.") + ended(), "I cannot."),
        (event("refusal.done", refusal="I cannot.") + ended(), "I cannot."),
        (refused("No\ud83d") + refused("\ude00") + refused("\ud83d") + ended(), "No😀\ufffd"),
        (cut_short("content_filter"), ""),
    ],
)
async def test_an_answer_that_was_declined_tells_its_words_and_its_cost(
    vendor: Loopback, provider: Provider, declining: bytes, words: str
) -> None:
    vendor.replies = [events(said("a"), declining)]
    seen, failure = await broken(provider, request())
    assert decode(each.raw for each in seen if isinstance(each, RefusalDelta)) == words
    assert (seen[0], seen[-1]) == (TextDelta(b'"a"'), Usage(7, 3))
    assert not any(isinstance(each, Finish) for each in seen)
    assert (failure.code, failure.answered, failure.retryable) == (FailureCode.REFUSED, True, False)


@pytest.mark.parametrize(
    ("last", "code"),
    [
        (ended("failed", error={"code": "server_error", "message": "secret"}), FailureCode.UPSTREAM_ERROR),
        (ended("failed", error={"code": "rate_limit_exceeded"}), FailureCode.UPSTREAM_RATE_LIMITED),
        (ended("failed", error={"code": "invalid_prompt"}), FailureCode.REFUSED),
        (ended("failed", error=None), FailureCode.UPSTREAM_ERROR),
        (event("failed"), FailureCode.UPSTREAM_ERROR),
        (event("error", code="rate_limit_exceeded", message="secret", param=None), FailureCode.UPSTREAM_RATE_LIMITED),
        (event("error", code=None, message="secret context window", param=None), FailureCode.CONTEXT_TOO_LONG),
        (event("error", error={"code": "server_is_overloaded"}), FailureCode.UPSTREAM_OVERLOADED),
        (frame('{"error":{"message":"secret","code":503}}'), FailureCode.UPSTREAM_OVERLOADED),
        (frame("not json"), FailureCode.UPSTREAM_PROTOCOL),
        (frame("[7]"), FailureCode.UPSTREAM_PROTOCOL),
        (event("output_text.delta", output_index=0, content_index=0, delta=7), FailureCode.UPSTREAM_PROTOCOL),
        (event("completed", response=7), FailureCode.UPSTREAM_PROTOCOL),
        (frame("[" * 200_000), FailureCode.UPSTREAM_PROTOCOL),
    ],
)
async def test_a_failure_in_the_stream_comes_after_the_text_before_it(
    vendor: Loopback, provider: Provider, last: bytes, code: FailureCode
) -> None:
    vendor.replies = [events(said("a") + last)]
    seen, failure = await broken(provider, request())
    assert (text_of(seen), failure.code, failure.answered) == ("a", code, False)
    assert not any(isinstance(each, Finish) for each in seen)
    assert "secret" not in failure.detail


async def test_an_answer_that_failed_tells_what_it_used(vendor: Loopback, provider: Provider) -> None:
    vendor.replies = [events(said("a"), ended("failed", error={"code": "server_error"}))]
    seen, _ = await broken(provider, request())
    assert seen[-1] == Usage(7, 3)


@pytest.mark.parametrize("late", [said("b"), thought("b"), refused("b"), added(call(3), 3), sealed()])
async def test_what_follows_the_end_is_no_whole_answer(vendor: Loopback, provider: Provider, late: bytes) -> None:
    vendor.replies = [events(said("a"), ended(), late)]
    seen, failure = await broken(provider, request())
    assert (text_of(seen), failure.code) == ("a", FailureCode.UPSTREAM_PROTOCOL)


@pytest.mark.parametrize("late", [said(""), ended(), event("heartbeat"), frame("{}"), DONE])
async def test_what_follows_the_end_and_says_nothing_is_let_pass(
    vendor: Loopback, provider: Provider, late: bytes
) -> None:
    seen = await heard(vendor, provider, said("a"), ended(), late)
    assert seen == [TextDelta(b'"a"'), Finish(FinishReason.STOP), Usage(7, 3)]


async def test_items_and_events_that_nobody_asked_for_are_passed_over(vendor: Loopback, provider: Provider) -> None:
    search = {"type": "web_search_call", "id": "ws", "status": "completed"}
    odd = [
        added(search) + done(search),
        event("web_search_call.searching", output_index=0, item_id="ws"),
        event("output_text.annotation.added", annotation={"type": "url_citation"}),
        event("output_text.done", text="a", logprobs=[]),
        event("output_item.done", item=None) + event("output_item.added", item=7),
        frame('{"type":null}') + frame('{"type":7,"item":[],"delta":{}}') + frame(""),
    ]
    assert text_of(await heard(vendor, provider, *odd, said("a"), *odd, ended())) == "a"


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"input_tokens": 9, "output_tokens": 4, "output_tokens_details": {"reasoning_tokens": 3}}, Usage(9, 4, 0, 3)),
        ({"input_tokens": 9, "input_tokens_details": {"cached_tokens": 50, "cache_write_tokens": 5}}, Usage(9, 0, 9)),
        ({"input_tokens": -9, "output_tokens": 10**30, "input_tokens_details": None}, Usage(0, 2**31 - 1)),
    ],
)
async def test_usage_is_made_sane(vendor: Loopback, provider: Provider, usage: Any, expected: Usage) -> None:
    assert (await heard(vendor, provider, said("a"), ended(usage=usage)))[-1] == expected


@pytest.mark.parametrize("usage", [None, {}, {"input_tokens": "many"}, {"total_tokens": 7}, []])
async def test_what_is_no_usage_is_none(vendor: Loopback, provider: Provider, usage: Any) -> None:
    assert (await heard(vendor, provider, said("a"), ended(usage=usage)))[-1] == Finish(FinishReason.STOP)
