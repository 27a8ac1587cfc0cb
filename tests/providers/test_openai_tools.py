"""The calls of tools in answers of OpenAI's protocol, in all the ways in which its servers spell them."""

import json
from typing import Any

import pytest

from app.domain.events import Finish, FinishReason, ProviderEvent, TextDelta, ToolCallDelta, ToolCallStart, Usage
from app.domain.failures import FailureCode
from app.domain.text import decode
from app.providers import shipped
from app.providers.openai.adapter import OpenAIProvider
from tests.providers.adapters import asking, outcome, run
from tests.providers.loopback import DONE, END, Loopback, chunk, events, frame, usage

REQUEST = asking(shipped.card("openai", "gpt-4o"))
CALLED = chunk(finish="tool_calls") + usage(prompt_tokens=7, completion_tokens=3) + DONE

Calls = list[tuple[str, str, str]]


def piece(arguments: object = None, name: str | None = None, **fields: Any) -> dict[str, Any]:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return {**fields, "function": function}


def calling(*pieces: dict[str, Any]) -> bytes:
    """Each piece in a chunk of its own."""
    return b"".join(chunk(tool_calls=[each]) for each in pieces)


def calls_of(seen: list[ProviderEvent]) -> Calls:
    """Id, name and arguments of each call."""
    starts = [event for event in seen if isinstance(event, ToolCallStart)]
    assert [start.index for start in starts] == list(range(len(starts)))
    deltas = [event for event in seen if isinstance(event, ToolCallDelta)]
    return [
        (start.id, start.name, decode(delta.raw for delta in deltas if delta.index == start.index)) for start in starts
    ]


async def called(vendor: Loopback, provider: OpenAIProvider, *packets: bytes) -> Calls:
    vendor.replies = [events(*packets)]
    seen = await run(provider, REQUEST)
    assert [event for event in seen if isinstance(event, Finish)] == [Finish(FinishReason.TOOL_CALLS)]
    return calls_of(seen)


async def test_a_call_is_its_start_and_the_pieces_of_its_arguments(vendor: Loopback, provider: OpenAIProvider) -> None:
    pieces = calling(
        piece("", "get_weather", index=0, id="call_1", type="function"),
        piece('{"ci', index=0),
        piece('ty":"Paris"}', index=0),
    )
    vendor.replies = [events(chunk("Let me look."), pieces, CALLED)]
    assert await run(provider, REQUEST) == [
        TextDelta(b'"Let me look."'),
        ToolCallStart(0, "call_1", "get_weather"),
        ToolCallDelta(0, rb'"{\"ci"'),
        ToolCallDelta(0, rb'"ty\":\"Paris\"}"'),
        Finish(FinishReason.TOOL_CALLS),
        Usage(7, 3),
    ]


