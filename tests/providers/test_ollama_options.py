"""What a client may ask of an answer of Ollama's beside the answer."""

from dataclasses import replace
from typing import Any

import pytest

from app.core.errors import NotSupported
from app.domain.cards import ModelCard
from app.domain.prompts import (
    AnswerFormat,
    CacheMark,
    Effort,
    ImageLink,
    ModelMessage,
    ModelRequest,
    Options,
    Pdf,
    Text,
    Thinking,
    ToolResult,
)
from app.providers.ollama.adapter import OllamaProvider
from app.providers.ollama.requests import chat_body
from app.providers.ollama.thinking import LEVELS, SWITCH, ThinkValues

CARD = ModelCard("ollama", "llama3.2", context_window=4096, reasons=True)
REQUEST = ModelRequest(CARD, [ModelMessage("user", "hi")], None, 64, None)
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
PROVIDER = OllamaProvider(base_url="http://127.0.0.1:9", context_tokens=8192, connect_timeout=5)


def body(options: Options, effort: Effort | None = None, values: ThinkValues = SWITCH, **more: Any) -> dict[str, Any]:
    request = replace(REQUEST, options=options, effort=effort, **more)
    PROVIDER.check(request)
    return chat_body(request, context_tokens=8192, think_values=values)


def refused(request: ModelRequest) -> str:
    with pytest.raises(NotSupported) as refusal:
        PROVIDER.check(request)
    return refusal.value.feature


def test_the_usual_ones_have_the_same_names_there() -> None:
    wishes: dict[str, Any] = {
        "top_p": 0.0,
        "top_k": 0,
        "min_p": 0.05,
        "seed": 0,
        "presence_penalty": 0.5,
        "frequency_penalty": -0.5,
        "repeat_penalty": 1.1,
    }
    asked = body(Options(stop=("END", "\n"), **wishes))
    assert asked["options"] == {"num_ctx": 4096, "num_predict": 64, "stop": ["END", "\n"], **wishes}


def test_nothing_asked_for_is_nothing_told() -> None:
    asked = body(Options())
    assert asked["options"] == {"num_ctx": 4096, "num_predict": 64}
    assert not {"format", "think", "keep_alive", "tools"} & asked.keys()


def test_an_answer_without_a_bound_is_told_none() -> None:
    assert body(Options(), bounded=False)["options"] == {"num_ctx": 4096}


def test_its_own_options_go_by_their_names() -> None:
    more = {"mirostat": 2, "typical_p": 0.7, "num_gpu": 0, "num_thread": 4, "keep_alive": "10m"}
    asked = body(Options(top_k=5, more=more))
    assert asked["keep_alive"] == "10m"
    assert asked["options"] == {
        "num_ctx": 4096,
        "num_predict": 64,
        "top_k": 5,
        "mirostat": 2,
        "typical_p": 0.7,
        "num_gpu": 0,
        "num_thread": 4,
    }


@pytest.mark.parametrize(
    ("wish", "got"), [(2048, 2048), (4096, 4096), (1_000_000, 4096), (0, 4096), (True, 4096), ("9", 4096)]
)
def test_a_context_of_ones_own_is_within_what_one_may_take(wish: object, got: int) -> None:
    asked = body(Options(more={"num_ctx": wish}), max_tokens=100_000)
    assert asked["options"] == {"num_ctx": got, "num_predict": got}


def test_our_own_bound_cannot_be_taken_off() -> None:
    assert body(Options(more={"num_predict": -1}))["options"]["num_predict"] == 64


def test_an_answer_that_is_json() -> None:
    assert body(Options(format=AnswerFormat()))["format"] == "json"
    assert body(Options(format=AnswerFormat(SCHEMA, name="a", strict=True)))["format"] == SCHEMA


@pytest.mark.parametrize(
    ("thinking", "effort", "values", "think"),
    [
        (Thinking("disabled"), None, SWITCH, False),
        (Thinking("disabled"), Effort.HIGH, SWITCH, False),
        (Thinking("disabled"), None, LEVELS, "low"),
        (Thinking("enabled"), None, SWITCH, True),
        (Thinking("enabled", budget=1024), None, SWITCH, True),
        (Thinking("enabled", budget=1024), None, LEVELS, "low"),
        (Thinking("enabled", budget=10_000), None, LEVELS, "medium"),
        (Thinking("enabled", budget=60_000), None, LEVELS, "high"),
        (Thinking("adaptive"), None, SWITCH, True),
        (Thinking("adaptive"), Effort.XHIGH, LEVELS, "high"),
    ],
)
def test_thinking_is_the_nearest_that_the_model_can_be_set_to(
    thinking: Thinking, effort: Effort | None, values: ThinkValues, think: object
) -> None:
    assert body(Options(thinking=thinking), effort, values)["think"] == think


def test_a_model_of_levels_thinks_by_its_own_measure_where_none_is_named() -> None:
    assert "think" not in body(Options(thinking=Thinking("adaptive")), values=LEVELS)


def test_marks_of_what_to_cache_mean_nothing() -> None:
    said = [ModelMessage("user", [Text("a"), CacheMark(), Text("b")]), ModelMessage("system", [Text("c"), CacheMark()])]
    assert body(Options(), messages=said)["messages"] == [
        {"role": "user", "content": "ab"},
        {"role": "system", "content": "c"},
    ]


@pytest.mark.parametrize(
    ("options", "feature"),
    [(Options(logit_bias={"1": 1.0}), "logit_bias"), (Options(verbosity="low"), "verbosity")],
)
def test_what_it_has_no_option_for_is_refused(options: Options, feature: str) -> None:
    assert refused(replace(REQUEST, options=options)) == feature


@pytest.mark.parametrize(
    ("part", "feature"),
    [
        (ImageLink("https://example.org/a.png"), "image_link"),
        (Pdf(b"%PDF"), "pdf"),
        (ToolResult("c", "", parts=(Text("a"),)), "tool_images"),
    ],
)
def test_what_its_messages_cannot_hold_is_refused(part: Any, feature: str) -> None:
    assert refused(replace(REQUEST, messages=[ModelMessage("user", [part])])) == feature
