"""What is asked of an Ollama server, part by part."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from app.domain.cards import ModelCard
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
from app.providers.ollama.requests import chat_body
from app.providers.ollama.thinking import LEVELS, SWITCH, ThinkValues

CARD = ModelCard("ollama", "llama3.2", context_window=4096)


def body(
    *messages: ModelMessage,
    card: ModelCard = CARD,
    system: str | None = None,
    temperature: float | None = None,
    effort: Effort | None = None,
    max_tokens: int = 64,
    think_values: ThinkValues = SWITCH,
) -> dict[str, Any]:
    request = ModelRequest(card, messages or [ModelMessage("user", "hi")], system, max_tokens, temperature, effort)
    return chat_body(request, context_tokens=8192, think_values=think_values)


def messages(*parts: Part, role: Any = "user") -> Any:
    return body(ModelMessage(role, parts))["messages"]


def test_a_conversation_with_its_system_prompt() -> None:
    history = [ModelMessage("user", "汉"), ModelMessage("assistant", "b"), ModelMessage("user", "c")]
    assert body(*history, system="Be brief.", temperature=0.5) == {
        "model": "llama3.2",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "汉"},
            {"role": "assistant", "content": "b"},
            {"role": "user", "content": "c"},
        ],
        "stream": True,
        "truncate": False,
        "options": {"num_ctx": 4096, "num_predict": 64, "temperature": 0.5},
    }


def test_what_nobody_asked_for_is_left_to_the_server() -> None:
    asked = body()
    assert not {"think", "keep_alive", "tools", "format"} & asked.keys()
    assert "temperature" not in asked["options"]


def test_the_context_of_a_model_is_the_same_in_every_request() -> None:
    """Another one would make the server load the model anew."""
    sizes = {body(max_tokens=tokens)["options"]["num_ctx"] for tokens in (1, 64, 100_000)}
    assert sizes == {4096}
    assert body(card=replace(CARD, context_window=None))["options"]["num_ctx"] == 8192


def test_an_answer_is_not_asked_to_outgrow_the_context() -> None:
    assert body(max_tokens=100_000)["options"]["num_predict"] == 4096


def test_images_go_beside_the_text() -> None:
    said = messages(Text("What "), Image(b"\x89PNG", "image/png"), Text("is this?"), Image(b"\xff", "image/jpeg"))
    assert said == [{"role": "user", "content": "What is this?", "images": ["iVBORw==", "/w=="]}]


def test_an_image_may_stand_alone() -> None:
    assert messages(Image(b"a", "image/png")) == [{"role": "user", "content": "", "images": ["YQ=="]}]


def test_a_pdf_is_refused_before_anybody_is_asked() -> None:
    with pytest.raises(GenerationFailure) as failure:
        messages(Text("Read."), Pdf(b"%PDF"))
    assert (failure.value.code, failure.value.retryable) == (FailureCode.UPSTREAM_ERROR, False)


def test_the_arguments_of_a_tool_call_are_an_object_and_its_result_names_the_tool() -> None:
    asked = body(
        ModelMessage("user", "Weather?"),
        ModelMessage("assistant", [Text("Let me see."), ToolCall("c1", "weather", '{"city": "Paris"}')]),
        ModelMessage("user", [ToolResult("c1", "Rain."), Text("And tomorrow?")]),
        ModelMessage("assistant", [ToolCall("c2", "tomorrow", "")]),
        ModelMessage("user", [ToolResult("c2", "Sun.")]),
    )
    assert asked["messages"][1:] == [
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [{"id": "c1", "function": {"name": "weather", "arguments": {"city": "Paris"}}}],
        },
        {"role": "tool", "tool_name": "weather", "tool_call_id": "c1", "content": "Rain."},
        {"role": "user", "content": "And tomorrow?"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "c2", "function": {"name": "tomorrow", "arguments": {}}}],
        },
        {"role": "tool", "tool_name": "tomorrow", "tool_call_id": "c2", "content": "Sun."},
    ]


@pytest.mark.parametrize("arguments", ["[1]", "{", "7", "\ud83d", "[" * 200_000])
def test_arguments_that_are_no_object_are_refused(arguments: str) -> None:
    with pytest.raises(GenerationFailure):
        messages(ToolCall("c", "f", arguments), role="assistant")


def test_what_a_model_thought_goes_back_to_it() -> None:
    parts: list[Part] = [Reasoning("Hm. "), Reasoning("So."), Text("42")]
    assert messages(*parts, role="assistant") == [{"role": "assistant", "content": "42", "thinking": "Hm. So."}]


@pytest.mark.parametrize(
    ("effort", "values", "think"),
    [
        (Effort.NONE, SWITCH, False),
        (Effort.LOW, SWITCH, True),
        (Effort.HIGH, SWITCH, True),
        (Effort.NONE, LEVELS, "low"),
        (Effort.MEDIUM, LEVELS, "medium"),
        (Effort.NONE, (False, "low", "medium", "xhigh"), False),
        (Effort.LOW, (False, "low", "medium", "xhigh"), "low"),
        (Effort.MINIMAL, LEVELS, "low"),
        (Effort.MAX, LEVELS, "high"),
        (Effort.MAX, (False, "low", "medium", "xhigh"), "xhigh"),
        (Effort.HIGH, (False, "low", "medium"), "medium"),
    ],
)
def test_effort_is_the_nearest_that_the_model_can_be_set_to(
    effort: Effort, values: Sequence[bool | str], think: bool | str
) -> None:
    assert body(card=replace(CARD, reasons=True), effort=effort, think_values=values)["think"] == think


def test_a_model_that_cannot_think_is_not_told_to() -> None:
    assert "think" not in body(effort=Effort.HIGH)
    assert "think" not in body(card=replace(CARD, reasons=True), effort=None)


def test_a_model_that_takes_no_temperature_is_sent_none() -> None:
    asked = body(card=replace(CARD, takes_temperature=False), temperature=0.5)
    assert "temperature" not in asked["options"]
