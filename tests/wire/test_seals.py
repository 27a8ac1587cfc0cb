"""What seals thoughts goes out with a response's reasoning, to clients that ask for it."""

from typing import Any

import pytest

from app.domain.events import Kind
from app.domain.prompts import Reasoning
from app.schemas.openai_items import InputItem, conversation
from tests.wire.hand_made import Told, ended, streamed, whole

ANSWER: Told = [
    (Kind.START, {}),
    (Kind.REASONING, "Hm"),
    (Kind.REASONING, "m."),
    (Kind.SEAL, {"signature": "c2VhbA=="}),
    (Kind.SEAL, {"signature": "openai:Z0FB"}),  # of thoughts that are not shown
    (Kind.REASONING, "Unsealed."),
    (Kind.SEAL, {"redacted": "aGlkZGVu"}),
    (Kind.TOOL_CALL, {"index": 0, "id": "call_1", "name": "weather"}),
    (Kind.TOOL_INPUT, {"index": 0, "text": "{}"}),
    (Kind.SEAL, {"signature": "bGFzdA=="}),
    ended("tool_calls"),
]
THOUGHTS = [
    Reasoning("Hmm.", "c2VhbA=="),
    Reasoning("", "openai:Z0FB"),
    Reasoning("Unsealed."),
    Reasoning("", redacted="aGlkZGVu"),
    Reasoning("", "bGFzdA=="),
]


def output(*, with_seals: bool) -> list[dict[str, Any]]:
    """Of the whole, which the stream has to come to."""
    response = whole("responses", ANSWER, with_seals=with_seals)
    told = streamed("responses", ANSWER, with_seals=with_seals)
    assert told[-1]["response"] == response
    done = {event["output_index"]: event["item"] for event in told if event["type"] == "response.output_item.done"}
    begun = [event["item"]["id"] for event in told if event["type"] == "response.output_item.added"]
    items: list[dict[str, Any]] = response["output"]
    assert [done[index] for index in sorted(done)] == items
    assert begun == [item["id"] for item in items]
    return items


def test_each_thought_has_its_own() -> None:
    thoughts = [item for item in output(with_seals=True) if item["type"] == "reasoning"]
    assert [item.get("encrypted_content") for item in thoughts] == [
        *("c2VhbA==", "openai:Z0FB", None, "redacted:aGlkZGVu", "bGFzdA==")
    ]
    assert [[part["text"] for part in item["summary"]] for item in thoughts] == [["Hmm."], [], ["Unsealed."], [], []]


def test_who_does_not_ask_is_told_of_thoughts_alone() -> None:
    items = output(with_seals=False)
    assert [item["type"] for item in items] == ["reasoning", "reasoning", "function_call"]
    assert not any("encrypted_content" in item for item in items)


def test_they_come_back_as_they_went() -> None:
    said = [{"role": "user", "content": "Hi"}, *output(with_seals=True)]
    _, messages = conversation([InputItem.model_validate(item) for item in said], None)
    assert [part for part in messages[1].parts if isinstance(part, Reasoning)] == THOUGHTS


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"summary": [{"text": "a"}, {"text": "b"}]}, Reasoning("a\n\nb")),
        ({"summary": [{"text": "a"}, {"text": "b"}], "encrypted_content": "x"}, Reasoning("a\n\nb", "x")),
        ({"summary": [], "encrypted_content": None}, Reasoning()),
        ({"encrypted_content": ""}, Reasoning()),
        ({"encrypted_content": "redacted:"}, Reasoning()),
    ],
)
def test_reasoning_keeps_its_meaning(given: Any, meant: Reasoning) -> None:
    items = [InputItem(role="user", content="Hi"), InputItem.model_validate({"type": "reasoning", **given})]
    assert list(conversation(items, None)[1][1].parts) == [meant]
