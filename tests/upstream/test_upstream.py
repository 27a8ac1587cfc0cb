"""Claims about the loopback vendor: sound answers satisfy the vendor's own SDK, and each fault does what it says."""

import asyncio
import gzip
import json
import re
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import APIError, APIStatusError, AsyncOpenAI, AsyncStream
from openai.types.chat import ChatCompletionChunk

from tests.backend import PLAIN
from tests.upstream import (
    Answer,
    Cut,
    Drop,
    Echo,
    EndlessHeaders,
    Filler,
    Frame,
    InBandError,
    Page,
    Reasoning,
    Refusal,
    Refuse,
    Reset,
    Silence,
    Stall,
    ToolArguments,
    ToolCall,
    Upstream,
    Usage,
    Wire,
    named,
)

PATH = "/v1/chat/completions"
ABC = ("a", "b", "c")


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture
async def client(upstream: Upstream) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=upstream.url, timeout=5, trust_env=False, verify=PLAIN) as client:
        yield client


@pytest.fixture
async def sdk(upstream: Upstream) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=upstream.url + "/v1", api_key="sk-test", max_retries=0, timeout=5) as sdk:
        yield sdk


def asking(
    message: str = "Hi", *, model: str = "m", stream: bool = True, usage: bool = False, obfuscated: bool = True
) -> dict[str, Any]:
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": message}], "stream": stream}
    options = {"include_usage": True} if usage else {}
    if not obfuscated:
        options["include_obfuscation"] = False
    return body | {"stream_options": options} if options else body


async def read(client: httpx.AsyncClient, **asked: Any) -> tuple[bytes, Exception | None]:
    """What was read of an answer's body, and what stopped the reading."""
    body = bytearray()
    try:
        async with client.stream("POST", PATH, json=asking(**asked)) as response:
            async for part in response.aiter_bytes():
                body += part
    except httpx.TransportError as error:
        return bytes(body), error
    return bytes(body), None


def texts(body: bytes) -> list[str]:
    """The text chunks of a stream, by a parser that knows only the plainest spelling."""
    events = [json.loads(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: {")]
    return [c["delta"]["content"] for e in events for c in e.get("choices", ()) if c["delta"].get("content")]


async def streamed(sdk: AsyncOpenAI, message: str = "Hi", model: str = "m") -> list[ChatCompletionChunk]:
    stream: AsyncStream[ChatCompletionChunk] = await sdk.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": message}],
        stream=True,
        stream_options={"include_usage": True},
    )
    return [chunk async for chunk in stream]


def joined(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


# Sound answers


async def test_the_sdk_reads_a_stream(upstream: Upstream, sdk: AsyncOpenAI) -> None:
    upstream.script(Answer(("Hel", "lo ", "wörld 🌍\n")))

    chunks = await streamed(sdk)

    assert joined(chunks) == "Hello wörld 🌍\n"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.total_tokens) == (9, 12)
    assert len({chunk.id for chunk in chunks}) == 1


async def test_the_sdk_reads_a_whole_answer(upstream: Upstream, sdk: AsyncOpenAI) -> None:
    upstream.script(Answer(("Hel", 'lo "you"'), finish="length", usage=Usage(100, 5, cached=60, reasoning=2)))

    answer = await sdk.chat.completions.create(model="gpt", messages=[{"role": "user", "content": "Hi"}])

    assert answer.model == "gpt"
    assert answer.choices[0].message.content == 'Hello "you"'
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.cached_tokens == 60


@pytest.mark.parametrize("stream", [True, False])
async def test_tool_calls_and_thinking_reach_the_sdk(upstream: Upstream, sdk: AsyncOpenAI, stream: bool) -> None:
    thinking = Reasoning("Hm.")
    calls = (ToolCall("f", id="c1"), ToolArguments('{"a"'), ToolArguments(":1}"), ToolCall("g", "{}", "c2", index=1))
    upstream.script(Answer((thinking, *calls), finish="tool_calls"))
    ask: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    message: Any  # of two types, alike in what is looked at

    if stream:
        async with sdk.chat.completions.stream(**ask) as events:
            message = (await events.get_final_completion()).choices[0].message
    else:
        message = (await sdk.chat.completions.create(**ask)).choices[0].message

    assert [(c.id, c.function.name, c.function.arguments) for c in message.tool_calls or ()] == [
        ("c1", "f", '{"a":1}'),
        ("c2", "g", "{}"),
    ]
    assert not message.content
    assert message.model_dump()["reasoning_content"] == "Hm."


@pytest.mark.parametrize("stream", [True, False])
async def test_the_default_is_an_echo(client: httpx.AsyncClient, sdk: AsyncOpenAI, stream: bool) -> None:
    if stream:
        chunks = await streamed(sdk, "two  words\n")
        assert joined(chunks) == "You said: two  words\n"
        assert len(chunks) > 5
    else:
        response = await client.post(PATH, json=asking("two  words\n", stream=False))
        assert response.json()["choices"][0]["message"]["content"] == "You said: two  words\n"
        assert int(response.headers["content-length"]) == len(response.content)


async def test_an_echo_reads_text_parts_and_the_last_user_message(client: httpx.AsyncClient) -> None:
    messages = [
        {"role": "user", "content": "no"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "yes"}, {"type": "image_url", "image_url": {"url": "x"}}],
        },
        {"role": "assistant", "content": "no"},
    ]
    response = await client.post(PATH, json={"model": "m", "messages": messages})
    assert response.json()["choices"][0]["message"]["content"] == "You said: yes"


