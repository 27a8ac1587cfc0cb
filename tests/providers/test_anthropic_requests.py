"""How a request is spelled for each Claude, and for what is none."""

from typing import Any

import pytest

from app.domain.failures import GenerationFailure
from app.domain.prompts import (
    Effort,
    Image,
    ModelRequest,
    Pdf,
    Reasoning,
    ToolCall,
    ToolResult,
)
from app.providers import seals, shipped
from app.providers.anthropic.requests import messages_call
from tests.providers.anthropic_requests import assistant, body, user

ADAPTIVE = {"type": "adaptive", "display": "summarized"}
EPHEMERAL = {"type": "ephemeral"}
THOUGHT = Reasoning("Hm.", signature="s")


# Messages


def test_a_single_question_is_plain() -> None:
    assert body(user("hi"), system_prompt="Be brief.") == {
        "model": "claude-sonnet-4-6",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "system": "Be brief.",
    }


def test_each_part_has_its_block() -> None:
    messages = [
        user(Pdf(b"%PDF", "a.pdf"), Pdf(b"%PDF"), Image(b"\x89", "image/png"), "What is it?"),
        assistant(THOUGHT, Reasoning(redacted="gAAA"), "Let me see.", ToolCall("t1", "look", '{"at": [1]}')),
        user("And?", ToolResult("t1", "nothing", failed=True)),
    ]
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}
    assert body(*messages)["messages"] == [
        {
            "role": "user",
            "content": [
                {"type": "document", "source": pdf, "title": "a.pdf"},
                {"type": "document", "source": pdf},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iQ=="}},
                {"type": "text", "text": "What is it?"},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "s"},
                {"type": "redacted_thinking", "data": "gAAA"},
                {"type": "text", "text": "Let me see."},
                {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": [1]}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "nothing", "is_error": True},
                {"type": "text", "text": "And?", "cache_control": EPHEMERAL},
            ],
        },
    ]


def test_thoughts_without_a_seal_and_blank_texts_are_left_out() -> None:
    messages = [user("a", "\n\n", "b"), assistant(Reasoning("Hm."), "c"), user(Image(b"", "image/png"), "\n\n", "d")]
    sent = body(*messages)["messages"]
    assert [message["content"] for message in sent[:2]] == ["a\n\nb", "c"]
    assert [block["type"] for block in sent[2]["content"]] == ["image", "text"]
    assert sent[2]["content"][1]["text"] == "\n\nd"


def test_thoughts_with_another_vendors_seal_are_as_those_without() -> None:
    openais = Reasoning("Hm.", signature=seals.mark("c2Vhb"))
    assert body(user("a"), assistant(openais, "c"), user("d"))["messages"][1]["content"] == "c"
    for thought, mode in ((THOUGHT, "enabled"), (openais, "disabled"), (Reasoning("Hm."), "disabled")):
        called = assistant(thought, ToolCall("t", "f", "{}"))
        sent = body(user("a"), called, user(ToolResult("t", "1")), model="claude-haiku-4-5", effort=Effort.HIGH)
        assert sent["thinking"]["type"] == mode


def test_an_answer_that_said_nothing_is_left_out() -> None:
    sent = body(user("a"), assistant(THOUGHT, " \n"), user("b"), assistant("\n"), user("c"))["messages"]
    assert [message["role"] for message in sent] == ["user", "user", "user"]


def test_a_blank_system_prompt_is_none() -> None:
    assert "system" not in body(system_prompt=" \n")


@pytest.mark.parametrize("arguments", ["{", "[1]", '"x"', "[" * 100_000, "\ud83d"])
def test_broken_arguments_are_refused_here(arguments: str) -> None:
    with pytest.raises(GenerationFailure) as refused:
        body(user("a"), assistant(ToolCall("t", "f", arguments)), user("b"))
    assert not refused.value.retryable


def test_a_call_without_arguments_has_an_empty_object() -> None:
    sent = body(user("a"), assistant(ToolCall("t", "f", "")), user("b"))["messages"]
    assert sent[1]["content"][0]["input"] == {}


def test_what_goes_on_is_kept_in_the_vendors_cache_up_to_its_newest_message() -> None:
    first = [user("Q1"), assistant("A1"), user("Q2")]
    sent = body(*first)["messages"]
    assert sent[-1]["content"] == [{"type": "text", "text": "Q2", "cache_control": EPHEMERAL}]
    later = body(*first, assistant("A2"), user("Q3"))["messages"]
    assert str(later).count("cache_control") == 1
    assert later[:2] == sent[:2]
    assert later[2]["content"] == "Q2"


# Temperature


