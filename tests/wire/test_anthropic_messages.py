"""Anthropic's stream, event by event, where no vendor here writes one so."""

import json
from typing import Any

from app.domain.events import Kind, LogEvent
from app.wire.anthropic_messages import MessageStream
from tests.sse import Event, parse

DONE = {"done": True, "status": "complete", "finish_reason": "tool_calls", "stop_sequence": None}
Told = list[tuple[Kind, Any]]


def read(told: Told) -> list[Event]:
    stream = MessageStream("msg_1", "openai/gpt")
    log = [LogEvent(seq, kind, json.dumps(payload).encode()) for seq, (kind, payload) in enumerate(told, 1)]
    return parse(b"".join(map(stream.encode, log)))


def call(index: int) -> tuple[Kind, Any]:
    return Kind.TOOL_CALL, {"index": index, "id": f"call_{index}", "name": "weather"}


def piece(index: int, text: str) -> tuple[Kind, Any]:
    return Kind.TOOL_INPUT, {"index": index, "text": text}


def blocks(events: list[Event]) -> list[str]:
    """What each holds; one that is open twice, or not at all, is an error."""
    found: list[str] = []
    opened: int | None = None
    for event in (each.json for each in events):
        match event["type"]:
            case "content_block_start":
                assert opened is None
                opened = event["index"]
                assert opened == len(found)
                found.append("")
            case "content_block_delta":
                assert event["index"] == opened
                delta = event["delta"]
                found[-1] += delta.get("text", "") + delta.get("partial_json", "") + delta.get("thinking", "")
            case "content_block_stop":
                assert event["index"] == opened
                opened = None
    assert opened is None
    return found


def test_arguments_that_are_written_in_turns_are_told_call_by_call() -> None:
    told: Told = [
        (Kind.START, {}),
        *(call(0), call(1)),
        *(piece(0, '{"a"'), piece(1, '{"b"'), piece(0, ": 1}"), piece(1, ": 2}")),
        (Kind.TEXT, "And "),
        (Kind.TEXT, "so."),
        (Kind.DONE, DONE),
    ]
    assert blocks(read(told)) == ['{"a": 1}', '{"b": 2}', "And so."]


def test_a_call_whose_arguments_are_whole_makes_way_at_once() -> None:
    told: Told = [(Kind.START, {}), call(0), piece(0, '{"a": 1}'), call(1), piece(1, '{"b"'), (Kind.USAGE, {})]
    assert blocks([*read(told), Event("", json.dumps({"type": "content_block_stop", "index": 1}), "")]) == [
        '{"a": 1}',
        '{"b"',
    ]


def test_text_and_thoughts_take_turns() -> None:
    told: Told = [
        (Kind.START, {}),
        *((Kind.REASONING, "Hm"), (Kind.TEXT, "Yes"), (Kind.TEXT, "."), (Kind.REASONING, "Or"), (Kind.TEXT, "No.")),
        (Kind.DONE, DONE),
    ]
    assert blocks(read(told)) == ["Hm", "Yes.", "Or", "No."]


def test_a_seal_without_thoughts_stands_in_a_block_of_its_own() -> None:
    events = read([(Kind.START, {}), (Kind.SEAL, {"signature": "c2Vh"}), (Kind.TEXT, "Yes."), (Kind.DONE, DONE)])
    assert blocks(events) == ["", "Yes."]
    assert events[1].json["content_block"] == {"type": "thinking", "thinking": "", "signature": ""}
    assert events[2].json["delta"] == {"type": "signature_delta", "signature": "c2Vh"}


def test_what_the_prompt_takes_is_told_at_the_beginning_where_it_is_known() -> None:
    used = {"input_tokens": 9, "output_tokens": 0, "cached_input_tokens": 4}
    events = read([(Kind.START, {}), (Kind.USAGE, used), (Kind.TEXT, "Yes."), (Kind.DONE, DONE)])
    usage = events[0].json["message"]["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"]) == (5, 4)


def test_an_answer_without_a_word_is_a_whole_message() -> None:
    events = read([(Kind.START, {}), (Kind.DONE, DONE)])
    assert [event.name for event in events] == ["message_start", "message_delta", "message_stop"]


def test_what_fails_before_a_word_is_an_error_alone() -> None:
    failure = {"code": "upstream_cut", "detail": "It broke off.", "retryable": True, "rejected": False}
    events = read([(Kind.START, {}), (Kind.FAILURE, failure), (Kind.DONE, {**DONE, "status": "failed"})])
    assert [event.name for event in events] == ["error"]