async def test_headers_of_ones_own_replace_the_usual(upstream: Upstream, client: httpx.AsyncClient) -> None:
    upstream.script(Answer(headers={"Content-Type": "text/plain", "X-More": "1"}))
    headers = (await client.post(PATH, json=asking())).headers
    assert (headers.get_list("content-type"), headers["x-more"]) == (["text/plain"], "1")


async def test_usage_comes_only_to_those_who_ask(client: httpx.AsyncClient) -> None:
    without, _ = await read(client)
    with_usage, _ = await read(client, usage=True)
    assert b"usage" not in without
    assert with_usage.count(b'"usage":null') == with_usage.count(b"data: ") - 2
    assert with_usage.count(b'"usage":{') == 1


async def test_the_length_of_a_chunk_is_hidden_unless_it_may_be_seen(client: httpx.AsyncClient) -> None:
    hidden, _ = await read(client, message="a b c d")
    seen, _ = await read(client, message="a b c d", obfuscated=False)
    paddings = re.findall(rb'"obfuscation":"(\w+)"}\n', hidden)
    assert len(paddings) > 3
    assert len(set(map(len, paddings))) > 1
    assert b"obfuscation" not in seen


async def test_markers_can_be_left_out(upstream: Upstream, client: httpx.AsyncClient) -> None:
    upstream.script(Answer(finish=None, usage=None, done=False))
    body, error = await read(client, usage=True, obfuscated=False)
    assert error is None
    assert body.endswith(b'"content":"!"},"finish_reason":null}],"usage":null}\n\n')


@pytest.mark.parametrize("finish", ["length", "content_filter"])
async def test_other_finish_reasons(upstream: Upstream, sdk: AsyncOpenAI, finish: str) -> None:
    upstream.script(Answer(ABC, finish=finish))
    assert (await streamed(sdk))[-2].choices[0].finish_reason == finish


async def test_a_model_may_decline(upstream: Upstream, sdk: AsyncOpenAI) -> None:
    upstream.script(Answer((Refusal("I can"), Refusal("not."))))
    chunks = await streamed(sdk)
    assert [c.choices[0].delta.refusal for c in chunks[1:3]] == ["I can", "not."]
    assert joined(chunks) == ""


async def test_the_sdk_lists_models(upstream: Upstream, sdk: AsyncOpenAI, client: httpx.AsyncClient) -> None:
    upstream.models = ("one", "two")
    assert [model.id async for model in await sdk.models.list()] == ["one", "two"]
    upstream.models = Refuse(503)
    assert (await client.get("/v1/models")).status_code == 503
    assert upstream.calls == []
    assert [r.ended for r in upstream.requests] == ["complete", "fault"]


