"""The adapter of OpenAI's protocol against a loopback vendor: what it asks, what it yields, how it ends."""

import asyncio
import gzip
import json
from contextlib import aclosing

import pytest
from pydantic import SecretStr

from app.domain.events import Finish, FinishReason, ProviderEvent, ReasoningDelta, RefusalDelta, TextDelta, Usage
from app.domain.failures import FailureCode, GenerationFailure
from app.domain.prompts import ModelMessage, ModelRequest
from app.domain.text import decode
from app.providers import shipped
from app.providers.openai.adapter import OpenAIProvider
from tests.providers.loopback import (
    DONE,
    END,
    Loopback,
    chunk,
    endless_page,
    events,
    frame,
    page,
    silence,
    usage,
)

GPT_4O = shipped.card("openai", "gpt-4o")
REQUEST = ModelRequest(GPT_4O, [ModelMessage("user", "hi")], None, 64, None)


async def run(provider: OpenAIProvider, request: ModelRequest = REQUEST) -> list[ProviderEvent]:
    async with aclosing(provider.stream(request)) as stream:
        return [event async for batch in stream for event in batch]


async def broken(provider: OpenAIProvider, pause: float = 0.0) -> tuple[list[ProviderEvent], GenerationFailure]:
    """What a run yields before it fails, and how; `pause` is what the reader takes for each batch."""
    seen: list[ProviderEvent] = []
    try:
        async with aclosing(provider.stream(REQUEST)) as stream:
            async for batch in stream:
                seen += batch
                await asyncio.sleep(pause)
    except GenerationFailure as failure:
        return seen, failure
    pytest.fail("the run did not fail")


def text_of(seen: list[ProviderEvent]) -> str:
    return decode(event.raw for event in seen if isinstance(event, TextDelta))


async def test_an_answer_is_its_text_its_end_and_its_usage(vendor: Loopback, provider: OpenAIProvider) -> None:
    vendor.replies = [events(chunk("", role="assistant"), chunk("Hel"), chunk("lo"), END)]
    assert await run(provider) == [
        TextDelta(b'"Hel"'),
        TextDelta(b'"lo"'),
        Finish(FinishReason.STOP),
        Usage(7, 3),
    ]


async def test_the_request_says_what_the_protocol_wants(vendor: Loopback, provider: OpenAIProvider) -> None:
    vendor.replies = [events(END)]
    history = [ModelMessage("user", "汉"), ModelMessage("assistant", "b"), ModelMessage("user", "c")]
    await run(provider, ModelRequest(GPT_4O, history, "Be brief.", 64, 0.5))
    [sent] = vendor.requests
    assert (sent.method, sent.path) == ("POST", "/v1/chat/completions")
    assert sent.headers["authorization"] == "Bearer sk-test"
    assert sent.headers["accept-encoding"] == "identity"
    assert sent.body == {
        "model": "gpt-4o",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "汉"},
            {"role": "assistant", "content": "b"},
            {"role": "user", "content": "c"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 64,
        "temperature": 0.5,
    }


async def test_a_model_that_takes_no_temperature_is_sent_none(vendor: Loopback, provider: OpenAIProvider) -> None:
    vendor.replies = [events(END)]
    await run(provider, ModelRequest(shipped.card("openai", "gpt-5-mini"), REQUEST.messages, None, 64, 0.5))
    assert "temperature" not in vendor.requests[0].body


async def test_a_chunk_is_yielded_when_it_arrives_and_not_at_the_end(
    vendor: Loopback, provider: OpenAIProvider
) -> None:
    vendor.replies = [events(chunk("a"), hold=True)]
    async with aclosing(provider.stream(REQUEST)) as stream:
        assert await asyncio.wait_for(anext(stream), 5) == [TextDelta(b'"a"')]