@pytest.mark.parametrize(
    ("model", "temperature", "sent"),
    [
        ("claude-sonnet-4-6", 0.5, 0.5),
        ("claude-opus-4-6", 2.0, 1.0),
        ("claude-haiku-4-5-20251001", 0.0, 0.0),
        ("claude-opus-4-7", 0.5, None),
        ("claude-haiku-5-5", 0.5, None),
        ("claude-sonnet-6", 0.5, None),
        ("glm-5", 1.5, 1.0),
    ],
)
def test_a_temperature_is_sent_to_those_who_take_one(model: str, temperature: float, sent: float | None) -> None:
    assert body(model=model, temperature=temperature).get("temperature") == sent


def test_a_model_that_thinks_is_sent_no_temperature() -> None:
    assert "temperature" not in body(temperature=0.5, effort=Effort.LOW)
    assert "temperature" in body(temperature=0.5, effort=Effort.NONE)


# Thinking


@pytest.mark.parametrize(
    ("model", "effort", "thinking", "told"),
    [
        # by effort
        ("claude-sonnet-4-6", "high", ADAPTIVE, "high"),
        ("claude-opus-4-8", "low", ADAPTIVE, "low"),
        ("claude-sonnet-5-5", "medium", ADAPTIVE, "medium"),
        ("claude-fable-5-2", "high", ADAPTIVE, "high"),
        ("claude-opus-6", "low", ADAPTIVE, "low"),
        # by a budget
        ("claude-haiku-4-5", "low", {"type": "enabled", "budget_tokens": 1024}, None),
        ("claude-haiku-4-5-20251001", "medium", {"type": "enabled", "budget_tokens": 2048}, None),
        ("claude-opus-4-5", "high", {"type": "enabled", "budget_tokens": 3072}, None),
        ("claude-3-7-sonnet-20250219", "high", {"type": "enabled", "budget_tokens": 3072}, None),
        # as it likes: those that think unasked are asked to show it
        ("claude-sonnet-4-6", None, None, None),
        ("claude-haiku-4-5", None, None, None),
        ("claude-sonnet-5-5", None, ADAPTIVE, None),
        ("claude-opus-5", None, ADAPTIVE, None),
        # not at all, or as little as can be
        ("claude-haiku-4-5", "none", {"type": "disabled"}, None),
        ("claude-opus-4-8", "none", {"type": "disabled"}, None),
        ("claude-sonnet-5", "none", {"type": "disabled"}, None),
        ("claude-opus-5", "none", {"type": "disabled"}, None),
        ("claude-haiku-5-5", "none", {"type": "disabled"}, None),
        ("claude-sonnet-5-5", "none", {"type": "between_tools"}, None),
        ("claude-opus-5-5", "none", ADAPTIVE, "low"),
        ("claude-fable-5-1", "none", ADAPTIVE, "low"),
        ("claude-sonnet-6", "none", ADAPTIVE, "low"),
        # of which nothing is known
        ("claude-3-5-haiku-latest", "high", None, None),
        ("claude-mythos-preview", "high", None, None),
        ("glm-5", "high", None, None),
        ("glm-5", "none", None, None),
    ],
)
def test_each_model_is_asked_to_think_in_its_own_way(
    model: str, effort: str | None, thinking: dict[str, Any] | None, told: str | None
) -> None:
    sent = body(model=model, effort=effort and Effort(effort))
    assert sent.get("thinking") == thinking
    assert sent.get("output_config") == (told and {"effort": told})


@pytest.mark.parametrize(("max_tokens", "budget"), [(2047, None), (2048, 1536), (1_000_000, 32_000)])
def test_a_budget_leaves_room_for_the_answer(max_tokens: int, budget: int | None) -> None:
    thinking = body(model="claude-haiku-4-5", effort=Effort.HIGH, max_tokens=max_tokens).get("thinking")
    assert (thinking and thinking["budget_tokens"]) == budget


CONVERSATION = (user("Q1"), assistant(THOUGHT, "A1"), user("Q2"))


@pytest.mark.parametrize(
    ("model", "effort", "goes_back", "binding"),
    [
        ("claude-sonnet-5-5", None, True, True),
        ("claude-sonnet-5-5", Effort.HIGH, True, True),
        ("claude-sonnet-5-5", Effort.NONE, False, False),
        ("claude-opus-5-5", Effort.NONE, False, False),
        ("claude-opus-5", Effort.LOW, True, False),
        ("claude-haiku-4-5", Effort.LOW, True, False),
        ("glm-5", None, True, False),
    ],
)
def test_thoughts_go_back_unless_thinking_is_turned_off(
    model: str, effort: Effort | None, goes_back: bool, binding: bool
) -> None:
    card = shipped.card("anthropic", model)
    call = messages_call(ModelRequest(card, CONVERSATION, None, 4096, None, effort))
    assert ("'signature'" in str(call.body)) is goes_back
    assert ("block_binding" in str(call.body)) is binding
    assert ("anthropic-beta" in call.headers) is binding
