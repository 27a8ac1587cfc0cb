"""Tools with OpenAI's default model, which calls them through OpenAI's Responses API alone: through our other doors."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from tests.doors.conftest import Service, serving
from tests.upstream import Upstream
from tests.upstream.scenarios import Answer, Cut, Reasoning, Refusal, Refuse, ToolArguments, ToolCall, Usage

TERRA = "openai/gpt-6.1-terra"
SEAL = "Z0FBQUFBQm5seal+/=="
HELLO: Any = [{"role": "user", "content": "Rain?"}]
SCHEMA: Any = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
CLAUDES: Any = {"name": "weather", "input_schema": SCHEMA}
CALLS = (
    Reasoning("I have to ", signature=None),
    Reasoning("look.", signature=SEAL),
    ToolCall("weather", '{"ci', id="call_a"),
    ToolArguments('ty": "Köln"}'),
    ToolCall("weather", '{"city": "北京"}', id="call_b", index=1),
)
CALLED = Answer(CALLS, finish="tool_calls", usage=Usage(100, 12, cached=60, reasoning=2, written=30))


@pytest.fixture(scope="module")
async def official(
    every_vendor: Upstream, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """With OpenAI at its own address, to which a proxy leads that is the loopback vendor."""
    folder = tmp_path_factory.mktemp("official")
    served = serving(every_vendor, sqlite_template, folder, openai_base_url="http://api.openai.com/v1")
    async with AsyncExitStack() as stack:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("HTTP_PROXY", every_vendor.url)
            service = await stack.enter_async_context(served)
        yield service


@pytest.fixture
async def chat(official: Service) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=f"{official.backend.url}/v1", api_key=official.alice.token, max_retries=0
    ) as client:
        yield client


@pytest.fixture
async def messages(official: Service) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(
        base_url=official.backend.url, api_key=official.alice.token, max_retries=0
    ) as client:
        yield client


def items(vendor: Upstream, kind: str) -> list[dict[str, Any]]:
    """What the vendor was told last, as far as it is of this kind."""
    call = vendor.calls[-1]
    assert (call.path, call.body["store"], call.body["stream"]) == ("/v1/responses", False, True)
    return [item for item in call.body["input"] if item.get("type") == kind]


RESULTS = [
    {"type": "function_call_output", "call_id": "call_a", "output": "Rain."},
    {"type": "function_call_output", "call_id": "call_b", "output": "Sun."},
]


@pytest.mark.parametrize("stream", [True, False])
async def test_openais_client_calls_tools_and_gives_back_their_results(
    chat: openai.AsyncOpenAI, vendor: Upstream, stream: bool
) -> None:
    vendor.script([CALLED, Answer(("It rains ", "in Köln."))])
    ask: Any = {"model": TERRA, "tools": [WEATHER], "reasoning_effort": "low"}
    if stream:
        async with chat.chat.completions.stream(**ask, messages=HELLO) as answering:
            asked: Any = await answering.get_final_completion()
    else:
        asked = await chat.chat.completions.create(**ask, messages=HELLO)
    [choice] = asked.choices
    assert (choice.finish_reason, choice.message.content or None) == ("tool_calls", None)
    assert [(call.id, json.loads(call.function.arguments)) for call in choice.message.tool_calls] == [
        ("call_a", {"city": "Köln"}),
        ("call_b", {"city": "北京"}),
    ]
    assert vendor.calls[-1].body["reasoning"] == {"effort": "low", "summary": "auto"}
    if not stream:
        assert (asked.usage.prompt_tokens, asked.usage.prompt_tokens_details.cached_tokens) == (100, 60)

    results: Any = [
        {"role": "tool", "tool_call_id": "call_a", "content": "Rain."},
        {"role": "tool", "tool_call_id": "call_b", "content": "Sun."},
    ]
    told = choice.message.model_dump(exclude_none=True, include={"role", "content", "tool_calls"})
    answer = await chat.chat.completions.create(**ask, messages=[*HELLO, told, *results])

    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("It rains in Köln.", "stop")
    assert [item["call_id"] for item in items(vendor, "function_call")] == ["call_a", "call_b"]
    assert items(vendor, "function_call_output") == RESULTS


@pytest.mark.parametrize("stream", [True, False])
async def test_anthropics_client_gives_back_what_was_thought_with_its_seal(
    messages: anthropic.AsyncAnthropic, vendor: Upstream, stream: bool
) -> None:
    vendor.script([CALLED, Answer(("It rains.",))])
    ask: Any = {
        "model": TERRA,
        "max_tokens": 64,
        "tools": [CLAUDES],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    }
    if stream:
        async with messages.messages.stream(**ask, messages=HELLO) as answering:
            asked: Any = await answering.get_final_message()
    else:
        asked = await messages.messages.create(**ask, messages=HELLO)
    thought, *calls = asked.content
    assert (asked.stop_reason, thought.type, thought.thinking) == ("tool_use", "thinking", "I have to look.")
    assert [(call.id, call.input["city"]) for call in calls] == [("call_a", "Köln"), ("call_b", "北京")]
    usage = asked.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (10, 60, 30)

    results = [
        {"type": "tool_result", "tool_use_id": "call_a", "content": "Rain."},
        {"type": "tool_result", "tool_use_id": "call_b", "content": "Sun."},
    ]
    history = [*HELLO, {"role": "assistant", "content": asked.content}, {"role": "user", "content": results}]
    answer: Any = await messages.messages.create(**ask, messages=history)

    assert (answer.content[0].text, answer.stop_reason) == ("It rains.", "end_turn")
    assert items(vendor, "reasoning") == [
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "I have to look."}],
            "encrypted_content": SEAL,
        }
    ]
    assert items(vendor, "function_call_output") == RESULTS

    # Another vendor's model takes the same history, without a seal that is not its own.
    await messages.messages.create(**ask | {"model": "anthropic/claude-sonnet-4-6"}, messages=history)
    assert "openai:" not in json.dumps(vendor.calls[-1].body)


async def test_what_that_api_has_not_is_refused_by_its_name(chat: openai.AsyncOpenAI, vendor: Upstream) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await chat.chat.completions.create(model=TERRA, messages=HELLO, tools=[WEATHER], seed=7)
    assert refused.value.param == "seed"
    assert vendor.calls == []
    await chat.chat.completions.create(model=TERRA, messages=HELLO, seed=7)
    assert vendor.calls[-1].path == "/v1/chat/completions"


async def test_a_vendor_that_fails_is_tried_again_and_an_answer_that_was_cut_is_none(
    chat: openai.AsyncOpenAI, vendor: Upstream
) -> None:
    ask: Any = {"model": TERRA, "messages": HELLO, "tools": [WEATHER]}
    vendor.script([Refuse(503), Answer(("Fine.",))])
    assert (await chat.chat.completions.create(**ask)).choices[0].message.content == "Fine."
    assert len(vendor.calls) == 2

    vendor.script(Answer(("a", "b", "c"), fault=Cut(2)))
    with pytest.raises(openai.APIStatusError) as broken:
        await chat.chat.completions.create(**ask)
    assert broken.value.status_code >= 500


async def test_the_words_of_an_answer_that_was_declined_arrive(chat: openai.AsyncOpenAI, vendor: Upstream) -> None:
    vendor.script(Answer((Refusal("I can"), Refusal("not."))))
    answer = await chat.chat.completions.create(model=TERRA, messages=HELLO, tools=[WEATHER])
    assert (answer.choices[0].message.refusal, answer.choices[0].message.content) == ("I cannot.", None)
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 9