ADVERSARIAL = [
    "new\nline\r\nreturn\r",
    "\u2028 and \u2029 and \x85",
    "data: x\n\ndata: [DONE]\n\n",
    "emoji 😀👩‍👩‍👧 汉字 é \ufeff",
    '\x01\x1f\x7f \\u0041 \\ " /',
    "a\x00b",
]


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("size", [1, 7, 1000, 1_000_000])
async def test_any_text_in_any_packets_arrives_as_it_was_sent_and_on_one_line(
    vendor: Loopback, provider: OpenAIProvider, size: int, ascii_only: bool
) -> None:
    chunks = [{"choices": [{"index": 0, "delta": {"content": text}}]} for text in ADVERSARIAL]
    stream = b"".join(frame(json.dumps(it, ensure_ascii=ascii_only)) for it in chunks) + END
    vendor.replies = [events(*(stream[i : i + size] for i in range(0, len(stream), size)))]
    seen = await run(provider)
    assert text_of(seen) == "".join(ADVERSARIAL).replace("\x00", "")
    for event in seen:
        if isinstance(event, TextDelta):
            assert len(event.raw.decode().splitlines()) == 1
            assert b"\x00" not in event.raw
    assert seen[-2:] == [Finish(FinishReason.STOP), Usage(7, 3)]


async def test_halves_of_an_emoji_in_two_chunks_become_one(vendor: Loopback, provider: OpenAIProvider) -> None:
    vendor.replies = [events(chunk("a\ud83d"), chunk("\ude00b"), chunk("\ude00"), chunk("c\ud83d"), END)]
    assert text_of(await run(provider)) == "a😀b\ufffdc\ufffd"


@pytest.mark.parametrize("content", [b"a\xffb", b"a\nb", b"a\x00b"])
async def test_bytes_that_no_json_may_hold_are_read_all_the_same(
    vendor: Loopback, provider: OpenAIProvider, content: bytes
) -> None:
    payload = b'data: {"choices":[{"delta":{"content":"' + content.replace(b"\n", b"\x01") + b'"}}]}\n\n'
    vendor.replies = [events(payload, END)]
    expected = content.replace(b"\n", b"\x01").decode(errors="replace").replace("\x00", "")
    assert text_of(await run(provider)) == expected


async def test_ten_thousand_chunks_at_once_all_come_in_order(vendor: Loopback, provider: OpenAIProvider) -> None:
    vendor.replies = [events(b"".join(chunk(f"{i} ") for i in range(10_000)) + END)]
    assert text_of(await run(provider)) == "".join(f"{i} " for i in range(10_000))


async def test_nulls_empty_strings_comments_and_other_choices_yield_nothing(
    vendor: Loopback, provider: OpenAIProvider
) -> None:
    other = frame('{"choices":[{"index":1,"delta":{"content":"no"},"finish_reason":"stop"}]}')
    odd = frame('{"choices":[{"index":0,"delta":null},{"index":0}]}') + frame('{"choices":null}') + frame("{}")
    nulls = frame('{"choices":[{"index":null,"delta":{"content":null,"refusal":null},"finish_reason":""}]}')
    vendor.replies = [events(b": ping\n\n", other, odd, nulls, frame(""), chunk("yes"), END)]
    assert await run(provider) == [TextDelta(b'"yes"'), Finish(FinishReason.STOP), Usage(7, 3)]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_reasoning_is_kept_apart_from_the_answer(vendor: Loopback, provider: OpenAIProvider, field: str) -> None:
    vendor.replies = [events(chunk(**{field: "hm\ud83d"}), chunk("A", **{field: "\ude00"}), END)]
    seen = await run(provider)
    assert decode(event.raw for event in seen if isinstance(event, ReasoningDelta)) == "hm😀"
    assert text_of(seen) == "A"


@pytest.mark.parametrize(
    ("reason", "finish"),
    [("stop", FinishReason.STOP), ("length", FinishReason.LENGTH), ("tool_calls", FinishReason.STOP)],
)
async def test_the_finish_marker_is_yielded_once(
    vendor: Loopback, provider: OpenAIProvider, reason: str, finish: FinishReason
) -> None:
    vendor.replies = [events(chunk("a", finish=reason), chunk(finish=reason), DONE)]
    assert await run(provider) == [TextDelta(b'"a"'), Finish(finish)]