async def test_a_connection_carries_many_requests(upstream: Upstream, sdk: AsyncOpenAI) -> None:
    for _ in range(3):
        await streamed(sdk)
    assert len(upstream._connections) == 1


# Scripts and records


async def test_scripts_play_in_order_and_the_last_repeats(upstream: Upstream, client: httpx.AsyncClient) -> None:
    upstream.script([Refuse(503), Answer(ABC)])
    assert [(await client.post(PATH, json=asking())).status_code for _ in range(3)] == [503, 200, 200]


async def test_a_script_may_repeat_as_a_whole_or_for_one_model(upstream: Upstream, client: httpx.AsyncClient) -> None:
    upstream.script([Refuse(500), Refuse(401)], model="x", repeating=True)
    statuses = [(await client.post(PATH, json=asking(model=m))).status_code for m in ("x", "y", "x", "x")]
    assert statuses == [500, 200, 401, 500]


async def test_records_tell_what_was_asked_and_what_became_of_it(upstream: Upstream, client: httpx.AsyncClient) -> None:
    upstream.script(Answer(ABC))
    before = time.monotonic()
    await client.post(PATH + "?beta=true", json=asking("Hi", model="m"), headers={"Authorization": "Bearer k"})

    record = await upstream.ended()

    assert (record.method, record.path, record.query, record.model) == ("POST", PATH, "beta=true", "m")
    assert record.headers["authorization"] == "Bearer k"
    assert record.body["messages"] == [{"role": "user", "content": "Hi"}]
    assert (record.sent_chunks, record.ended) == (3, "complete")
    assert record.ended_at is not None
    assert before <= record.received <= record.ended_at <= time.monotonic()


async def test_a_client_that_leaves_is_noticed_at_once(upstream: Upstream, client: httpx.AsyncClient) -> None:
    upstream.script([Silence(), Answer(ABC, hold=True), Answer(ABC, delay=60), Answer(ABC, fault=Stall(1))])
    for n in range(1, 5):
        asked = asyncio.create_task(read(client))
        await upstream.requested(n)
        await asyncio.sleep(0.01)
        asked.cancel()
        left = time.monotonic()
        record = await upstream.ended(n)
        assert record.ended == "aborted"
        assert record.ended_at is not None
        assert record.ended_at - left < 5


async def test_waiting_in_vain_says_what_was_seen(upstream: Upstream, client: httpx.AsyncClient) -> None:
    await read(client, model="some-model")
    with pytest.raises(TimeoutError, match=r"some-model sent=3 complete"):
        await upstream.requested(2, within=0.05)


async def test_the_ledger_is_served_to_other_processes(upstream: Upstream, client: httpx.AsyncClient) -> None:
    await read(client, model="m")
    (record,) = (await client.get("/-/requests")).json()
    assert (record["body"]["model"], record["sent_chunks"], record["ended"]) == ("m", 3, "complete")
    assert len(upstream.requests) == 1
    assert (await client.delete("/-/requests")).json() == []
    assert upstream.requests == []


async def test_an_answer_on_hold_goes_chunk_by_chunk(upstream: Upstream, client: httpx.AsyncClient) -> None:
    upstream.script(Answer(ABC, hold=True))
    asked = asyncio.create_task(read(client))

    await upstream.release()
    assert upstream.calls[0].sent_chunks == 1
    await upstream.release(2)
    await asyncio.sleep(0.02)
    assert not asked.done(), "the ending waits too"
    await upstream.finish()

    body, error = await asked
    assert (texts(body), error) == (["a", "b", "c"], None)
    assert upstream.calls[0].ended == "complete"


async def test_several_answers_on_hold_are_told_apart(upstream: Upstream, client: httpx.AsyncClient) -> None:
    upstream.script(Echo(like=Answer(hold=True)))
    asked = [asyncio.create_task(read(client)) for _ in range(2)]
    first, second = await upstream.requested(1), await upstream.requested(2)
    with pytest.raises(AssertionError, match="request="):
        await upstream.release()
    await upstream.release(request=second)
    assert (first.sent_chunks, second.sent_chunks) == (0, 1)
    await upstream.finish(request=first)
    await upstream.finish()
    await asyncio.gather(*asked)