ONE: Calls = [("c1", "f", '{"a": 1}')]
TWO: Calls = [("c1", "f", '{"a": 1}'), ("c2", "g", '{"b": 2}')]
A, B = '{"a": 1}', '{"b": 2}'
SPELLINGS: dict[str, tuple[bytes, Calls]] = {
    "whole-in-one-chunk": (calling(piece(A, "f", index=0, id="c1")), ONE),
    "both-in-one-chunk": (chunk(tool_calls=[piece(A, "f", index=0, id="c1"), piece(B, "g", index=1, id="c2")]), TWO),
    "in-parallel": (
        calling(
            piece("", "f", index=0, id="c1"),
            piece("", "g", index=1, id="c2"),
            piece('{"b":', index=1),
            piece('{"a":', index=0),
            piece(" 2}", index=1),
            piece(" 1}", index=0),
        ),
        TWO,
    ),
    "other-numbers": (calling(piece(A, "f", index=1, id="c1"), piece(B, "g", index=7, id="c2")), TWO),
    "no-numbers": (
        calling(piece("", "f", id="c1"), piece(A), piece('{"b"', "g", id="c2"), piece(": 2}")),
        TWO,
    ),
    "no-numbers-in-one-chunk": (chunk(tool_calls=[piece(A, "f", id="c1"), piece(B, "g", id="c2")]), TWO),
    "ids-in-place-of-numbers": (
        calling(piece("", "f", id="c1"), piece("", "g", id="c2"), piece(A, "f", id="c1"), piece(B, id="c2")),
        TWO,
    ),
    "all-numbered-0": (calling(piece(A, "f", index=0, id="c1"), piece(B, "g", index=0, id="c2")), TWO),
    "numbers-as-null": (calling(piece(A, "f", index=None, id="c1")), ONE),
    "numbers-as-text": (calling(piece("", "f", index="0", id="c1"), piece(A, index="0")), ONE),
    "id-and-name-again-and-again": (
        calling(piece('{"a":', "f", index=0, id="c1"), piece(" 1}", "f", index=0, id="c1")),
        ONE,
    ),
    "another-id-for-each-piece": (
        calling(piece('{"a":', "f", index=0, id="c1"), piece(" 1}", index=0, id="c9")),
        ONE,
    ),
    "nulls-and-empty-texts": (
        calling(piece("", "f", index=0, id="c1"), {"index": 0, "id": None, "function": {"name": None, "arguments": A}})
        + calling(piece("", "", index=0, id=""))
        + chunk(tool_calls=None)
        + chunk(tool_calls=[])
        + calling({"index": 0, "function": None}),
        ONE,
    ),
    "the-id-before-the-name": (calling({"index": 0, "id": "c1"}, piece("", "f", index=0), piece(A, index=0)), ONE),
    "the-object-itself": (calling(piece({"a": 1}, "f", index=0, id="c1")), ONE),
    "no-list": (chunk(tool_calls=piece(A, "f", id="c1")), ONE),
    "an-id-that-is-a-number": (calling(piece(A, "f", index=0, id=7)), [("7", "f", A)]),
    "no-arguments": (
        calling(piece("", "f", index=0, id="c1"), piece(None, "g", index=1, id="c2")),
        [
            ("c1", "f", "{}"),
            ("c2", "g", "{}"),
        ],
    ),
    "a-place-held-for-nothing": (calling({"index": 0}, piece(A, "f", index=1, id="c1")), ONE),
}


@pytest.mark.parametrize(("spelled", "calls"), SPELLINGS.values(), ids=SPELLINGS)
async def test_any_spelling_of_calls_is_understood(
    vendor: Loopback, provider: OpenAIProvider, spelled: bytes, calls: Calls
) -> None:
    assert await called(vendor, provider, spelled, CALLED) == calls


async def test_calls_without_ids_and_with_the_same_are_given_their_own(
    vendor: Loopback, provider: OpenAIProvider
) -> None:
    nameless = calling(piece(A, "f", index=0), piece(B, "g", index=1, id=""), piece(A, "f"))
    alike = calling(piece(A, "f", index=5, id="x"), piece(B, "g", index=6, id="x"))
    calls = await called(vendor, provider, nameless, alike, CALLED)
    ids = [call_id for call_id, _, _ in calls]
    assert (len(set(ids)), ids[3]) == (5, "x")
    assert all(call_id.startswith("call_") for call_id in (*ids[:3], ids[4]))


async def test_the_one_call_of_old_servers_is_a_call(vendor: Loopback, provider: OpenAIProvider) -> None:
    pieces = [{"name": "f", "arguments": ""}, {"arguments": '{"a":'}, {"arguments": " 1}"}]
    spelled = [chunk(function_call=each) for each in pieces]
    [(call_id, *call)] = await called(vendor, provider, *spelled, chunk(finish="function_call"), DONE)
    assert (call, call_id != "") == (["f", A], True)


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (chunk(finish="stop") + DONE, FinishReason.TOOL_CALLS),
        (DONE, FinishReason.TOOL_CALLS),
        (chunk(finish="length") + DONE, FinishReason.LENGTH),
    ],
)
async def test_an_answer_that_calls_ends_with_that_unless_it_was_cut(
    vendor: Loopback, provider: OpenAIProvider, end: bytes, reason: FinishReason
) -> None:
    vendor.replies = [events(calling(piece('{"a', "f", index=0, id="c1"), piece("", "g", index=1, id="c2")), end)]
    seen = await run(provider, REQUEST)
    assert seen[-1] == Finish(reason)
    # What was cut is not made to look whole.
    assert calls_of(seen)[1][2] == ("" if reason is FinishReason.LENGTH else "{}")