async def test_done_without_a_finish_reason_is_an_end(vendor: Loopback, provider: OpenAIProvider) -> None:
    vendor.replies = [events(chunk("a"), DONE)]
    assert await run(provider) == [TextDelta(b'"a"'), Finish(FinishReason.STOP)]


async def test_an_end_without_done_is_an_end(vendor: Loopback, provider: OpenAIProvider) -> None:
    vendor.replies = [events(chunk("a"), chunk(finish="stop"))]
    assert await run(provider) == [TextDelta(b'"a"'), Finish(FinishReason.STOP)]


async def test_a_stream_that_just_ends_yields_no_finish(vendor: Loopback, provider: OpenAIProvider) -> None:
    vendor.replies = [events(chunk("a"), usage(prompt_tokens=1, completion_tokens=1))]
    assert await run(provider) == [TextDelta(b'"a"'), Usage(1, 1)]


@pytest.mark.parametrize("pause", [0.0, 0.05])
async def test_a_stream_cut_after_twelve_chunks_yields_them_and_no_finish(
    vendor: Loopback, provider: OpenAIProvider, pause: float
) -> None:
    vendor.replies = [events(*(chunk(f"{i} ") for i in range(12)), pause=0.005, end=False)]
    seen, failure = await broken(provider, pause)
    assert text_of(seen) == "0 1 2 3 4 5 6 7 8 9 10 11 "
    assert not any(isinstance(event, Finish) for event in seen)
    assert (failure.code, failure.retryable, failure.transient) == (FailureCode.UPSTREAM_CUT, True, True)


async def test_a_cut_after_the_finish_marker_costs_only_the_usage(vendor: Loopback, provider: OpenAIProvider) -> None:
    vendor.replies = [events(chunk("a", finish="stop"), end=False)]
    assert await run(provider) == [TextDelta(b'"a"'), Finish(FinishReason.STOP)]


async def test_text_after_the_finish_marker_is_no_whole_answer(vendor: Loopback, provider: OpenAIProvider) -> None:
    vendor.replies = [events(chunk("a", finish="stop"), chunk("b"), DONE)]
    seen, failure = await broken(provider)
    assert (text_of(seen), failure.code) == ("a", FailureCode.UPSTREAM_PROTOCOL)


@pytest.mark.parametrize(
    ("last", "code"),
    [
        (chunk(finish="content_filter"), FailureCode.REFUSED),
        (chunk(refusal="I cannot"), FailureCode.REFUSED),
        (chunk(finish="insufficient_system_resource"), FailureCode.UPSTREAM_OVERLOADED),
        (frame('{"error":{"message":"secret","code":"rate_limit_exceeded"}}'), FailureCode.UPSTREAM_RATE_LIMITED),
        (frame('{"error":{"message":"secret","type":"server_error","code":null}}'), FailureCode.UPSTREAM_ERROR),
        (frame('{"error":{"message":"secret","code":503}}'), FailureCode.UPSTREAM_OVERLOADED),
        (frame('{"error":"secret"}'), FailureCode.UPSTREAM_ERROR),
        (frame("not json"), FailureCode.UPSTREAM_PROTOCOL),
        (frame('{"choices":7}'), FailureCode.UPSTREAM_PROTOCOL),
        (frame('{"choices":[{"delta":{"content":7}}]}'), FailureCode.UPSTREAM_PROTOCOL),
        (frame("[" * 200_000), FailureCode.UPSTREAM_PROTOCOL),
        (frame("x" * 1_100_000), FailureCode.UPSTREAM_PROTOCOL),
    ],
)
async def test_a_failure_in_the_stream_comes_after_the_text_before_it(
    vendor: Loopback, provider: OpenAIProvider, last: bytes, code: FailureCode
) -> None:
    vendor.replies = [events(chunk("a") + last)]
    seen, failure = await broken(provider)
    assert (text_of(seen), failure.code) == ("a", code)
    assert "secret" not in failure.detail


