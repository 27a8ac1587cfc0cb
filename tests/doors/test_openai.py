"""OpenAI's own client at `/v1/chat/completions`, with a model of each vendor's behind it."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest

from tests.doors.conftest import Service
from tests.upstream import Upstream
from tests.upstream.scenarios import Answer, Cut, Reasoning, Refuse, ToolArguments, ToolCall

VENDORS = ("openai/gpt", "deepseek/chat", "anthropic/claude-sonnet-4-6", "ollama/llama")
HELLO: Any = [{"role": "user", "content": "Hello"}]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture
async def client(patient: Service) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=f"{patient.backend.url}/v1", api_key=patient.alice.token, max_retries=0
    ) as client:
        yield client


async def usage_of(service: Service) -> list[dict[str, Any]]:
    answer = await service.alice.http.get("/users/me/usage")
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


@pytest.mark.parametrize("model", VENDORS)
async def test_an_answer_is_waited_for(client: openai.AsyncOpenAI, vendor: Upstream, model: str) -> None:
    vendor.script(Answer(("Hel", "lo, 世界", " 🙂"), usage=(9, 3)))
    completion = await client.chat.completions.create(model=model, messages=HELLO)

    choice = completion.choices[0]
    assert (choice.message.role, choice.message.content, choice.finish_reason) == (
        "assistant",
        "Hello, 世界 🙂",
        "stop",
    )
    assert completion.usage is not None
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens, completion.usage.total_tokens) == (
        9,
        3,
        12,
    )
    assert completion.model == model
    assert completion.id.startswith("chatcmpl-")


@pytest.mark.parametrize("model", VENDORS)
async def test_an_answer_is_streamed(client: openai.AsyncOpenAI, vendor: Upstream, model: str) -> None:
    vendor.script(Answer(("Hel", "lo, 世界", " 🙂"), usage=(9, 3)))
    stream = await client.chat.completions.create(
        model=model, messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]

    assert len({chunk.id for chunk in chunks}) == 1
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Hello, 世界 🙂"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 3


async def test_a_stream_ends_with_its_mark_and_tells_usage_only_if_asked(patient: Service, vendor: Upstream) -> None:
    body = {"model": "openai/gpt", "messages": HELLO, "stream": True}
    answer = await patient.alice.http.post("/v1/chat/completions", json=body)

    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = answer.text.split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    assert all(line.startswith("data: ") for line in lines[:-1])
    assert not any("usage" in line for line in lines)


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
    async with client.chat.completions.stream(model=model, messages=HELLO, tools=[WEATHER]) as stream:
        asked = await stream.get_final_completion()
    message = asked.choices[0].message
    assert asked.choices[0].finish_reason == "tool_calls"
    assert message.tool_calls is not None
    assert [json.loads(call.function.arguments)["city"] for call in message.tool_calls] == ["Köln", "北京"]

    vendor.script(Answer(("Rain.",)))
    history: Any = [
        *HELLO,
        message.model_dump(exclude_none=True, exclude={"parsed"}),
        *({"role": "tool", "tool_call_id": call.id, "content": "rain"} for call in message.tool_calls),
    ]
    told = await client.chat.completions.create(model=model, messages=history, tools=[WEATHER])
    assert told.choices[0].message.content == "Rain."


async def test_thoughts_are_told_apart(client: openai.AsyncOpenAI, vendor: Upstream) -> None:
    vendor.script(Answer((Reasoning("Hm"), Reasoning("m."), "Yes.")))
    completion = await client.chat.completions.create(model="deepseek/chat", messages=HELLO)
    message: Any = completion.choices[0].message
    assert (message.reasoning_content, message.content) == ("Hmm.", "Yes.")


async def test_what_is_asked_of_the_answer_reaches_the_vendor(client: openai.AsyncOpenAI, vendor: Upstream) -> None:
    await client.chat.completions.create(
        model="openai/gpt-4o",
        messages=HELLO,
        temperature=0.5,
        top_p=0.9,
        seed=7,
        stop=["END"],
        presence_penalty=0.5,
        logit_bias={"50256": -100},
        max_tokens=77,
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
        tools=[WEATHER],
        tool_choice={"type": "function", "function": {"name": "weather"}},
        parallel_tool_calls=False,
    )
    sent = vendor.calls[-1].body
    assert (sent["top_p"], sent["seed"], sent["stop"], sent["temperature"]) == (0.9, 7, ["END"], 0.5)
    assert (sent["presence_penalty"], sent["logit_bias"]) == (0.5, {"50256": -100})
    assert sent["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert sent["parallel_tool_calls"] is False
    assert sent.get("max_tokens", sent.get("max_completion_tokens")) == 77


async def test_a_cut_answer_is_an_error_and_never_looks_whole(patient: Service, vendor: Upstream) -> None:
    vendor.script(Answer(("Hel", "lo"), fault=Cut(1)))
    body = {"model": "openai/gpt", "messages": HELLO, "stream": True}
    answer = await patient.alice.http.post("/v1/chat/completions", json=body)
    last = json.loads(answer.text.split("\n\n")[-2].removeprefix("data: "))
    assert set(last["error"]) == {"message", "type", "param", "code"}
    assert "[DONE]" not in answer.text
    assert 'finish_reason":"stop' not in answer.text


async def test_the_clients_own_errors_are_raised(client: openai.AsyncOpenAI, vendor: Upstream) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        await client.chat.completions.create(model="nothing", messages=HELLO)
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.BadRequestError) as bad:
        await client.chat.completions.create(model="openai/gpt", messages=HELLO, temperature=9)
    assert bad.value.param == "temperature"
    with pytest.raises(openai.BadRequestError) as many:
        await client.chat.completions.create(model="openai/gpt", messages=HELLO, n=2)
    assert (many.value.code, many.value.param) == ("unsupported_parameter", "n")
    vendor.script(Refuse(400, "context_length"))
    with pytest.raises(openai.BadRequestError) as long:
        await client.chat.completions.create(model="openai/gpt", messages=HELLO, stream=True)
    assert long.value.code == "context_length_exceeded"
    with pytest.raises(openai.AuthenticationError):
        await client.with_options(api_key="sk-wrong").chat.completions.create(model="openai/gpt", messages=HELLO)
    vendor.script(Answer(("Hel", "lo"), fault=Cut(1)))
    with pytest.raises(openai.APIError):
        async for _ in await client.chat.completions.create(model="openai/gpt", messages=HELLO, stream=True):
            pass


@pytest.mark.parametrize("stream", [True, False])
async def test_who_leaves_ends_the_answer_and_pays_for_what_was_said(
    patient: Service, vendor: Upstream, stream: bool
) -> None:
    vendor.script(Answer(("Hel", "lo"), hold=True))
    before = sum(item["requests"] for item in await usage_of(patient))
    body = {"model": "openai/leaving", "messages": HELLO, "stream": stream}
    request = asyncio.create_task(_read(patient, body))
    call = await vendor.requested()
    await vendor.release(request=call)
    await asyncio.sleep(0.05)
    request.cancel()
    ended = await vendor.ended(within=10)
    assert ended.sent_chunks == 1
    async with asyncio.timeout(15):
        while sum(item["requests"] for item in await usage_of(patient)) == before:
            await asyncio.sleep(0.02)


async def _read(service: Service, body: dict[str, Any]) -> None:
    async with service.alice.http.stream("POST", "/v1/chat/completions", json=body) as answer:
        async for _ in answer.aiter_bytes():
            pass


async def test_nothing_is_stored_but_what_was_used(
    client: openai.AsyncOpenAI, patient: Service, vendor: Upstream
) -> None:
    before = (await patient.alice.http.get("/conversations")).json()["items"]
    await client.chat.completions.create(model="openai/echo", messages=HELLO)
    assert (await patient.alice.http.get("/conversations")).json()["items"] == before
    used = {item["model"]: item for item in await usage_of(patient)}
    assert used["openai/echo"]["requests"] == 1
    assert used["openai/echo"]["output_tokens"] > 0


async def test_a_call_may_join_a_conversation(client: openai.AsyncOpenAI, patient: Service, vendor: Upstream) -> None:
    vendor.script([Answer(("First.",)), Answer(("Second.",))])
    raw = await client.chat.completions.with_raw_response.create(
        model="openai/gpt", messages=HELLO, extra_headers={"X-Conversation-ID": "new"}
    )
    conversation = raw.headers["x-conversation-id"]
    stream = await client.chat.completions.create(
        model="openai/gpt",
        messages=[{"role": "user", "content": "And then?"}],
        stream=True,
        extra_headers={"X-Conversation-ID": conversation},
    )
    assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == "Second."
    messages = await patient.alice.messages(conversation)
    assert [each["content"] for each in messages] == ["Hello", "First.", "And then?", "Second."]
    sent = vendor.calls[-1].body
    assert [each["content"] for each in sent["messages"]] == ["Hello", "First.", "And then?"]


async def test_anothers_conversation_is_none(patient: Service, vendor: Upstream) -> None:
    bob = await patient.backend.user("bob")
    mine = (await patient.alice.http.post("/ai/chat", json={"message": "Hi", "model": "openai/gpt"})).json()
    body = {"model": "openai/gpt", "messages": HELLO}
    for header in (mine["conversation_id"], "no-id", "0" * 32):
        answer = await bob.http.post("/v1/chat/completions", json=body, headers={"X-Conversation-ID": header})
        assert (answer.status_code, answer.json()["error"]["type"]) == (404, "invalid_request_error"), header


BAD: dict[str, dict[str, Any]] = {
    "no messages": {"messages": []},
    "none at all": {},
    "a number": {"messages": 7},
    "an unknown role": {"messages": [{"role": "robot", "content": "x"}]},
    "no content": {"messages": [{"role": "user"}]},
    "an empty list": {"messages": [{"role": "user", "content": []}]},
    "audio": {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
    "no base64": {
        "messages": [
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,###"}}]}
        ]
    },
    "a file's address": {
        "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}]
    },
    "NUL": {"messages": [{"role": "user", "content": "a\x00b"}]},
    "a schema without one": {"messages": HELLO, "response_format": {"type": "json_schema"}},
    "no schema": {"messages": HELLO, "tools": [{"type": "function", "function": {"name": "", "parameters": []}}]},
    "system alone": {"messages": [{"role": "system", "content": "x"}]},
    "a result of no call": {"messages": [{"role": "tool", "content": "x"}]},
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_input_is_refused_in_openais_words(patient: Service, vendor: Upstream, name: str) -> None:
    answer = await patient.alice.http.post("/v1/chat/completions", json={"model": "openai/gpt", **BAD[name]})
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert (set(error), error["type"]) == ({"message", "type", "param", "code"}, "invalid_request_error")
    assert error["param"]
    assert not vendor.calls


async def test_half_a_surrogate_pair_is_refused(patient: Service, vendor: Upstream) -> None:
    body = b'{"model": "openai/gpt", "messages": [{"role": "user", "content": "\\ud83d"}]}'
    answer = await patient.alice.http.post(
        "/v1/chat/completions", content=body, headers={"content-type": "application/json"}
    )
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "messages[0].content")


async def test_a_vendor_that_is_away_is_told_with_a_status(patient: Service, vendor: Upstream) -> None:
    vendor.script(Refuse(503))
    answer = await patient.alice.http.post(
        "/v1/chat/completions", json={"model": "openai/gpt", "messages": HELLO, "stream": True}
    )
    assert (answer.status_code, answer.json()["error"]["type"]) == (503, "server_error")
    assert isinstance(answer, httpx.Response)
    assert int(answer.headers["retry-after"]) <= 10