async def test_releasing_an_answer_that_was_left_fails(upstream: Upstream, client: httpx.AsyncClient) -> None:
    upstream.script(Answer(ABC, hold=True))
    asked = asyncio.create_task(read(client))
    record = await upstream.requested()
    asked.cancel()
    await upstream.ended()
    with pytest.raises(AssertionError, match="aborted after 0 chunks"):
        await upstream.release(request=record)


async def test_delays_keep_to_their_schedule(upstream: Upstream, client: httpx.AsyncClient) -> None:
    upstream.script(Answer(ABC * 10, first_delay=0.1, delay=0.01))
    took: list[float] = []
    while not took or (took[-1] >= 0.6 and len(took) < 10):  # a busy machine may hold up one of them
        start = time.monotonic()
        await read(client)
        took.append(time.monotonic() - start)
    assert min(took) >= 0.39
    assert took[-1] < 0.6


async def test_stopping_ends_what_hangs_and_starting_keeps_the_address(
    upstream: Upstream, client: httpx.AsyncClient
) -> None:
    upstream.script([Silence(), Answer(ABC)])
    asked = asyncio.create_task(read(client))
    await upstream.requested()
    url = upstream.url

    await upstream.stop()

    assert isinstance((await asked)[1], httpx.ReadError | httpx.RemoteProtocolError)
    assert upstream.calls[0].ended == "fault"
    assert isinstance((await read(client))[1], httpx.ConnectError)
    await upstream.start()
    assert upstream.url == url
    assert texts((await read(client))[0]) == ["a", "b", "c"]


# Refusals


@pytest.mark.parametrize(
    ("refuse", "code"),
    [
        (Refuse(400, "context_length"), "context_length_exceeded"),
        (Refuse(401), "invalid_api_key"),
        (Refuse(404), "model_not_found"),
        (Refuse(429, headers={"Retry-After": "7"}), "rate_limit_exceeded"),
        (Refuse(429, "quota"), "insufficient_quota"),
        (Refuse(500), None),
        (Refuse(503), "server_is_overloaded"),
        (Refuse(529, "overloaded"), "server_is_overloaded"),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Refuse) else str(value),
)
async def test_refusals_have_the_vendors_shape(
    upstream: Upstream, sdk: AsyncOpenAI, refuse: Refuse, code: str | None
) -> None:
    upstream.script(refuse)
    with pytest.raises(APIStatusError) as refused:
        await streamed(sdk)
    assert (refused.value.status_code, refused.value.code) == (refuse.status, code)
    assert refuse.headers.get("Retry-After") == refused.value.response.headers.get("retry-after")
    assert len(upstream.calls) == 1
    assert upstream.calls[0].ended == "fault"


async def test_a_message_of_ones_own(upstream: Upstream, client: httpx.AsyncClient) -> None:
    upstream.script(Refuse(500, message="secret sk-123"))
    assert (await client.post(PATH, json=asking())).json()["error"]["message"] == "secret sk-123"


async def test_nonsense_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.post(PATH, content=b"{")).status_code == 400
    assert (await client.post("/v2/nothing", json={})).status_code == 404


async def test_a_page_and_an_error_may_come_with_200(upstream: Upstream, client: httpx.AsyncClient) -> None:
    upstream.script([Page(), Refuse(200)])
    page = await client.post(PATH, json=asking())
    error = await client.post(PATH, json=asking())
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert (error.status_code, list(error.json())) == (200, ["error"])


# Ends before their time


async def test_an_error_in_the_stream(upstream: Upstream, client: httpx.AsyncClient, sdk: AsyncOpenAI) -> None:
    upstream.script(Answer(ABC, fault=InBandError(2, "overloaded")))
    body, error = await read(client)
    assert (texts(body), error) == (["a", "b"], None)
    assert body.rstrip().split(b"\n\n")[-1].startswith(b'data: {"error":{"message":')
    with pytest.raises(APIError, match="overloaded"):
        await streamed(sdk)
    assert [(r.sent_chunks, r.ended) for r in upstream.calls] == [(2, "fault")] * 2


