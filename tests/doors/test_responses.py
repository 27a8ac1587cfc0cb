"""OpenAI's own client at `/v1/responses`."""

import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest

from tests.doors.conftest import Service
from tests.upstream import Upstream
from tests.upstream.scenarios import Answer, Cut, Reasoning, ToolArguments, ToolCall

VENDORS = ("openai/gpt", "anthropic/claude-sonnet-4-6", "ollama/llama")
WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "description": "Of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": False,
}


@pytest.fixture
async def client(patient: Service) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=f"{patient.backend.url}/v1", api_key=patient.alice.token, max_retries=0
    ) as client:
        yield client


@pytest.mark.parametrize("model", VENDORS)
async def test_a_response_is_waited_for(client: openai.AsyncOpenAI, vendor: Upstream, model: str) -> None:
    vendor.script(Answer(("Ahoy", ", 世界!"), usage=(9, 3)))
    response = await client.responses.create(model=model, instructions="Talk like a pirate.", input="Hello")

    assert (response.output_text, response.status, response.model) == ("Ahoy, 世界!", "completed", model)
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (9, 3, 12)
    assert vendor.calls[-1].body.get("system", vendor.calls[-1].body["messages"][0].get("content")) == (
        "Talk like a pirate."
    )


@pytest.mark.parametrize("model", VENDORS)
async def test_a_response_is_streamed_with_its_thoughts(
    client: openai.AsyncOpenAI, vendor: Upstream, model: str
) -> None:
    vendor.script(Answer((Reasoning("Hm"), Reasoning("m."), "Ahoy", ", 世界!"), usage=(9, 3)))
    async with client.responses.stream(model=model, input="Hello") as stream:
        events = [event async for event in stream]
        final = await stream.get_final_response()

    assert final.output_text == "Ahoy, 世界!"
    assert [item.type for item in final.output] == ["reasoning", "message"]
    numbers = [event.sequence_number for event in events]
    assert numbers == sorted(numbers)
    assert [event.type for event in events if event.type.startswith("response.completed")] == ["response.completed"]
    assert final.usage is not None
    assert final.usage.output_tokens == 3


async def test_a_response_goes_on_from_the_one_before(
    client: openai.AsyncOpenAI, patient: Service, vendor: Upstream
) -> None:
    vendor.script([Answer(("First.",)), Answer(("Second.",)), Answer(("Other.",))])
    first = await client.responses.create(model="openai/gpt", input="Hello", instructions="Be brief.")
    second = await client.responses.create(model="openai/gpt", input="And?", previous_response_id=first.id)

    assert (first.store, second.previous_response_id) == (True, first.id)  # type: ignore[attr-defined]
    sent = vendor.calls[-1].body["messages"]
    assert [(each["role"], each["content"]) for each in sent] == [
        ("user", "Hello"),
        ("assistant", "First."),
        ("user", "And?"),
    ]
    await client.responses.create(model="openai/gpt", input="Or?", previous_response_id=first.id)
    assert [each["content"] for each in vendor.calls[-1].body["messages"]] == ["Hello", "First.", "Or?"]


async def test_what_is_not_to_be_stored_is_not(client: openai.AsyncOpenAI, patient: Service, vendor: Upstream) -> None:
    vendor.script(Answer(("Yes.",)))
    before = (await patient.alice.http.get("/conversations")).json()["items"]
    unstored = await client.responses.create(model="openai/gpt", input="Hello", store=False)
    several = await client.responses.create(
        model="openai/gpt",
        input=[
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
            {"role": "user", "content": [{"type": "input_text", "text": "c"}]},
        ],
    )
    assert (unstored.store, several.store) == (False, False)  # type: ignore[attr-defined]
    assert (await patient.alice.http.get("/conversations")).json()["items"] == before
    with pytest.raises(openai.NotFoundError):
        await client.responses.create(model="openai/gpt", input="And?", previous_response_id=unstored.id)


async def test_anothers_response_is_none(patient: Service, client: openai.AsyncOpenAI, vendor: Upstream) -> None:
    vendor.script(Answer(("Mine.",)))
    mine = await client.responses.create(model="openai/gpt", input="Hello")
    bob = await patient.backend.user("bob")
    for identity in (mine.id, "resp_nothing", "resp_\u4e16", ""):
        body = {"model": "openai/gpt", "input": "x", "previous_response_id": identity}
        answer = await bob.http.post("/v1/responses", json=body)
        assert (answer.status_code, answer.json()["error"]["type"]) == (404, "invalid_request_error"), identity


@pytest.mark.parametrize("model", VENDORS)
async def test_tools_are_called_and_their_results_go_back(
    client: openai.AsyncOpenAI, vendor: Upstream, model: str
) -> None:
    calls = (
        ToolCall("weather", '{"ci', id="call_a", index=0),
        ToolArguments('ty": "Köln"}', index=0),
        ToolCall("weather", '{"city": "北京"}', id="call_b", index=1),
    )
    vendor.script(Answer(calls, finish="stop" if model.startswith("ollama") else "tool_calls"))
    async with client.responses.stream(model=model, input="Hello", tools=[WEATHER]) as stream:
        asked = await stream.get_final_response()
    made = [item for item in asked.output if item.type == "function_call"]
    assert [json.loads(item.arguments)["city"] for item in made] == ["Köln", "北京"]

    vendor.script(Answer(("Rain.",)))
    history: Any = [
        {"role": "user", "content": "Hello"},
        *(item.model_dump(exclude={"parsed_arguments"}, exclude_none=True) for item in made),
        *({"type": "function_call_output", "call_id": item.call_id, "output": "rain"} for item in made),
    ]
    told = await client.responses.create(model=model, input=history, tools=[WEATHER])
    assert told.output_text == "Rain."


