"""Claims about the loopback vendor's Responses dialect: its sound answers satisfy the vendor's own SDK."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI
from openai.types.responses import Response, ResponseStreamEvent

from tests.backend import PLAIN
from tests.upstream import (
    Answer,
    Cut,
    Filler,
    Frame,
    InBandError,
    Reasoning,
    Refusal,
    Refuse,
    ToolArguments,
    ToolCall,
    Upstream,
    Usage,
    Wire,
    named,
)
from tests.upstream.dialects.response_items import SEAL

PATH = "/v1/responses"
ABC = ("a", "b", "c")
ASK: dict[str, Any] = {"model": "m", "input": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
async def sdk(upstream: Upstream) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=upstream.url + "/v1", api_key="sk-test", max_retries=0, timeout=5) as sdk:
        yield sdk


@pytest.fixture
async def client(upstream: Upstream) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=upstream.url, timeout=5, trust_env=False, verify=PLAIN) as client:
        yield client


async def streamed(sdk: AsyncOpenAI, **ask: Any) -> Response:
    """The response that the SDK's own helper makes of a stream, which is to be the one that its last event tells."""
    async with sdk.responses.stream(**ASK | ask) as stream:
        last = [event async for event in stream][-1]
    assert last.type in ("response.completed", "response.incomplete")
    response: Response = last.response
    return response


async def whole(sdk: AsyncOpenAI, **ask: Any) -> Response:
    response: Response = await sdk.responses.create(**ASK | ask)
    return response


async def events(sdk: AsyncOpenAI, **ask: Any) -> list[ResponseStreamEvent]:
    """Each as the SDK's types want it, checked against them."""
    seen = [event async for event in await sdk.responses.create(**ASK | ask, stream=True)]
    for event in seen:
        type(event).model_validate(event.model_dump(by_alias=True))
    return seen


async def body(client: httpx.AsyncClient, **ask: Any) -> bytes:
    return (await client.post(PATH, json=ASK | {"stream": True} | ask)).content


@pytest.mark.parametrize("read", [streamed, whole])
async def test_the_sdk_reads_an_answer(upstream: Upstream, sdk: AsyncOpenAI, read: Any) -> None:
    upstream.script(Answer(("Hel", "lo ", "wörld 🌍\n"), usage=Usage(100, 12, cached=60, reasoning=2, written=30)))

    response = await read(sdk, model="gpt", instructions="Be brief.")

    assert (response.model, response.status, response.instructions) == ("gpt", "completed", "Be brief.")
    assert response.output_text == "Hello wörld 🌍\n"
    usage = response.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (100, 12, 112)
    assert (usage.input_tokens_details.cached_tokens, usage.input_tokens_details.cache_write_tokens) == (60, 30)
    assert usage.output_tokens_details.reasoning_tokens == 2


async def test_a_stream_has_its_events_in_order_and_numbered(upstream: Upstream, sdk: AsyncOpenAI) -> None:
    upstream.script(Answer((Reasoning("Hm."), "a", "b", ToolCall("f"), ToolArguments("{}"))))
    seen = await events(sdk)
    assert [event.type.removeprefix("response.") for event in seen] == [
        *("created", "in_progress"),
        *("output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta"),
        *("reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done"),
        *("output_item.added", "content_part.added", "output_text.delta", "output_text.delta"),
        *("output_text.done", "content_part.done", "output_item.done"),
        *("output_item.added", "function_call_arguments.delta"),
        *("function_call_arguments.done", "output_item.done"),
        "completed",
    ]
    assert [event.sequence_number for event in seen] == list(range(len(seen)))


@pytest.mark.parametrize("read", [streamed, whole])
async def test_thoughts_are_items_with_their_seal(upstream: Upstream, sdk: AsyncOpenAI, read: Any) -> None:
    thoughts = (Reasoning("Let "), Reasoning("me."), Reasoning(redacted="gAAA"), Reasoning("See.", signature="c2Vl"))
    upstream.script(Answer((*thoughts, Reasoning("Good.", signature=""), "42")))

    *thought, said = (await read(sdk)).output

    assert [("".join(part.text for part in item.summary), item.encrypted_content) for item in thought] == [
        ("Let me.", SEAL),
        ("", "gAAA"),
        ("See.", "c2Vl"),
        ("Good.", None),
    ]
    assert said.content[0].text == "42"


@pytest.mark.parametrize("read", [streamed, whole])
async def test_tool_calls_reach_the_sdk(upstream: Upstream, sdk: AsyncOpenAI, read: Any) -> None:
    calls = (ToolCall("f", id="c1"), ToolCall("g", id="c2", index=1), ToolArguments('{"a":1}'))
    upstream.script(Answer(("Let me see.", *calls, ToolArguments("{}", index=1)), finish="tool_calls"))

    response = await read(sdk)

    assert (response.status, response.output_text) == ("completed", "Let me see.")
    assert [(item.call_id, item.name, item.arguments) for item in response.output if item.type == "function_call"] == [
        ("c1", "f", '{"a":1}'),
        ("c2", "g", "{}"),
    ]


@pytest.mark.parametrize(
    ("finish", "reason"),
    [("length", "max_output_tokens"), ("content_filter", "content_filter"), ("steered", "steered")],
)
@pytest.mark.parametrize("read", [streamed, whole])
async def test_other_ends_are_in_the_vendors_words(
    upstream: Upstream, sdk: AsyncOpenAI, read: Any, finish: str, reason: str
) -> None:
    upstream.script(Answer(ABC, finish=finish))
    response = await read(sdk)
    assert (response.status, response.incomplete_details.reason) == ("incomplete", reason)


