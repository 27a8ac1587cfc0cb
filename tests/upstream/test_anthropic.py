"""Claims about the loopback vendor's Anthropic dialect: its sound answers satisfy the vendor's own SDK."""

import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import httpx
import pytest
from anthropic import AsyncAnthropic
from anthropic.types import Message, RawMessageStreamEvent

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
from tests.upstream.dialects.anthropic import SIGNATURE

PATH = "/v1/messages"
ABC = ("a", "b", "c")
ASK: dict[str, Any] = {"model": "m", "max_tokens": 64, "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
async def sdk(upstream: Upstream) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(base_url=upstream.url, api_key="sk-test", max_retries=0, timeout=5) as sdk:
        yield sdk


@pytest.fixture
async def client(upstream: Upstream) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=upstream.url, timeout=5, trust_env=False, verify=PLAIN) as client:
        yield client


async def streamed(sdk: AsyncAnthropic, **ask: Any) -> Message:
    """The message that the SDK's own helper makes of a stream."""
    async with sdk.messages.stream(**ASK | ask) as stream:
        message: Message = await stream.get_final_message()
    return message


async def events(sdk: AsyncAnthropic, **ask: Any) -> list[RawMessageStreamEvent]:
    return [event async for event in await sdk.messages.create(**ASK | ask, stream=True)]


async def whole(sdk: AsyncAnthropic, **ask: Any) -> Message:
    message: Message = await sdk.messages.create(**ASK | ask)
    return message


async def body(client: httpx.AsyncClient, **ask: Any) -> bytes:
    return (await client.post(PATH, json=ASK | {"stream": True} | ask)).content


def said(message: Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


@pytest.mark.parametrize("read", [streamed, whole])
async def test_the_sdk_reads_an_answer(upstream: Upstream, sdk: AsyncAnthropic, read: Any) -> None:
    upstream.script(Answer(("Hel", "lo ", "wörld 🌍\n"), usage=Usage(100, 12, cached=60, reasoning=2, written=30)))

    message = await read(sdk, model="claude")

    assert (message.model, message.role, message.stop_reason) == ("claude", "assistant", "end_turn")
    assert said(message) == "Hello wörld 🌍\n"
    usage = message.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (10, 60, 30)
    assert usage.output_tokens == 12
    assert usage.output_tokens_details is not None
    assert usage.output_tokens_details.thinking_tokens == 2


async def test_a_stream_has_its_events_in_order(upstream: Upstream, sdk: AsyncAnthropic) -> None:
    upstream.script(Answer((Reasoning("Hm."), "a", "b")))
    assert [event.type for event in await events(sdk)] == [
        "message_start",
        *("content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"),
        *("content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"),
        "message_delta",
        "message_stop",
    ]


@pytest.mark.parametrize("read", [streamed, whole])
async def test_thoughts_are_blocks_with_their_seal(upstream: Upstream, sdk: AsyncAnthropic, read: Any) -> None:
    thoughts = (Reasoning("Let "), Reasoning("me."), Reasoning(redacted="gAAA"), Reasoning("See.", signature="c2Vl"))
    upstream.script(Answer((*thoughts, Reasoning("Good.", signature=""), "42")))

    message = await read(sdk)

    assert [block.to_dict() for block in message.content] == [
        {"type": "thinking", "thinking": "Let me.", "signature": SIGNATURE},
        {"type": "redacted_thinking", "data": "gAAA"},
        {"type": "thinking", "thinking": "See.", "signature": "c2Vl"},
        {"type": "thinking", "thinking": "Good.", "signature": ""},
        {"type": "text", "text": "42"},
    ]


@pytest.mark.parametrize("read", [streamed, whole])
async def test_tool_calls_reach_the_sdk(upstream: Upstream, sdk: AsyncAnthropic, read: Any) -> None:
    calls = (ToolCall("f", id="c1"), ToolArguments('{"a"'), ToolArguments(":1}"), ToolCall("g", id="c2", index=1))
    upstream.script(Answer(("Let me see.", *calls), finish="tool_calls"))

    message = await read(sdk)

    assert message.stop_reason == "tool_use"
    assert [(b.id, b.name, b.input) for b in message.content if b.type == "tool_use"] == [
        ("c1", "f", {"a": 1}),
        ("c2", "g", {}),
    ]


@pytest.mark.parametrize(
    ("finish", "reason"), [("length", "max_tokens"), ("content_filter", "refusal"), ("pause_turn", "pause_turn")]
)
@pytest.mark.parametrize("read", [streamed, whole])
async def test_finish_reasons_are_in_the_vendors_words(
    upstream: Upstream, sdk: AsyncAnthropic, read: Any, finish: str, reason: str
) -> None:
    upstream.script(Answer(ABC, finish=finish))
    assert (await read(sdk)).stop_reason == reason


@pytest.mark.parametrize("read", [streamed, whole])
async def test_a_model_may_decline(upstream: Upstream, sdk: AsyncAnthropic, read: Any) -> None:
    upstream.script(Answer((Refusal("I can"), Refusal("not."))))
    message = await read(sdk)
    assert (message.stop_reason, message.content) == ("refusal", [])
    assert message.stop_details.explanation == "I cannot."


async def test_the_default_is_an_echo_of_the_last_user_message(sdk: AsyncAnthropic) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}
    messages = [
        {"role": "user", "content": "no"},
        {"role": "assistant", "content": "no"},
        {"role": "user", "content": [{"type": "text", "text": "yes"}, image]},
    ]
    assert said(await streamed(sdk, messages=messages)) == "You said: yes"