@pytest.mark.parametrize("end", [DONE, b""], ids=["done", "just-ended"])
@pytest.mark.parametrize(
    ("declining", "words"),
    [
        (chunk(finish="content_filter"), []),
        (chunk(refusal="I can") + chunk(refusal="not.") + chunk(finish="stop"), [b'"I can"', b'"not."']),
        (chunk(refusal="No\ud83d") + chunk(refusal="\ude00\u2028"), [b'"No"', '"😀\\u2028"'.encode()]),
        (chunk(refusal="No\ud83d") + chunk(finish="stop"), [b'"No"', '"\ufffd"'.encode()]),
    ],
    ids=["filtered", "refused", "refused-in-halves", "refused-in-half"],
)
async def test_an_answer_that_was_declined_costs_what_it_cost(
    vendor: Loopback, provider: OpenAIProvider, declining: bytes, words: list[bytes], end: bytes
) -> None:
    vendor.replies = [events(chunk("a") + declining, usage(prompt_tokens=9, completion_tokens=4), end)]
    seen, failure = await broken(provider)
    assert seen == [TextDelta(b'"a"'), *map(RefusalDelta, words), Usage(9, 4)]
    assert (failure.code, failure.answered, failure.retryable) == (FailureCode.REFUSED, True, False)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 4}, Usage(9, 4)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 5}}, Usage(9, 0, 5)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 50}}, Usage(9, 0, 9)),
        (
            {"prompt_tokens": 9, "completion_tokens": 4, "completion_tokens_details": {"reasoning_tokens": 3}},
            Usage(9, 4, 0, 3),
        ),
        ({"prompt_tokens": -9, "completion_tokens": 10**30, "prompt_tokens_details": None}, Usage(0, 2**31 - 1)),
    ],
)
async def test_usage_is_made_sane(
    vendor: Loopback, provider: OpenAIProvider, fields: dict[str, object], expected: Usage
) -> None:
    vendor.replies = [events(chunk(finish="stop"), usage(**fields), DONE)]
    assert await run(provider) == [Finish(FinishReason.STOP), expected]


@pytest.mark.parametrize("fields", [{}, {"prompt_tokens": "many"}, {"total_tokens": 7}])
async def test_what_is_no_usage_is_none(vendor: Loopback, provider: OpenAIProvider, fields: dict[str, object]) -> None:
    vendor.replies = [events(chunk(finish="stop"), usage(**fields), DONE)]
    assert await run(provider) == [Finish(FinishReason.STOP)]


@pytest.mark.parametrize(
    ("status", "kind", "body", "code"),
    [
        (200, b"text/html", b"<html>secret</html>", FailureCode.UPSTREAM_PROTOCOL),
        (200, b"application/json", b'{"choices":[]}', FailureCode.UPSTREAM_PROTOCOL),
        (200, b"application/json", b'{"error":{"code":"invalid_api_key"}}', FailureCode.UPSTREAM_AUTH),
        (302, b"text/html", b"", FailureCode.UPSTREAM_PROTOCOL),
        (401, b"application/json", b'{"error":{"message":"secret"}}', FailureCode.UPSTREAM_AUTH),
        (404, b"text/html", b"<html>secret", FailureCode.UPSTREAM_ERROR),
        (500, b"text/html", b"", FailureCode.UPSTREAM_ERROR),
    ],
)
async def test_an_answer_that_is_no_stream_is_named(
    vendor: Loopback, provider: OpenAIProvider, status: int, kind: bytes, body: bytes, code: FailureCode
) -> None:
    vendor.replies = [page(status, body, kind, b"Location: http://127.0.0.1:1/\r\n")]
    seen, failure = await broken(provider)
    assert (seen, failure.code) == ([], code)
    assert "secret" not in failure.detail
    assert len(vendor.requests) == 1