async def test_a_whole_answer_with_an_error_is_that_error(upstream: Upstream, client: httpx.AsyncClient) -> None:
    upstream.script(Answer(ABC, fault=InBandError(2)))
    response = await client.post(PATH, json=asking(stream=False))
    assert (response.status_code, list(response.json())) == (200, ["error"])


async def test_a_clean_cut_has_no_finish_marker(upstream: Upstream, client: httpx.AsyncClient) -> None:
    upstream.script(Answer(ABC, fault=Cut(2)))
    body, error = await read(client)
    assert (texts(body), error) == (["a", "b"], None)
    assert b"stop" not in body
    assert b"DONE" not in body
    assert (await upstream.ended()).ended == "fault"


@pytest.mark.parametrize("stream", [True, False])
async def test_an_unterminated_cut_lacks_the_end_of_http(
    upstream: Upstream, client: httpx.AsyncClient, stream: bool
) -> None:
    upstream.script(Answer(ABC, fault=Cut(2, terminated=False)))
    body, error = await read(client, stream=stream)
    assert isinstance(error, httpx.RemoteProtocolError)
    assert b"a" in body


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("after", [0, 2])
async def test_a_reset_after_what_was_sent(
    upstream: Upstream, client: httpx.AsyncClient, stream: bool, after: int
) -> None:
    upstream.script(Answer(ABC, fault=Reset(after)))
    body, error = await read(client, stream=stream, obfuscated=False)
    assert isinstance(error, httpx.ReadError)
    assert isinstance(_root(error), ConnectionResetError)
    assert body.endswith((b"", b"", b'"b"},"finish_reason":null}]}\n\n' if stream else b'"ab')[after])
    assert (upstream.calls[0].sent_chunks, upstream.calls[0].ended) == (after, "fault")


def _root(error: BaseException) -> BaseException:
    cause = error.__cause__ or error.__context__
    return error if cause is None else _root(cause)


async def test_a_stall_before_and_after_the_first_chunk(upstream: Upstream, client: httpx.AsyncClient) -> None:
    upstream.script([Answer(ABC, fault=Stall(0)), Answer(ABC, fault=Stall(2)), Silence()])
    client.timeout = httpx.Timeout(5, read=1)
    assert [texts((await read(client))[0]) for _ in range(3)] == [[], ["a", "b"], []]
    await upstream.wait_for(lambda: [r.ended for r in upstream.calls] == ["aborted"] * 3)


async def test_silence_has_no_head_and_a_stall_has(upstream: Upstream, client: httpx.AsyncClient) -> None:
    upstream.script([Answer(ABC, fault=Stall(0)), Silence()])
    client.timeout = httpx.Timeout(5, read=1)
    async with client.stream("POST", PATH, json=asking()) as response:
        assert response.status_code == 200
    with pytest.raises(httpx.ReadTimeout):
        await client.post(PATH, json=asking())


@pytest.mark.parametrize(
    ("drop", "expected"), [(Drop(), httpx.RemoteProtocolError), (Drop(reset=True), httpx.ReadError)], ids=str
)
async def test_a_dropped_connection(
    upstream: Upstream, client: httpx.AsyncClient, drop: Drop, expected: type[Exception]
) -> None:
    upstream.script(drop)
    body, error = await read(client)
    assert body == b""
    assert isinstance(error, expected)


# Other bytes for the same words


@pytest.mark.parametrize(
    "wire",
    [
        Wire(packets=1),
        Wire(packets=7),
        Wire(packets="burst"),
        Wire(newline=b"\r\n"),
        Wire(newline=b"\r\n", packets=1),
        Wire(space=False),
        Wire(comments=True),
        Wire(transfer="close"),
        Wire(gzip=True),
        Wire(gzip=True, packets=1),
    ],
    ids=str,
)
async def test_the_sdk_reads_every_spelling(upstream: Upstream, sdk: AsyncOpenAI, wire: Wire) -> None:
    upstream.script(Answer(("Hé", "llo ", "🌍"), wire=wire))
    assert joined(await streamed(sdk)) == "Héllo 🌍"
    assert (await upstream.ended()).ended == "complete"