async def test_an_end_with_calls_that_never_came_is_an_end(vendor: Loopback, provider: OpenAIProvider) -> None:
    vendor.replies = [events(chunk("a"), CALLED)]
    assert await run(provider, REQUEST) == [TextDelta(b'"a"'), Finish(FinishReason.STOP), Usage(7, 3)]


async def test_arguments_are_as_safe_to_splice_as_text(vendor: Loopback, provider: OpenAIProvider) -> None:
    parts = ['{"a": "\ud83d', "\ude00\u2028\x85", "\x00\x01\n", '汉"}', "\ud83d"]
    seen_by_number = {}
    vendor.replies = [
        events(
            calling(piece("", "f", index=0, id="c1"), piece("", "g", index=1, id="c2")),
            calling(*(piece(part, index=number) for part in parts for number in (0, 1))),
            CALLED,
        )
    ]
    seen = await run(provider, REQUEST)
    for event in seen:
        if isinstance(event, ToolCallDelta):
            assert len(event.raw.decode().splitlines()) == 1
            assert b"\x00" not in event.raw
    seen_by_number = {number: arguments for number, (_, _, arguments) in enumerate(calls_of(seen))}
    said = '{"a": "😀\u2028\x85\x01\n汉"}\ufffd'
    assert seen_by_number == {0: said, 1: said}


async def test_ids_and_names_hold_nothing_that_breaks_a_line(vendor: Loopback, provider: OpenAIProvider) -> None:
    names = piece("{}", "get\r\n_\x00we\u2028ather\ud83d ", index=0, id="c\n1\x7f\x85\udc00")
    long = piece("{}", "n" * 5000, index=1, id="i" * 5000)
    [first, (call_id, name, _)] = await called(vendor, provider, calling(names, long), CALLED)
    assert first == ("c1", "get_weather", "{}")
    assert (call_id, name) == ("i" * 200, "n" * 200)


@pytest.mark.parametrize(
    "broken",
    [
        calling(piece("{}", index=0)),
        calling(piece("{}", "\x00", index=0, id="c1")),
        calling(piece(7, "f", index=0, id="c1")),
        calling(piece([], "f", index=0, id="c1")),
        chunk(tool_calls=7),
        chunk(tool_calls=[7]),
        chunk(tool_calls=[{"index": 0, "function": 7}]),
        chunk(function_call=[]),
        calling(*(piece("{}", "f", index=number) for number in range(129))),
        calling(piece("{}", "f", index=0, id="c1")) + chunk(finish="tool_calls") + calling(piece("{}", "g", index=1)),
    ],
)
async def test_what_is_no_call_is_a_failure_of_the_vendor(
    vendor: Loopback, provider: OpenAIProvider, broken: bytes
) -> None:
    vendor.replies = [events(chunk("a"), broken, END)]
    seen, failure = await outcome(provider, REQUEST)
    assert failure is not None
    assert (seen[0], failure.code) == (TextDelta(b'"a"'), FailureCode.UPSTREAM_PROTOCOL)


async def test_a_call_that_was_cut_is_no_answer(vendor: Loopback, provider: OpenAIProvider) -> None:
    vendor.replies = [events(calling(piece('{"a', "f", index=0, id="c1"), piece("\ud83d", index=0)), end=True)]
    seen = await run(provider, REQUEST)
    assert calls_of(seen) == [("c1", "f", '{"a\ufffd')]
    assert not any(isinstance(event, Finish) for event in seen)


async def test_what_follows_a_call_after_its_end_is_let_pass_where_it_says_nothing(
    vendor: Loopback, provider: OpenAIProvider
) -> None:
    again = calling(piece("", "f", index=0, id="c1"))
    odd = frame(json.dumps({"choices": [{"index": 0, "delta": {"tool_calls": []}}]}))
    spelled = calling(piece(A, "f", index=0, id="c1")) + chunk(finish="tool_calls") + again + odd + DONE
    assert await called(vendor, provider, spelled) == ONE
