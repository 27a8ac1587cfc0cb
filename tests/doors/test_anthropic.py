"""Anthropic's own client at `/v1/messages`, with a model of each vendor's behind it."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import pytest

from tests.doors.conftest import Service, serving
from tests.parsing.pdfs import lines, pdf
from tests.ports import free_port
from tests.sse import Stream
from tests.upstream import Upstream
from tests.upstream.scenarios import Answer, Cut, Frame, Reasoning, Refuse, Stall, ToolArguments, ToolCall, Usage

VENDORS = ("anthropic/claude-sonnet-4-6", "openai/gpt", "deepseek/chat", "ollama/llama")
CLAUDE = VENDORS[0]
HELLO: Any = [{"role": "user", "content": "Hello"}]
WEATHER: Any = {
    "name": "weather",
    "description": "Of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PAPER = pdf(lines("Paper"))


@pytest.fixture
async def client(patient: Service) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(
        base_url=patient.backend.url, api_key=patient.alice.token, max_retries=0
    ) as client:
        yield client


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def raw(service: Service, **body: Any) -> Stream:
    """The events as they come over the wire."""
    given = {"model": CLAUDE, "max_tokens": 64, "messages": HELLO, "stream": True, **body}
    answer = await service.alice.http.post("/v1/messages", json=given)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    return Stream.of(answer.content)


def shape(stream: Stream) -> list[str]:
    """The kinds of events in their order, pieces of one block counted once."""
    kinds = [event.json.get("delta", {}).get("type", event.name) for event in stream.events]
    return [kind for i, kind in enumerate(kinds) if i == 0 or kind != kinds[i - 1]]


@pytest.mark.parametrize("model", VENDORS)
async def test_an_answer_is_waited_for(client: anthropic.AsyncAnthropic, vendor: Upstream, model: str) -> None:
    vendor.script(Answer(("Hel", "lo, 世界", " 🙂"), usage=(9, 3)))
    message = await client.messages.create(model=model, max_tokens=64, messages=HELLO)

    (block,) = message.content
    assert block.type == "text"
    assert (block.text, message.role, message.model) == ("Hello, 世界 🙂", "assistant", model)
    assert (message.stop_reason, message.stop_sequence) == ("end_turn", None)
    assert (message.usage.input_tokens, message.usage.output_tokens) == (9, 3)
    assert message.id.startswith("msg_")


@pytest.mark.parametrize("model", VENDORS)
async def test_an_answer_is_streamed(client: anthropic.AsyncAnthropic, vendor: Upstream, model: str) -> None:
    vendor.script(Answer(("Hel", "lo, 世界", " 🙂"), usage=(9, 3)))
    async with client.messages.stream(model=model, max_tokens=64, messages=HELLO) as stream:
        assert "".join([text async for text in stream.text_stream]) == "Hello, 世界 🙂"
        message = await stream.get_final_message()
    assert (message.model, message.stop_reason) == (model, "end_turn")
    assert (message.usage.input_tokens, message.usage.output_tokens) == (9, 3)


async def test_the_older_and_the_newer_interface_get_the_same(
    client: anthropic.AsyncAnthropic, vendor: Upstream
) -> None:
    events = [
        event.type
        async for event in await client.messages.create(model=CLAUDE, max_tokens=64, messages=HELLO, stream=True)
    ]
    beta = [
        event.type
        async for event in await client.beta.messages.create(
            model=CLAUDE, max_tokens=64, messages=HELLO, stream=True, betas=["some-feature-2026-01-01"]
        )
    ]
    assert events == beta
    assert events[0] == "message_start"
    assert events[-2:] == ["message_delta", "message_stop"]


async def test_every_event_says_what_it_is(patient: Service, vendor: Upstream) -> None:
    vendor.script(Answer((Reasoning("Hm", "c2Vh"), "Hel", "lo"), usage=Usage(20, 3, cached=5, written=4)))
    stream = await raw(patient)
    assert all(event.name == event.json["type"] for event in stream.events)
    assert shape(stream) == [
        *("message_start", "content_block_start", "thinking_delta", "signature_delta", "content_block_stop"),
        *("content_block_start", "text_delta", "content_block_stop", "message_delta", "message_stop"),
    ]
    (start,) = stream.named("message_start")
    assert (start["message"]["content"], start["message"]["stop_reason"]) == ([], None)
    (end,) = stream.named("message_delta")
    assert end["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    for usage, written in ((start["message"]["usage"], 0), (end["usage"], 3)):
        assert {name: usage[name] for name in usage if name != "output_tokens_details"} == {
            "input_tokens": 11,
            "cache_read_input_tokens": 5,
            "cache_creation_input_tokens": 4,
            "output_tokens": written,
        }


@pytest.mark.parametrize(("model", "known"), [(CLAUDE, 11), ("openai/gpt", 0)])
async def test_what_the_prompt_takes_is_told_at_the_beginning_where_its_vendor_does(
    client: anthropic.AsyncAnthropic, vendor: Upstream, model: str, known: int
) -> None:
    vendor.script(Answer(("Hel", "lo"), usage=Usage(20, 3, cached=9)))
    async with client.messages.stream(model=model, max_tokens=64, messages=HELLO) as stream:
        begun = [event.message.usage.model_copy() async for event in stream if event.type == "message_start"]
        message = await stream.get_final_message()
    assert [usage.input_tokens for usage in begun] == [known]
    used = message.usage  # nothing of it twice
    assert (used.input_tokens, used.cache_read_input_tokens, used.output_tokens) == (11, 9, 3)


async def test_a_second_attempt_tells_of_its_own_prompt(patient: Service, vendor: Upstream) -> None:
    wordless = Frame(b'event: ping\ndata: {"type":"ping"}\n\n')
    vendor.script([Answer((wordless,), usage=(7, 3), fault=Cut(1)), Answer(usage=(9, 3))])
    stream = await raw(patient)
    assert len(vendor.calls) == 2
    (start,) = stream.named("message_start")
    assert start["message"]["usage"]["input_tokens"] == 9


@pytest.mark.parametrize(
    ("finish", "reason"),
    [("length", "max_tokens"), ("stop_sequence", "stop_sequence"), ("content_filter", "refusal")],
)
async def test_why_an_answer_ended_is_told(
    client: anthropic.AsyncAnthropic, vendor: Upstream, finish: str, reason: str
) -> None:
    vendor.script(Answer(("Hel", "lo"), finish=finish))
    asked: Any = {"model": CLAUDE, "max_tokens": 64, "messages": HELLO, "stop_sequences": ["END"]}
    async with client.messages.stream(**asked) as stream:
        streamed = await stream.get_final_message()
    whole = await client.messages.create(**asked)
    assert streamed.stop_reason == whole.stop_reason == reason
    assert streamed.stop_sequence == whole.stop_sequence == ("END" if reason == "stop_sequence" else None)


@pytest.mark.parametrize("model", VENDORS)
async def test_tools_are_called_and_their_results_go_back(
    client: anthropic.AsyncAnthropic, vendor: Upstream, model: str
) -> None:
    calls = (
        "Let me see.",
        ToolCall("weather", '{"ci', id="call_a", index=0),
        ToolArguments('ty": "Köln"}', index=0),
        ToolCall("weather", '{"city": "北京"}', id="call_b", index=1),
    )
    vendor.script(Answer(calls, finish="stop" if model.startswith("ollama") else "tool_calls"))
    asked: Any = {"model": model, "max_tokens": 64, "tools": [WEATHER]}
    async with client.messages.stream(**asked, messages=HELLO) as stream:
        streamed = await stream.get_final_message()
    whole = await client.messages.create(**asked, messages=HELLO)
    for message in (streamed, whole):
        assert message.stop_reason == "tool_use"
        used: list[Any] = [block for block in message.content if block.type == "tool_use"]
        assert [block.input for block in used] == [{"city": "Köln"}, {"city": "北京"}]
        assert len({block.id for block in used}) == 2

    vendor.script(Answer(("Rain.",)))
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": [{"type": "text", "text": "rain"}]}
        for block in streamed.content
        if block.type == "tool_use"
    ]
    history: Any = [*HELLO, streamed.to_param(), {"role": "user", "content": results}]
    told = await client.messages.create(**asked, messages=history)
    assert [block.text for block in told.content if block.type == "text"] == ["Rain."]
    sent = json.dumps(vendor.calls[-1].body, ensure_ascii=False)
    assert "Köln" in sent
    assert sent.count("rain") == 2


async def test_thoughts_go_back_with_their_seals(client: anthropic.AsyncAnthropic, vendor: Upstream) -> None:
    thoughts = (Reasoning("Hm", "c2Vh"), Reasoning(redacted="ZGFyaw=="), ToolCall("weather", '{"city": "Rom"}'))
    vendor.script(Answer(thoughts, finish="tool_calls"))
    asked: Any = {
        "model": CLAUDE,
        "max_tokens": 4096,
        "tools": [WEATHER],
        "thinking": {"type": "enabled", "budget_tokens": 2048},
    }
    async with client.messages.stream(**asked, messages=HELLO) as stream:
        streamed = await stream.get_final_message()
    whole = await client.messages.create(**asked, messages=HELLO)
    assert [block.model_dump(exclude_none=True) for block in streamed.content][:2] == [
        {"type": "thinking", "thinking": "Hm", "signature": "c2Vh"},
        {"type": "redacted_thinking", "data": "ZGFyaw=="},
    ]
    assert [block.type for block in whole.content] == ["thinking", "redacted_thinking", "tool_use"]

    result = {"type": "tool_result", "tool_use_id": "call_1", "content": "sun", "is_error": True}
    history: Any = [*HELLO, streamed.to_param(), {"role": "user", "content": [result]}]
    await client.messages.create(**asked, messages=history)
    sent = vendor.calls[-1].body
    assert sent["thinking"]["budget_tokens"] == 2048
    assert sent["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "Hm", "signature": "c2Vh"},
        {"type": "redacted_thinking", "data": "ZGFyaw=="},
        {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Rom"}},
    ]
    assert sent["messages"][2]["content"][0]["is_error"] is True


async def test_thoughts_without_a_seal_are_shown_and_not_sent_back_to_claude(
    client: anthropic.AsyncAnthropic, vendor: Upstream
) -> None:
    vendor.script([Answer((Reasoning("Hm"), Reasoning("m."), "Yes.")), Answer()])
    message = await client.messages.create(model="deepseek/chat", max_tokens=64, messages=HELLO)
    first = message.content[0]
    assert first.type == "thinking"
    assert (first.thinking, first.signature) == ("Hmm.", "")
    history: Any = [*HELLO, message.to_param(), *HELLO]
    await client.messages.create(model=CLAUDE, max_tokens=64, messages=history)
    assert "Hmm." not in json.dumps(vendor.calls[-1].body)


async def test_pictures_and_documents_reach_the_vendor(client: anthropic.AsyncAnthropic, vendor: Upstream) -> None:
    paper = {"type": "base64", "media_type": "application/pdf", "data": encoded(PAPER)}
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": encoded(PNG)}}
    plain = {"type": "text", "media_type": "text/plain", "data": "Plain words."}
    content: Any = [
        picture,
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {"type": "document", "source": paper, "title": "Paper"},
        {"type": "document", "source": plain, "title": "Note"},
        {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "Block."}, picture]}},
        {
            "type": "search_result",
            "source": "https://example.com/x",
            "title": "Found",
            "content": [{"type": "text", "text": "Something."}],
        },
        {"type": "text", "text": "What is it?"},
    ]
    await client.messages.create(model=CLAUDE, max_tokens=64, messages=[{"role": "user", "content": content}])
    sent = vendor.calls[-1].body["messages"][0]["content"]
    assert sent[0]["source"]["data"] == encoded(PNG)
    assert sent[1]["source"] == {"type": "url", "url": "https://example.com/a.png"}
    assert (sent[2]["source"]["data"], sent[2]["title"]) == (encoded(PAPER), "Paper")
    assert sent[3]["text"] == "Note\n\nPlain words.Block."
    assert sent[4]["source"]["data"] == encoded(PNG)
    assert sent[5]["text"] == "Found\nhttps://example.com/x\n\nSomething.\n\nWhat is it?"


async def test_what_is_asked_of_the_answer_reaches_the_vendor(
    client: anthropic.AsyncAnthropic, vendor: Upstream
) -> None:
    asked: Any = {
        "model": CLAUDE,
        "max_tokens": 77,
        "system": [
            {"type": "text", "text": "Be brief."},
            {"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        ],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": "More."},
        ],
        "stop_sequences": ["END"],
        "tools": [{**WEATHER, "strict": True, "cache_control": {"type": "ephemeral"}}],
        "tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        "metadata": {"user_id": "me"},
        "extra_body": {"temperature": 0.5, "context_management": {"edits": []}, "mcp_servers": []},
    }
    await client.messages.create(**asked)
    sent = vendor.calls[-1].body
    assert (sent["max_tokens"], sent["stop_sequences"], sent["temperature"]) == (77, ["END"], 0.5)
    marked = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    assert sent["system"] == [{"type": "text", "text": "Be brief.\n\nBe kind.", **marked}]
    marked = {"cache_control": {"type": "ephemeral"}}
    assert sent["messages"][0]["content"] == [{"type": "text", "text": "Hi", **marked}]
    assert sent["tools"] == [{**WEATHER, "strict": True, **marked}]
    assert sent["tool_choice"] == {"type": "tool", "name": "weather", "disable_parallel_tool_use": True}
    assert sent["output_config"]["format"] == {"type": "json_schema", "schema": {"type": "object"}}
    await client.messages.create(model=CLAUDE, max_tokens=77, messages=HELLO, cache_control={"type": "ephemeral"})
    assert vendor.calls[-1].body["messages"][-1]["content"] == [{"type": "text", "text": "Hello", **marked}]


async def test_a_cut_answer_is_an_error_and_never_looks_whole(
    client: anthropic.AsyncAnthropic, patient: Service, vendor: Upstream
) -> None:
    vendor.script(Answer(("Hel", "lo"), fault=Cut(1)))
    stream = await raw(patient)
    last = stream.events[-1]
    assert (last.name, last.json["type"], last.json["error"]["type"]) == ("error", "error", "api_error")
    assert last.json["request_id"]
    assert not stream.named("message_stop")
    with pytest.raises(anthropic.APIStatusError):
        async with client.messages.stream(model=CLAUDE, max_tokens=64, messages=HELLO) as helper:
            await helper.get_final_message()


async def test_the_clients_own_errors_are_raised(client: anthropic.AsyncAnthropic, vendor: Upstream) -> None:
    asked: Any = {"model": CLAUDE, "max_tokens": 64, "messages": HELLO}
    with pytest.raises(anthropic.NotFoundError) as unknown:
        await client.messages.create(**{**asked, "model": "nothing"})
    body: Any = unknown.value.body
    assert body["error"] == {"type": "not_found_error", "message": "model: nothing"}
    assert body["request_id"] == unknown.value.request_id is not None
    with pytest.raises(anthropic.AuthenticationError):
        await client.with_options(api_key="sk-wrong").messages.create(**asked)
    vendor.script(Refuse(400, "context_length"))
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long"):
        await client.messages.create(**asked, stream=True)
    vendor.script(Refuse(529, "overloaded"))
    with pytest.raises(anthropic.APIStatusError) as away:
        await client.messages.create(**asked, stream=True)
    assert (away.value.status_code, int(away.value.response.headers["retry-after"])) == (529, 10)


async def test_too_many_at_once_are_refused_for_a_moment(
    client: anthropic.AsyncAnthropic, patient: Service, vendor: Upstream
) -> None:
    vendor.script(Answer(hold=True))
    asked: Any = {"model": CLAUDE, "max_tokens": 64, "messages": HELLO}
    most = patient.backend.house.settings.max_concurrent_generations_per_user or 0
    running = [asyncio.create_task(client.messages.create(**asked)) for _ in range(most)]
    await vendor.requested(most)
    with pytest.raises(anthropic.RateLimitError) as busy:
        await client.messages.create(**asked)
    body: Any = busy.value.body
    for each in running:
        each.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    assert body["error"]["type"] == "rate_limit_error"
    assert int(busy.value.response.headers["retry-after"]) in range(1, 11)
    await vendor.wait_for(lambda: all(call.ended for call in vendor.calls))


def turn(*content: Any, role: str = "user") -> dict[str, Any]:
    return {"messages": [{"role": role, "content": list(content)}]}


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no messages": ({"messages": []}, "messages"),
    "a number": ({"messages": 7}, "messages"),
    "an unknown role": ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0]"),
    "no content": ({"messages": [{"role": "user"}]}, "messages[0].content"),
    "an empty list": ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
    "NUL": ({"messages": [{"role": "user", "content": "a\x00b"}]}, "messages[0].content"),
    "an unknown block": (turn({"type": "text", "text": "x"}, {"type": "audio"}), "messages[0].content[1]"),
    "a block of the other side": (turn({"type": "image"}, role="assistant"), "messages[0].content[0]"),
    "a server's tool": (turn({"type": "server_tool_use"}, role="assistant"), "messages[0].content[0]"),
    "a mark for a day": (
        turn({"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "24h"}}),
        "messages[0].content[0].cache_control.ttl",
    ),
    "no base64": (
        turn({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "###"}}),
        "messages[0].content[0].source.data",
    ),
    "a file's address": (
        turn({"type": "image", "source": {"type": "url", "url": "file:///etc/passwd"}}),
        "messages[0].content[0].source.url",
    ),
    "a document's address": (
        turn({"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}}),
        "messages[0].content[0].source.type",
    ),
    "citations": (
        turn({"type": "document", "source": {"type": "text", "data": "x"}, "citations": {"enabled": True}}),
        "messages[0].content[0].citations.enabled",
    ),
    "no bound": ({"max_tokens": None}, "max_tokens"),
    "no room": ({"max_tokens": 0}, "max_tokens"),
    "a hot head": ({"temperature": 1.5}, "temperature"),
    "a tool of Anthropic's": (
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        "tools[0].type",
    ),
    "a tool without a schema": ({"tools": [{"name": "x"}]}, "tools[0].input_schema"),
    "no budget": ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
    "servers": ({"mcp_servers": [{"type": "url", "url": "https://x.test", "name": "x"}]}, "mcp_servers"),
    "a container": ({"container": "c_1"}, "container"),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_input_is_refused_in_anthropics_words(patient: Service, vendor: Upstream, name: str) -> None:
    given, field = BAD[name]
    answer = await patient.alice.http.post(
        "/v1/messages", json={"model": CLAUDE, "max_tokens": 64, "messages": HELLO, **given}
    )
    assert answer.status_code == 400, answer.text
    body = answer.json()
    assert (set(body), set(body["error"])) == ({"type", "error", "request_id"}, {"type", "message"})
    assert (body["type"], body["error"]["type"]) == ("error", "invalid_request_error")
    assert field in body["error"]["message"]
    assert not vendor.calls


async def test_what_a_vendor_cannot_do_is_named_in_anthropics_words(
    client: anthropic.AsyncAnthropic, vendor: Upstream
) -> None:
    asked: Any = {"max_tokens": 64, "messages": HELLO, "tools": [WEATHER]}
    with pytest.raises(anthropic.BadRequestError, match="tool_choice"):
        await client.messages.create(model="ollama/llama", tool_choice={"type": "any"}, **asked)
    one: Any = {"type": "auto", "disable_parallel_tool_use": True}
    with pytest.raises(anthropic.BadRequestError, match=r"tool_choice\.disable_parallel_tool_use"):
        await client.messages.create(model="ollama/llama", tool_choice=one, **asked)
    assert not vendor.calls


async def test_a_silent_stream_pings_but_never_before_the_message(hasty: Service, vendor: Upstream) -> None:
    vendor.script(Answer(("Hel", "lo"), first_delay=0.25, fault=Stall(1)))
    stream = await raw(hasty)
    names = [event.name for event in stream.events]
    assert names[:2] == ["message_start", "ping"]
    assert (names.count("message_start"), names[-1]) == (1, "error")
    assert "ping" in names[names.index("content_block_start") :]


@pytest.mark.parametrize("stream", [True, False])
async def test_who_leaves_ends_the_answer(patient: Service, vendor: Upstream, stream: bool) -> None:
    vendor.script(Answer(("Hel", "lo"), hold=True))
    given = {"model": CLAUDE, "max_tokens": 64, "messages": HELLO, "stream": stream}
    request = asyncio.create_task(patient.alice.http.post("/v1/messages", json=given))
    await vendor.release()
    request.cancel()
    ended = await vendor.ended(within=10)
    assert (ended.ended, ended.sent_chunks) == ("aborted", 1)


async def test_a_call_may_join_a_conversation(
    client: anthropic.AsyncAnthropic, patient: Service, vendor: Upstream
) -> None:
    vendor.script([Answer(("First.",)), Answer(("Second.",))])
    asked: Any = {"model": CLAUDE, "max_tokens": 64}
    first = await client.messages.with_raw_response.create(
        **asked, messages=HELLO, extra_headers={"X-Conversation-ID": "new"}
    )
    conversation = first.headers["x-conversation-id"]
    marked: Any = [{"type": "text", "text": "And then?", "cache_control": {"type": "ephemeral"}}]
    async with client.messages.stream(
        **asked, messages=[{"role": "user", "content": marked}], extra_headers={"X-Conversation-ID": conversation}
    ) as stream:
        assert await stream.get_final_text() == "Second."
    messages = await patient.alice.messages(conversation)
    assert [each["content"] for each in messages] == ["Hello", "First.", "And then?", "Second."]


async def test_the_vendor_counts_the_tokens_of_a_prompt_where_it_can(
    client: anthropic.AsyncAnthropic, vendor: Upstream
) -> None:
    asked: Any = {"messages": HELLO, "system": "Be brief.", "tools": [WEATHER]}
    counted = await client.messages.count_tokens(model=CLAUDE, **asked)
    (request,) = vendor.requests
    assert (request.path.rpartition("/")[2], request.call, request.body["system"]) == (
        "count_tokens",
        False,
        "Be brief.",
    )
    assert counted.input_tokens > 0
    estimated = await client.messages.count_tokens(model="openai/gpt", **asked)
    assert 20 < estimated.input_tokens < 80
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": encoded(PNG)}}
    shown: Any = [{"role": "user", "content": [picture, {"type": "text", "text": "What is it?"}]}]
    assert (await client.messages.count_tokens(model="openai/gpt-4o", messages=shown)).input_tokens > 1000
    assert not vendor.calls
    with pytest.raises(anthropic.NotFoundError):
        await client.messages.count_tokens(model="nothing", messages=HELLO)
    with pytest.raises(anthropic.BadRequestError):
        await client.messages.count_tokens(model=CLAUDE, messages=[])


async def test_a_prompt_is_estimated_while_its_vendor_is_away(
    every_vendor: Upstream, sqlite_template: Path, tmp_path: Path
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    async with serving(every_vendor, sqlite_template, tmp_path, anthropic_base_url=nobody) as service:
        given = {"model": CLAUDE, "messages": HELLO}
        answer = await service.alice.http.post("/v1/messages/count_tokens", json=given)
    assert answer.status_code == 200, answer.text
    assert 1 < answer.json()["input_tokens"] < 10
