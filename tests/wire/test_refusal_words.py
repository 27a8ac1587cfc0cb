"""The words with which a model declines reach every client, in the place that its protocol has for them."""

import pytest

from app.domain.events import Kind
from tests.wire.hand_made import Told, ended, streamed, whole

WORDS = ["I cannot ", 'help with "that", 对不起.']
REFUSAL = "".join(WORDS)
DECLINED: Told = [
    (Kind.START, {}),
    (Kind.REASONING, "Hm"),
    *((Kind.REFUSAL, word) for word in WORDS),
    (Kind.USAGE, {"input_tokens": 9, "output_tokens": 3}),
    ended("refused"),
]
SILENT: Told = [(Kind.START, {}), ended("refused")]
INTERRUPTED: Told = [
    (Kind.START, {}),
    (Kind.TEXT, "Sure, "),
    *((Kind.REFUSAL, word) for word in WORDS),
    ended("refused"),
]


def test_a_chat_completion_ends_as_any_other_with_them_for_its_refusal() -> None:
    choices = [event["choices"][0] for event in streamed("chat", DECLINED)]
    assert [choice["delta"]["refusal"] for choice in choices if choice["delta"].get("refusal")] == WORDS
    assert not any(choice["delta"].get("content") for choice in choices)
    assert choices[-1]["finish_reason"] == "stop"

    (choice,) = whole("chat", DECLINED)["choices"]
    assert (choice["message"]["refusal"], choice["message"]["content"]) == (REFUSAL, None)
    assert choice["finish_reason"] == "stop"
    assert whole("chat", INTERRUPTED)["choices"][0]["message"]["content"] == "Sure, "


def test_a_completion_that_is_declined_without_a_word_was_filtered() -> None:
    (choice,) = whole("chat", SILENT)["choices"]
    assert (choice["message"]["refusal"], choice["message"]["content"]) == (None, "")
    assert choice["finish_reason"] == "content_filter"
    assert streamed("chat", SILENT)[-1]["choices"][0]["finish_reason"] == "content_filter"


def test_a_response_is_completed_by_a_part_of_their_own() -> None:
    told = streamed("responses", DECLINED)
    of_it = [event for event in told if event.get("item_id", "").startswith("msg_")]
    assert [event["type"].removeprefix("response.") for event in of_it] == [
        *("content_part.added", "refusal.delta", "refusal.delta", "refusal.done", "content_part.done")
    ]
    assert {event["content_index"] for event in of_it} == {0}
    assert [event["delta"] for event in of_it if "delta" in event] == WORDS
    assert (of_it[0]["part"]["refusal"], of_it[-2]["refusal"]) == ("", REFUSAL)
    assert told[-1]["type"] == "response.completed"

    response = told[-1]["response"]
    assert response == whole("responses", DECLINED)
    assert (response["status"], response["incomplete_details"]) == ("completed", None)
    thought, message = response["output"]
    assert thought["type"] == "reasoning"
    assert (message["content"], message["status"]) == ([{"type": "refusal", "refusal": REFUSAL}], "completed")


def test_a_response_that_is_declined_without_a_word_is_incomplete() -> None:
    for response in (whole("responses", SILENT), streamed("responses", SILENT)[-1]["response"]):
        assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": "content_filter"})


def test_what_was_said_before_stays_apart_from_them() -> None:
    response = whole("responses", INTERRUPTED)
    assert [item["content"][0]["type"] for item in response["output"]] == ["output_text", "refusal"]
    assert streamed("responses", INTERRUPTED)[-1]["response"] == response


def test_to_anthropics_clients_they_are_a_text_and_the_reason_tells() -> None:
    message = whole("messages", DECLINED)
    assert [(block["type"], block.get("text")) for block in message["content"]] == [
        ("thinking", None),
        ("text", REFUSAL),
    ]
    assert message["stop_reason"] == "refusal"
    told = streamed("messages", INTERRUPTED)
    deltas = [event["delta"]["text"] for event in told if event["type"] == "content_block_delta"]
    assert deltas == ["Sure, ", *WORDS]
    assert told[-2]["delta"]["stop_reason"] == "refusal"
    assert "".join(block["text"] for block in whole("messages", INTERRUPTED)["content"]) == "".join(deltas)


def test_to_ollamas_clients_they_are_what_was_said() -> None:
    lines = streamed("ollama", INTERRUPTED)
    assert "".join(line["message"]["content"] for line in lines) == "Sure, " + REFUSAL
    assert whole("ollama", INTERRUPTED)["message"]["content"] == "Sure, " + REFUSAL
    assert "".join(line["response"] for line in streamed("generate", INTERRUPTED)) == "Sure, " + REFUSAL
    assert whole("generate", INTERRUPTED)["response"] == "Sure, " + REFUSAL


@pytest.mark.parametrize("door", ["chat", "responses", "messages", "ollama"])
def test_an_answer_that_breaks_off_behind_them_is_not_whole(door: str) -> None:
    failure = {"code": "upstream_cut", "detail": "It broke off.", "retryable": True}
    last = streamed(door, [*DECLINED[:3], (Kind.FAILURE, failure), ended(None, status="failed")])[-1]
    assert "It broke off." in str(last.get("error") or last["response"]["error"])