async def test_the_vendors_wish_when_to_come_back_is_kept(vendor: Loopback, provider: OpenAIProvider) -> None:
    vendor.replies = [page(429, b"{}", extra=b"Retry-After: 7\r\n")]
    _, failure = await broken(provider)
    assert (failure.code, failure.retry_after) == (FailureCode.UPSTREAM_RATE_LIMITED, 7)
    assert len(vendor.requests) == 1


async def test_an_endless_error_page_is_not_read_to_its_end(vendor: Loopback, provider: OpenAIProvider) -> None:
    vendor.replies = [endless_page(503)]
    _, failure = await asyncio.wait_for(broken(provider), 10)
    assert failure.code is FailureCode.UPSTREAM_OVERLOADED
    await asyncio.wait_for(vendor.left.wait(), 5)


async def test_closing_the_stream_cuts_the_upstream_call(vendor: Loopback, provider: OpenAIProvider) -> None:
    vendor.replies = [events(chunk("a"), hold=True)]
    async with aclosing(provider.stream(REQUEST)) as stream:
        await anext(stream)
    await asyncio.wait_for(vendor.left.wait(), 5)


async def test_cancelling_before_the_first_byte_cuts_the_upstream_call(
    vendor: Loopback, provider: OpenAIProvider
) -> None:
    vendor.replies = [silence()]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(run(provider), 0.5)
    await asyncio.wait_for(vendor.left.wait(), 5)


async def test_answers_read_to_their_end_share_a_connection(vendor: Loopback, provider: OpenAIProvider) -> None:
    vendor.replies = [events(chunk("a"), END), page(200, b'{"data":[]}'), events(chunk("a"), END, pause=0.01)]
    await run(provider)
    await provider.models()
    await run(provider)
    await run(provider)
    assert vendor.connections == 1


async def test_a_refused_connection_is_an_error_that_may_be_tried_again() -> None:
    provider = OpenAIProvider("openai", api_key=SecretStr("k"), base_url="http://127.0.0.1:9/v1", connect_timeout=5)
    seen, failure = await broken(provider)
    await provider.aclose()
    assert (seen, failure.code, failure.transient) == ([], FailureCode.UPSTREAM_ERROR, True)


@pytest.mark.parametrize("key", ["sk-\u2019", "sk-\nx"])
async def test_a_key_that_no_header_can_hold_is_a_failure_of_the_run(vendor: Loopback, key: str) -> None:
    provider = OpenAIProvider("openai", api_key=SecretStr(key), base_url=vendor.url, connect_timeout=5)
    vendor.replies = [events(END)]
    _, failure = await broken(provider)
    await provider.aclose()
    assert not failure.retryable


async def test_a_compressed_stream_is_read_although_nobody_asked_for_one(
    vendor: Loopback, provider: OpenAIProvider
) -> None:
    vendor.replies = [events(gzip.compress(chunk("a") + END), extra=b"Content-Encoding: gzip\r\n")]
    assert text_of(await run(provider)) == "a"


async def test_a_list_of_models_is_read_whole(vendor: Loopback, provider: OpenAIProvider) -> None:
    vendor.replies = [page(200, b'{"object":"list","data":[{"id":"b","x":1},{"id":"gpt-4o"},{"id":"b"}]}')]
    cards = await provider.models()
    assert [card.name for card in cards] == ["openai/b", "openai/gpt-4o"]
    assert cards[1].context_window == 128_000


@pytest.mark.parametrize("body", [b"<html>", b'{"data":7}', b"[]", b'{"data":[' + b'{"id":"x"},' * 1_000_000 + b"]}"])
async def test_a_list_that_is_none_is_a_failure(vendor: Loopback, provider: OpenAIProvider, body: bytes) -> None:
    vendor.replies = [page(200, body)]
    with pytest.raises(GenerationFailure):
        await provider.models()