@pytest.mark.parametrize(
    "wire", [Wire(packets=1), Wire(transfer="close"), Wire(transfer="chunked"), Wire(gzip=True)], ids=str
)
async def test_a_whole_answer_in_every_transfer(upstream: Upstream, client: httpx.AsyncClient, wire: Wire) -> None:
    upstream.script(Answer(ABC, wire=wire))
    response = await client.post(PATH, json=asking(stream=False))
    assert response.json()["choices"][0]["message"]["content"] == "abc"
    assert ("content-length" in response.headers) == (wire == Wire(packets=1))


class Wiretap(asyncio.Protocol):
    """Everything a stream's connection carries, packet by packet."""

    def __init__(self) -> None:
        self.packets: list[bytes] = []
        self.closed = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.packets.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()


async def raw(upstream: Upstream) -> list[bytes]:
    port = int(upstream.url.rpartition(":")[2])
    transport, tap = await asyncio.get_running_loop().create_connection(Wiretap, "127.0.0.1", port)
    body = json.dumps(asking()).encode()
    head = b"POST %b HTTP/1.1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % (PATH.encode(), len(body))
    transport.write(head + body)
    async with asyncio.timeout(5):
        await tap.closed.wait()
    return tap.packets


async def test_spellings_are_what_they_claim(upstream: Upstream) -> None:
    async def sent(wire: Wire) -> bytes:
        upstream.script(Answer(ABC, wire=wire))
        return b"".join(await raw(upstream)).partition(b"\r\n\r\n")[2]

    plain = await sent(Wire(transfer="close"))
    assert plain.startswith(b'data: {"id":"chatcmpl-1",')
    assert plain.endswith(b"}\n\ndata: [DONE]\n\n")
    plain = plain.replace(b"chatcmpl-1", b"chatcmpl-N")

    async def told_apart(wire: Wire) -> bytes:
        return (await sent(wire)).replace(b"chatcmpl-%d" % len(upstream.calls), b"chatcmpl-N")

    assert await told_apart(Wire(transfer="close", newline=b"\r\n")) == plain.replace(b"\n", b"\r\n")
    assert await told_apart(Wire(transfer="close", space=False)) == plain.replace(b"data: ", b"data:")
    assert await told_apart(Wire(transfer="close", bom=True)) == b"\xef\xbb\xbf" + plain
    assert await told_apart(Wire(transfer="close", comments=True)) == plain.replace(b"data:", b": keep-alive\n\ndata:")
    assert await told_apart(Wire(transfer="close", packets=1)) == plain
    assert gzip.decompress(await sent(Wire(transfer="close", gzip=True))).count(b"data: ") == 6


async def test_packets_hold_a_byte_a_frame_or_all(upstream: Upstream) -> None:
    async def body(wire: Wire, delay: float = 0.01) -> list[bytes]:
        upstream.script(Answer(ABC, first_delay=delay, delay=delay, finish=None, done=False, wire=wire))
        return (await raw(upstream))[1:]

    assert set(map(len, await body(Wire(transfer="close", packets=1)))) == {1}
    assert [packet.count(b"data: ") for packet in await body(Wire(transfer="close"), 0.5)] == [2, 1, 1]
    assert len(await body(Wire(transfer="close", packets="burst"))) == 1


async def test_text_may_be_raw_json(upstream: Upstream, client: httpx.AsyncClient) -> None:
    upstream.script(Answer((rb"\ud83d", rb"\ude00", b"\xff")))
    body, _ = await read(client)
    assert rb'"content":"\ud83d"}' in body
    assert b'"content":"\xff"}' in body
    whole, _ = await read(client, stream=False)
    assert b'"content":"\\ud83d\\ude00\xff"' in whole