@pytest.mark.parametrize("read", [streamed, whole])
async def test_a_model_may_decline(upstream: Upstream, sdk: AsyncOpenAI, read: Any) -> None:
    upstream.script(Answer((Refusal("I can"), Refusal("not."))))
    response = await read(sdk)
    assert [part.refusal for item in response.output for part in item.content] == ["I cannot."]


async def test_the_default_is_an_echo_of_the_last_user_message(sdk: AsyncOpenAI) -> None:
    image = {"type": "input_image", "image_url": "https://example.com/", "detail": "auto"}
    told = [
        {"role": "user", "content": "no"},
        {"role": "user", "content": [{"type": "input_text", "text": "yes"}, image]},
        {"role": "assistant", "content": "no"},
        {"type": "function_call_output", "call_id": "c1", "output": "no"},
    ]
    assert (await streamed(sdk, input=told)).output_text == "You said: yes"
    assert (await streamed(sdk, input="two  words")).output_text == "You said: two  words"


async def test_the_length_of_an_event_is_hidden_unless_it_may_be_seen(client: httpx.AsyncClient) -> None:
    assert b'"obfuscation":"' in await body(client)
    assert b"obfuscation" not in await body(client, stream_options={"include_obfuscation": False})


@pytest.mark.parametrize(
    ("refuse", "kind"),
    [
        (Refuse(400), openai.BadRequestError),
        (Refuse(400, "context_length"), openai.BadRequestError),
        (Refuse(401), openai.AuthenticationError),
        (Refuse(404), openai.NotFoundError),
        (Refuse(429, headers={"Retry-After": "7"}), openai.RateLimitError),
        (Refuse(500), openai.InternalServerError),
    ],
    ids=str,
)
async def test_refusals_have_the_vendors_shape(
    upstream: Upstream, sdk: AsyncOpenAI, refuse: Refuse, kind: type[openai.APIStatusError]
) -> None:
    upstream.script(refuse)
    with pytest.raises(kind) as refused:
        await streamed(sdk)
    assert refused.value.type is not None
    assert refused.value.request_id == "req_1"


async def test_an_error_in_the_stream(upstream: Upstream, sdk: AsyncOpenAI) -> None:
    upstream.script(Answer(ABC, fault=InBandError(2, "overloaded")))
    last = (await events(sdk))[-1]
    assert last.type == "error"
    assert (last.code, last.message) == ("server_is_overloaded", "The engine is overloaded.")
    assert (upstream.calls[0].sent_chunks, upstream.calls[0].ended) == (2, "fault")


async def test_the_end_can_be_left_out(upstream: Upstream, client: httpx.AsyncClient) -> None:
    upstream.script(Answer(ABC, finish=None, usage=None, done=False))
    assert b"response.output_item.done" in (stream := await body(client))
    assert b"response.completed" not in stream
    upstream.script(Answer(ABC, fault=Cut(2)))
    cut = await body(client)
    assert b'"delta":"b"' in cut
    assert b".done" not in cut


@pytest.mark.parametrize(
    "wire",
    [
        Wire(packets=1),
        Wire(packets="burst"),
        Wire(newline=b"\r\n", packets=7),
        Wire(space=False),
        Wire(comments=True),
        Wire(transfer="close"),
        Wire(gzip=True),
    ],
    ids=str,
)
async def test_the_sdk_reads_every_spelling(upstream: Upstream, sdk: AsyncOpenAI, wire: Wire) -> None:
    upstream.script(Answer(("Hé", "llo ", "🌍"), wire=wire))
    assert (await streamed(sdk)).output_text == "Héllo 🌍"
    assert (await whole(sdk)).output_text == "Héllo 🌍"


async def test_texts_may_be_raw_json_garbage_or_huge(upstream: Upstream, client: httpx.AsyncClient) -> None:
    upstream.script(Answer((rb"\ud83d", Frame(b"\x00garbage\n\n"), b"\xff", Filler(100_000))))
    stream = await body(client)
    assert rb'"delta":"\ud83d"' in stream
    assert b"}\n\n\x00garbage\n\nevent: response.output_text.delta\n" in stream
    assert b'"delta":"\xff"' in stream
    assert b'"delta":"' + b"a" * 100_000 + b'"' in stream


async def test_an_answer_on_hold_goes_chunk_by_chunk(upstream: Upstream, sdk: AsyncOpenAI) -> None:
    upstream.script(Answer(("a", "b"), hold=True))
    async with await sdk.responses.create(**ASK, stream=True) as stream:
        await upstream.release()
        seen = [await anext(stream) for _ in range(5)]
        assert seen[-1].type == "response.output_text.delta"
        await upstream.finish()
        assert [event async for event in stream][-1].type == "response.completed"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", sorted({*named.PLAIN} - {"stall", "endless-headers"}))
async def test_every_plain_name_gets_an_end(
    upstream: Upstream, client: httpx.AsyncClient, name: str, stream: bool
) -> None:
    try:
        response = await client.post(PATH, json=ASK | {"model": name, "stream": stream})
    except httpx.TransportError:
        assert name.startswith("drop")
    else:
        if not stream and response.headers["content-type"] == "application/json":
            json.loads(response.content)
    assert (await upstream.ended()).ended in ("complete", "fault")