async def test_it_lists_models_below_its_prefix(upstream: Upstream) -> None:
    upstream.models = ("one", "two")
    async with AsyncAnthropic(base_url=f"{upstream.url}/anthropic", api_key="k", max_retries=0) as sdk:
        assert [model.id async for model in sdk.models.list()] == ["one", "two"]
        assert said(await streamed(sdk)) == "You said: Hi"


@pytest.mark.parametrize(
    ("refuse", "kind"),
    [
        (Refuse(400), anthropic.BadRequestError),
        (Refuse(400, "context_length"), anthropic.BadRequestError),
        (Refuse(401), anthropic.AuthenticationError),
        (Refuse(402), anthropic.PaymentRequiredError),
        (Refuse(404), anthropic.NotFoundError),
        (Refuse(429, headers={"Retry-After": "7"}), anthropic.RateLimitError),
        (Refuse(500), anthropic.InternalServerError),
        (Refuse(529), anthropic.OverloadedError),
    ],
    ids=str,
)
async def test_refusals_have_the_vendors_shape(
    upstream: Upstream, sdk: AsyncAnthropic, refuse: Refuse, kind: type[anthropic.APIStatusError]
) -> None:
    upstream.script(refuse)
    with pytest.raises(kind) as refused:
        await streamed(sdk)
    assert refused.value.type is not None
    assert refused.value.request_id == "req_1"
    assert refused.value.response.headers.get("retry-after") == refuse.headers.get("Retry-After")


async def test_an_error_in_the_stream(upstream: Upstream, sdk: AsyncAnthropic) -> None:
    upstream.script(Answer(ABC, fault=InBandError(2, "overloaded")))
    with pytest.raises(anthropic.APIStatusError) as broken:
        await events(sdk)
    assert broken.value.type == "overloaded_error"
    assert (upstream.calls[0].sent_chunks, upstream.calls[0].ended) == (2, "fault")


async def test_markers_can_be_left_out(upstream: Upstream, client: httpx.AsyncClient) -> None:
    upstream.script(Answer(ABC, finish=None, usage=None, done=False))
    assert (await body(client)).endswith(
        b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
    )
    upstream.script(Answer(ABC, finish=None))
    assert b'"stop_reason":null,"stop_sequence":null},"usage":' in await body(client)
    upstream.script(Answer(ABC, fault=Cut(2)))
    cut = await body(client)
    assert b'"text":"b"' in cut
    assert b"_stop" not in cut


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
async def test_the_sdk_reads_every_spelling(upstream: Upstream, sdk: AsyncAnthropic, wire: Wire) -> None:
    upstream.script(Answer(("Hé", "llo ", "🌍"), wire=wire))
    assert said(await streamed(sdk)) == "Héllo 🌍"
    assert said(await whole(sdk)) == "Héllo 🌍"


async def test_texts_may_be_raw_json_garbage_or_huge(upstream: Upstream, client: httpx.AsyncClient) -> None:
    upstream.script(Answer((rb"\ud83d", Frame(b"\x00garbage\n\n"), b"\xff", Filler(100_000))))
    stream = await body(client)
    assert rb'"text":"\ud83d"}' in stream
    assert b"}\n\n\x00garbage\n\nevent: content_block_delta\n" in stream
    assert b'"text":"\xff"}' in stream
    assert b'"text":"' + b"a" * 100_000 + b'"}' in stream


async def test_an_answer_on_hold_goes_chunk_by_chunk(upstream: Upstream, sdk: AsyncAnthropic) -> None:
    upstream.script(Answer((Reasoning("x"), "a", "b"), hold=True))
    async with await sdk.messages.create(**ASK, stream=True) as stream:
        await upstream.release(2)
        seen = [await anext(stream) for _ in range(7)]
        assert (seen[-1].type, seen[-1].delta.type) == ("content_block_delta", "text_delta")
        await upstream.finish()
        assert [event async for event in stream][-1].type == "message_stop"


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