async def test_garbage_stands_between_sound_frames(upstream: Upstream, client: httpx.AsyncClient) -> None:
    upstream.script(Answer(("a", Frame(b"\x00garbage\n\n"), "b")))
    body, _ = await read(client)
    assert texts(body) == ["a", "b"]
    assert b"}\n\n\x00garbage\n\ndata: {" in body


async def test_a_huge_line_is_as_long_as_it_says(upstream: Upstream, client: httpx.AsyncClient) -> None:
    upstream.script(Answer(("x", Filler(5_000_000), "y")))
    assert list(map(len, texts((await read(client))[0]))) == [1, 5_000_000, 1]


async def test_a_compressed_bomb_is_small_on_the_wire(upstream: Upstream, client: httpx.AsyncClient) -> None:
    upstream.script(Answer((Filler(20_000_000),), wire=Wire(gzip=True)))
    async with client.stream("POST", PATH, json=asking()) as response:
        sizes = [len(part) async for part in response.aiter_bytes()]
        assert sum(sizes) > 20_000_000
        assert response.num_bytes_downloaded < 300_000


async def test_headers_go_on_until_the_client_has_enough(upstream: Upstream, client: httpx.AsyncClient) -> None:
    upstream.script(EndlessHeaders())
    assert isinstance((await read(client))[1], httpx.RemoteProtocolError)
    assert (await upstream.ended()).ended == "aborted"


async def test_a_reader_that_does_not_read_slows_the_vendor_down(upstream: Upstream, client: httpx.AsyncClient) -> None:
    upstream.script(Answer(("x" * 10_000,) * 2000))
    async with client.stream("POST", PATH, json=asking()):
        await asyncio.sleep(0.2)
        assert 0 < upstream.calls[0].sent_chunks < 1500
    assert (await upstream.ended()).ended == "aborted"


# Scenarios by name, and the vendor as a process


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("count-3", ["1 ", "2 ", "3 "]),
        ("vendor/count-2-5ms", ["1 ", "2 "]),
        ("burst-3", ["1 ", "2 ", "3 "]),
        ("cut-after-2", ["1 ", "2 "]),
        ("sever-after-2", ["1 ", "2 "]),
        ("reset-after-2", ["1 ", "2 "]),
        ("error-after-2", ["1 ", "2 "]),
        ("gpt-4o", ["You", " said:", " Hi"]),
        ("status-500", []),
        ("html", []),
        ("refuse", []),
    ],
)
async def test_names_are_scenarios(client: httpx.AsyncClient, model: str, expected: list[str]) -> None:
    body, _ = await read(client, model=model)
    assert [text.rstrip("\n") for text in texts(body)][: len(expected) or None] == expected


def test_the_table_of_names_is_written_down() -> None:
    written = set(re.findall(r"[a-z]+(?:-[a-z]+)*", named.__doc__ or ""))
    assert {*named.PLAIN, *named.NUMBERED} <= written


@pytest.mark.parametrize("name", sorted({*named.PLAIN} - {"stall", "endless-headers"}))
async def test_every_plain_name_gets_an_end(upstream: Upstream, client: httpx.AsyncClient, name: str) -> None:
    await read(client, model=name)
    assert (await upstream.ended()).ended in ("complete", "fault")


async def test_a_flaky_model_fails_every_other_time(client: httpx.AsyncClient) -> None:
    statuses = [(await client.post(PATH, json=asking(model="flaky"))).status_code for _ in range(4)]
    assert statuses == [503, 200, 503, 200]


async def test_it_runs_as_a_process() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.upstream", "--port", "0"),
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(10):
            url = json.loads(await process.stdout.readline())["url"]
        async with httpx.AsyncClient(base_url=url, timeout=5, trust_env=False, verify=PLAIN) as client:
            for model, expected in (("reset-after-3", httpx.ReadError), ("count-3-1ms", type(None))):
                body, error = await read(client, model=model)
                assert texts(body) == ["1 ", "2 ", "3 "]
                assert isinstance(error, expected)
            ledger = (await client.get("/-/requests")).json()
        assert [record["ended"] for record in ledger] == ["fault", "complete"]
    finally:
        process.kill()
        await process.wait()