async def test_thoughts_go_back_with_their_seals(client: openai.AsyncOpenAI, vendor: Upstream) -> None:
    thoughts = (Reasoning("Hm."), Reasoning(signature="c2VhbA=="), Reasoning(redacted="aGlkZGVu"))
    vendor.script(
        [Answer((*thoughts, ToolCall("weather", "{}", id="call_a")), finish="tool_calls"), Answer(("Rain.",))]
    )
    # What else an answer may hold is of tools that it cannot have.
    include: Any = ["reasoning.encrypted_content", "web_search_call.action.sources"]
    asked: Any = {"model": "anthropic/claude-sonnet-4-6", "tools": [WEATHER], "store": False, "include": include}
    async with client.responses.stream(input="Hello", **asked) as stream:
        told = await stream.get_final_response()
    assert [item.type for item in told.output] == ["reasoning", "reasoning", "function_call"]

    history: Any = [
        {"role": "user", "content": "Hello"},
        *(item.model_dump(exclude={"parsed_arguments"}, exclude_none=True) for item in told.output),
        {"type": "function_call_output", "call_id": "call_a", "output": "rain"},
    ]
    await client.responses.create(input=history, **asked)
    assert vendor.calls[-1].body["messages"][1]["content"][:2] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2VhbA=="},
        {"type": "redacted_thinking", "data": "aGlkZGVu"},
    ]


async def test_an_answer_that_breaks_off_has_failed(client: openai.AsyncOpenAI, vendor: Upstream) -> None:
    vendor.script(Answer(("Hel", "lo"), fault=Cut(1)))
    stream = await client.responses.create(model="openai/gpt", input="Hello", stream=True)
    events = [event async for event in stream]
    assert events[-1].type == "response.failed"
    assert events[-1].response.error is not None


async def test_an_answer_without_room_is_incomplete(client: openai.AsyncOpenAI, vendor: Upstream) -> None:
    vendor.script(Answer(("Hel",), finish="length"))
    for store in (True, False):
        response = await client.responses.create(model="openai/gpt", input="Hello", store=store, max_output_tokens=16)
        assert response.status == "incomplete"
        assert response.incomplete_details is not None
        assert response.incomplete_details.reason == "max_output_tokens"


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "none at all": ({}, "input"),
    "no items": ({"input": []}, "input"),
    "an unknown item": ({"input": [{"type": "web_search_call"}]}, "input[0].type"),
    "whose?": ({"input": [{"content": "x"}]}, "input[0].role"),
    "a hosted tool": ({"input": "x", "tools": [{"type": "web_search"}]}, "tools[0]"),
    "in the background": ({"input": "x", "background": True}, "background"),
    "what nobody tells": ({"input": "x", "include": ["message.output_text.logprobs"]}, "include"),
    "a prompt": ({"input": "x", "prompt": {"id": "p"}}, "prompt"),
    "stored with tools": ({"input": "x", "store": True, "tools": [WEATHER]}, "store"),
    "a file's id": (
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
        "input[0].content[0].file_data",
    ),
    "NUL": ({"input": "a\x00b"}, "input"),
    "a schema without a name": (
        {"input": "x", "text": {"format": {"type": "json_schema", "schema": {}}}},
        "text.format.name",
    ),
    "a format without its schema": (
        {"input": "x", "text": {"format": {"type": "json_schema", "name": "x"}}},
        "text.format.schema",
    ),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_input_is_refused_in_openais_words(patient: Service, vendor: Upstream, name: str) -> None:
    body, param = BAD[name]
    answer = await patient.alice.http.post("/v1/responses", json={"model": "openai/gpt", **body})
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert not vendor.calls


async def test_a_text_that_no_conversation_holds_is_answered_unstored(
    client: openai.AsyncOpenAI, patient: Service, vendor: Upstream
) -> None:
    vendor.script(Answer(("Long.",)))
    response = await client.responses.create(model="openai/gpt", input="x" * 200_001)
    assert (response.output_text, response.store) == ("Long.", False)  # type: ignore[attr-defined]


@pytest.mark.parametrize("store", [True, False])
async def test_what_a_vendor_cannot_do_is_refused_whether_it_would_be_stored_or_not(
    client: openai.AsyncOpenAI, vendor: Upstream, store: bool
) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        await client.responses.create(
            model="anthropic/claude-sonnet-4-6", input="Hello", text={"format": {"type": "json_object"}}, store=store
        )
    assert (refusal.value.code, refusal.value.param) == ("unsupported_parameter", "text.format")
    assert not vendor.calls
