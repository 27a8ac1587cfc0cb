"""The adapter of Ollama's own protocol against a loopback vendor: what it asks, what it yields, how it ends."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from app.domain.cards import ModelCard
from app.domain.events import Finish, FinishReason, ProviderEvent, ReasoningDelta, TextDelta, Usage
from app.domain.failures import FailureCode, GenerationFailure
from app.domain.prompts import ModelMessage, ModelRequest
from app.domain.text import decode
from app.providers.ollama.adapter import OllamaProvider
from tests.providers.loopback import LINES, Loopback, Reply, endless_page, events, page, silence

LLAMA = ModelCard("ollama", "llama3.2", context_window=8192)
REQUEST = ModelRequest(LLAMA, [ModelMessage("user", "hi")], None, 64, None)


@pytest.fixture
async def provider(vendor: Loopback) -> AsyncIterator[OllamaProvider]:
    provider = OllamaProvider(base_url=vendor.url, context_tokens=8192, connect_timeout=5)
    yield provider
    await provider.aclose()


def line(content: str | None = None, *, ascii_only: bool = True, **fields: Any) -> bytes:
    message = {"role": "assistant", "content": content, **fields.pop("message", {})}
    text = json.dumps({"model": "m", "message": message, "done": False, **fields}, ensure_ascii=ascii_only)
    return text.encode("utf-8", "surrogatepass") + b"\n"


END = line("", done=True, done_reason="stop", prompt_eval_count=7, eval_count=3)


def lines(*packets: bytes, **more: Any) -> Reply:
    return events(*packets, kind=LINES, **more)


async def run(provider: OllamaProvider, request: ModelRequest = REQUEST) -> list[ProviderEvent]:
    async with aclosing(provider.stream(request)) as stream:
        return [event async for batch in stream for event in batch]


async def broken(provider: OllamaProvider) -> tuple[list[ProviderEvent], GenerationFailure]:
    """What a run yields before it fails, and how."""
    seen: list[ProviderEvent] = []
    try:
        async with aclosing(provider.stream(REQUEST)) as stream:
            async for batch in stream:
                seen += batch
    except GenerationFailure as failure:
        return seen, failure
    pytest.fail("the run did not fail")


def text_of(seen: list[ProviderEvent]) -> str:
    return decode(event.raw for event in seen if isinstance(event, TextDelta))


async def test_an_answer_is_its_text_its_end_and_its_usage(vendor: Loopback, provider: OllamaProvider) -> None:
    vendor.replies = [lines(line("Hel"), line("lo"), END)]
    assert await run(provider) == [TextDelta(b'"Hel"'), TextDelta(b'"lo"'), Finish(FinishReason.STOP), Usage(7, 3)]


async def test_the_request_goes_to_the_chat_route_whichever_interface_the_address_names(
    vendor: Loopback, provider: OllamaProvider
) -> None:
    vendor.replies = [lines(END)]
    await run(provider)
    [sent] = vendor.requests
    assert vendor.url.endswith("/v1")
    assert (sent.method, sent.path) == ("POST", "/api/chat")
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["accept-encoding"] == "identity"
    assert (sent.body["model"], sent.body["stream"]) == ("llama3.2", True)


async def test_a_chunk_is_yielded_when_it_arrives_and_not_at_the_end(
    vendor: Loopback, provider: OllamaProvider
) -> None:
    vendor.replies = [lines(line("a"), hold=True)]
    async with aclosing(provider.stream(REQUEST)) as stream:
        assert await asyncio.wait_for(anext(stream), 5) == [TextDelta(b'"a"')]


ADVERSARIAL = [
    "new\nline\r\nreturn\r",
    "\u2028 and \u2029 and \x85",
    '{"done":true}\n{"error":"x"}\n',
    "emoji 😀👩‍👩‍👧 汉字 é \ufeff",
    '\x01\x1f\x7f \\u0041 \\ " /',
    "a\x00b",
]


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("size", [1, 7, 1000, 1_000_000])
async def test_any_text_in_any_packets_arrives_as_it_was_sent_and_on_one_line(
    vendor: Loopback, provider: OllamaProvider, size: int, ascii_only: bool
) -> None:
    stream = b"".join(line(text, ascii_only=ascii_only) for text in ADVERSARIAL) + END
    vendor.replies = [lines(*(stream[i : i + size] for i in range(0, len(stream), size)))]
    seen = await run(provider)
    assert text_of(seen) == "".join(ADVERSARIAL).replace("\x00", "")
    for event in seen:
        if isinstance(event, TextDelta):
            assert len(event.raw.decode().splitlines()) == 1
            assert b"\x00" not in event.raw
    assert seen[-2:] == [Finish(FinishReason.STOP), Usage(7, 3)]


async def test_halves_of_an_emoji_in_two_lines_become_one(vendor: Loopback, provider: OllamaProvider) -> None:
    vendor.replies = [lines(line("a\ud83d"), line("\ude00b"), line("\ude00"), line("c\ud83d"), END)]
    assert text_of(await run(provider)) == "a😀b\ufffdc\ufffd"


@pytest.mark.parametrize("content", [b"a\xffb", b"a\x01b"])
async def test_bytes_that_no_json_may_hold_are_read_all_the_same(
    vendor: Loopback, provider: OllamaProvider, content: bytes
) -> None:
    vendor.replies = [lines(b'{"message":{"content":"' + content + b'"},"done":false}\n', END)]
    seen = await run(provider)
    assert text_of(seen) == content.decode(errors="replace")
    assert seen[-1] == Usage(7, 3)


async def test_ten_thousand_lines_at_once_all_come_in_order(vendor: Loopback, provider: OllamaProvider) -> None:
    vendor.replies = [lines(b"".join(line(f"{i} ") for i in range(10_000)) + END)]
    assert text_of(await run(provider)) == "".join(f"{i} " for i in range(10_000))


async def test_lines_that_say_nothing_yield_nothing(vendor: Loopback, provider: OllamaProvider) -> None:
    odd = b'\n{}\r\n{"message":null}\n{"message":{}}\n{"error":null}\n'
    calls = line("", message={"tool_calls": []}) + line("", message={"tool_calls": None})
    vendor.replies = [lines(odd, calls, line(None), line("yes"), END)]
    assert await run(provider) == [TextDelta(b'"yes"'), Finish(FinishReason.STOP), Usage(7, 3)]


async def test_reasoning_is_kept_apart_from_the_answer(vendor: Loopback, provider: OllamaProvider) -> None:
    thoughts = [line("", message={"thinking": "hm\ud83d"}), line("A", message={"thinking": "\ude00"})]
    vendor.replies = [lines(*thoughts, END)]
    seen = await run(provider)
    assert decode(event.raw for event in seen if isinstance(event, ReasoningDelta)) == "hm😀"
    assert text_of(seen) == "A"


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("stop", FinishReason.STOP),
        ("length", FinishReason.LENGTH),
        ("load", FinishReason.STOP),
        ("unload", FinishReason.STOP),
        (None, FinishReason.STOP),
    ],
)
async def test_the_last_line_says_why_it_is_the_last(
    vendor: Loopback, provider: OllamaProvider, reason: str | None, finish: FinishReason
) -> None:
    vendor.replies = [lines(line("a", done=True, done_reason=reason))]
    assert await run(provider) == [TextDelta(b'"a"'), Finish(finish)]


async def test_the_last_line_may_lack_its_line_end(vendor: Loopback, provider: OllamaProvider) -> None:
    vendor.replies = [lines(line("a"), END.rstrip())]
    assert await run(provider) == [TextDelta(b'"a"'), Finish(FinishReason.STOP), Usage(7, 3)]


@pytest.mark.parametrize("rest", [b"", b'{"model":"m","mess', END[:40]])
async def test_a_stream_that_just_ends_yields_no_finish(
    vendor: Loopback, provider: OllamaProvider, rest: bytes
) -> None:
    vendor.replies = [lines(line("a"), rest) if rest else lines(line("a"))]
    assert await run(provider) == [TextDelta(b'"a"')]


async def test_a_stream_cut_after_twelve_chunks_yields_them_and_no_finish(
    vendor: Loopback, provider: OllamaProvider
) -> None:
    vendor.replies = [lines(*(line(f"{i} ") for i in range(12)), pause=0.005, end=False)]
    seen, failure = await broken(provider)
    assert text_of(seen) == "0 1 2 3 4 5 6 7 8 9 10 11 "
    assert not any(isinstance(event, Finish) for event in seen)
    assert (failure.code, failure.retryable, failure.transient) == (FailureCode.UPSTREAM_CUT, True, True)


@pytest.mark.parametrize(
    ("last", "code"),
    [
        (b'{"error":"secret: an error was encountered while running the model"}\n', FailureCode.UPSTREAM_ERROR),
        (b'{"error":"server busy, please try again.  maximum pending requests"}\n', FailureCode.UPSTREAM_OVERLOADED),
        (b'{"error":{"message":"secret","code":500}}\n', FailureCode.UPSTREAM_ERROR),
        (b'{"error":"the input length exceeds the context length"}', FailureCode.CONTEXT_TOO_LONG),
        (b"not json\n", FailureCode.UPSTREAM_PROTOCOL),
        (b'[{"done":true}]\n', FailureCode.UPSTREAM_PROTOCOL),
        (b'{"done":"yes"}\n', FailureCode.UPSTREAM_PROTOCOL),
        (b'{"message":7}\n', FailureCode.UPSTREAM_PROTOCOL),
        (b'{"message":{"content":7}}\n', FailureCode.UPSTREAM_PROTOCOL),
        (b"[" * 200_000 + b"\n", FailureCode.UPSTREAM_PROTOCOL),
        (b"x" * 1_100_000, FailureCode.UPSTREAM_PROTOCOL),
    ],
)
async def test_a_failure_in_the_stream_comes_after_the_text_before_it(
    vendor: Loopback, provider: OllamaProvider, last: bytes, code: FailureCode
) -> None:
    vendor.replies = [lines(line("a"), last, pause=0.01)]
    seen, failure = await broken(provider)
    assert (text_of(seen), failure.code) == ("a", code)
    assert "secret" not in failure.detail


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"prompt_eval_count": 9, "eval_count": 4}, Usage(9, 4)),
        ({"prompt_eval_count": 9, "prompt_eval_cached_count": 5, "eval_count": 4}, Usage(9, 4, 5)),
        ({"prompt_eval_count": 9, "prompt_eval_cached_count": 50}, Usage(9, 0, 9)),
        ({"eval_count": 4}, Usage(0, 4)),
        ({"prompt_eval_count": -9, "eval_count": 10**30}, Usage(0, 2**31 - 1)),
    ],
)
async def test_usage_is_made_sane(
    vendor: Loopback, provider: OllamaProvider, fields: dict[str, Any], expected: Usage
) -> None:
    vendor.replies = [lines(line("", done=True, **fields))]
    assert await run(provider) == [Finish(FinishReason.STOP), expected]


@pytest.mark.parametrize("fields", [{}, {"prompt_eval_count": "many"}, {"total_duration": 7}])
async def test_what_is_no_usage_is_none(vendor: Loopback, provider: OllamaProvider, fields: dict[str, Any]) -> None:
    vendor.replies = [lines(line("", done=True, **fields))]
    assert await run(provider) == [Finish(FinishReason.STOP)]


@pytest.mark.parametrize(
    ("status", "kind", "body", "code"),
    [
        (200, b"text/html", b"<html>secret</html>", FailureCode.UPSTREAM_PROTOCOL),
        (200, b"application/json", b'{"message":{}}', FailureCode.UPSTREAM_PROTOCOL),
        (200, b"application/json", b'{"error":"unauthorized"}', FailureCode.UPSTREAM_AUTH),
        (200, b"text/event-stream", b"data: {}\n\n", FailureCode.UPSTREAM_PROTOCOL),
        (302, b"text/html", b"", FailureCode.UPSTREAM_PROTOCOL),
        (401, b"text/html", b"<html>secret", FailureCode.UPSTREAM_AUTH),
        (404, b"application/json", b'{"error":"model \'secret\' not found"}', FailureCode.UPSTREAM_ERROR),
        (500, b"text/html", b"\xff\x00", FailureCode.UPSTREAM_ERROR),
    ],
)
async def test_an_answer_that_is_no_stream_is_named(
    vendor: Loopback, provider: OllamaProvider, status: int, kind: bytes, body: bytes, code: FailureCode
) -> None:
    vendor.replies = [page(status, body, kind, b"Location: http://127.0.0.1:1/\r\n")]
    seen, failure = await broken(provider)
    assert (seen, failure.code) == ([], code)
    assert "secret" not in failure.detail
    assert len(vendor.requests) == 1


async def test_the_servers_wish_when_to_come_back_is_kept(vendor: Loopback, provider: OllamaProvider) -> None:
    vendor.replies = [page(503, b'{"error":"server busy"}', extra=b"Retry-After: 7\r\n")]
    _, failure = await broken(provider)
    assert (failure.code, failure.retry_after) == (FailureCode.UPSTREAM_OVERLOADED, 7)


async def test_an_endless_error_page_is_not_read_to_its_end(vendor: Loopback, provider: OllamaProvider) -> None:
    vendor.replies = [endless_page(503)]
    _, failure = await asyncio.wait_for(broken(provider), 10)
    assert failure.code is FailureCode.UPSTREAM_OVERLOADED
    await asyncio.wait_for(vendor.left.wait(), 5)


async def test_closing_the_stream_cuts_the_upstream_call(vendor: Loopback, provider: OllamaProvider) -> None:
    vendor.replies = [lines(line("a"), hold=True)]
    async with aclosing(provider.stream(REQUEST)) as stream:
        await anext(stream)
    await asyncio.wait_for(vendor.left.wait(), 5)


async def test_cancelling_while_the_model_loads_cuts_the_upstream_call(
    vendor: Loopback, provider: OllamaProvider
) -> None:
    vendor.replies = [silence()]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(run(provider), 0.5)
    await asyncio.wait_for(vendor.left.wait(), 5)


async def test_answers_and_lists_share_a_connection(vendor: Loopback, provider: OllamaProvider) -> None:
    vendor.replies = [lines(line("a"), END), page(200, b'{"models":[]}'), lines(line("a"), END, pause=0.01)]
    await run(provider)
    await provider.models()
    await run(provider)
    await run(provider)
    assert vendor.connections == 1


async def test_a_refused_connection_is_an_error_that_may_be_tried_again() -> None:
    provider = OllamaProvider(base_url="http://127.0.0.1:9", context_tokens=8192, connect_timeout=5)
    seen, failure = await broken(provider)
    await provider.aclose()
    assert (seen, failure.code, failure.transient) == ([], FailureCode.UPSTREAM_ERROR, True)


async def test_a_compressed_stream_is_read_although_nobody_asked_for_one(
    vendor: Loopback, provider: OllamaProvider
) -> None:
    vendor.replies = [lines(gzip.compress(line("a") + END), extra=b"Content-Encoding: gzip\r\n")]
    assert text_of(await run(provider)) == "a"


async def test_half_a_character_in_a_question_is_a_failure_of_the_run(
    vendor: Loopback, provider: OllamaProvider
) -> None:
    vendor.replies = [lines(END)]
    with pytest.raises(GenerationFailure) as failure:
        await run(provider, ModelRequest(LLAMA, [ModelMessage("user", "\ud83d")], None, 64, None))
    assert not failure.value.retryable
    assert vendor.requests == []


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"<html>"), (200, b'{"models":7}'), (200, b'{"name":"other"}'), (404, b"{}"), (301, b"")],
)
async def test_a_sign_of_life_is_ollamas_own(
    vendor: Loopback, provider: OllamaProvider, status: int, body: bytes
) -> None:
    vendor.replies = [page(200, b'{"version":"0.1"}'), page(status, body)]
    await provider.answer()
    assert vendor.requests[0].path == "/api/version"
    with pytest.raises(GenerationFailure):
        await provider.answer()
