"""The adapter of Anthropic's API against a loopback vendor: what it asks, what it yields, how it ends."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from app.domain.events import (
    Finish,
    FinishReason,
    Prompted,
    ProviderEvent,
    ReasoningDelta,
    ReasoningSignature,
    RedactedReasoning,
    TextDelta,
    Usage,
)
from app.domain.failures import FailureCode, GenerationFailure
from app.domain.prompts import ModelMessage, ModelRequest, Reasoning, Text
from app.domain.text import decode
from app.providers import shipped
from app.providers.anthropic.adapter import AnthropicProvider
from tests.providers.adapters import answered
from tests.providers.anthropic_events import (
    CLOSE,
    DONE,
    END,
    PING,
    START,
    STOP,
    begin,
    delta,
    end,
    event,
    text,
    thought,
)
from tests.providers.loopback import Loopback, events, page

SONNET = shipped.card("anthropic", "claude-sonnet-5-5")
REQUEST = ModelRequest(SONNET, [ModelMessage("user", "hi")], None, 64, None)


@pytest.fixture
async def claude(vendor: Loopback) -> AsyncIterator[AnthropicProvider]:
    provider = AnthropicProvider(api_key=SecretStr("sk-test"), base_url=vendor.url, connect_timeout=5)
    yield provider
    await provider.aclose()


async def run(provider: AnthropicProvider, request: ModelRequest = REQUEST) -> list[ProviderEvent]:
    """What is yielded, without what is told of the prompt before it."""
    async with aclosing(provider.stream(request)) as stream:
        return [event async for batch in stream for event in answered(batch)]


async def broken(provider: AnthropicProvider) -> tuple[list[ProviderEvent], GenerationFailure]:
    """What a run yields before it fails, and how."""
    seen: list[ProviderEvent] = []
    try:
        async with aclosing(provider.stream(REQUEST)) as stream:
            async for batch in stream:
                seen += answered(batch)
    except GenerationFailure as failure:
        return seen, failure
    pytest.fail("the run did not fail")


def text_of(seen: list[ProviderEvent]) -> str:
    return decode(event.raw for event in seen if isinstance(event, TextDelta))


# What is asked


async def test_the_request_says_what_the_protocol_wants(vendor: Loopback, claude: AnthropicProvider) -> None:
    vendor.replies = [events(START + END)]
    await run(claude, ModelRequest(SONNET, [ModelMessage("user", "汉")], "Be brief.", 64, 0.5))
    [sent] = vendor.requests
    assert (sent.method, sent.path) == ("POST", "/v1/messages")
    assert sent.headers["authorization"] == "Bearer sk-test"
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["accept-encoding"] == "identity"
    assert sent.headers["anthropic-version"] >= "2026-10-21"
    assert sent.body == {
        "model": "claude-sonnet-5-5",
        "max_tokens": 64,
        "messages": [{"role": "user", "content": "汉"}],
        "stream": True,
        "system": "Be brief.",
        "thinking": {"type": "adaptive", "display": "summarized"},
    }


async def test_a_temperature_goes_with_the_version_that_has_one(vendor: Loopback, claude: AnthropicProvider) -> None:
    vendor.replies = [events(START + END)]
    older = shipped.card("anthropic", "claude-sonnet-4-6")
    await run(claude, ModelRequest(older, REQUEST.messages, None, 64, 0.5))
    assert vendor.requests[0].body["temperature"] == 0.5
    assert vendor.requests[0].headers["anthropic-version"] == "2023-06-01"


async def test_thoughts_go_back_with_leave_to_drop_them(vendor: Loopback, claude: AnthropicProvider) -> None:
    vendor.replies = [events(START + END)]
    answer = ModelMessage("assistant", [Reasoning("Hm.", signature="s"), Text("a")])
    messages = [ModelMessage("user", "hi"), answer, ModelMessage("user", "and?")]
    await run(claude, ModelRequest(SONNET, messages, None, 64, None))
    [sent] = vendor.requests
    assert sent.headers["anthropic-beta"] == "thinking-binding-controls-2026-08-01"
    assert sent.body["thinking"]["block_binding"] == {"prefix_mismatch_behavior": "drop_block"}
    assert sent.body["messages"][1]["content"][0] == {"type": "thinking", "thinking": "Hm.", "signature": "s"}


async def test_only_our_own_key_is_sent_whatever_else_is_lying_about(
    vendor: Loopback, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    theirs = {
        "ANTHROPIC_API_KEY": "theirs",
        "ANTHROPIC_AUTH_TOKEN": "theirs",
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:9",
        "ANTHROPIC_CUSTOM_HEADERS": "X-Api-Key: theirs\nAuthorization: Bearer theirs\nX-More: theirs",
        "ANTHROPIC_PROFILE": "theirs",
        "ANTHROPIC_WORKSPACE_ID": "theirs",
        "ANTHROPIC_CONFIG_DIR": str(tmp_path / "not-there"),
    }
    for name, value in theirs.items():
        monkeypatch.setenv(name, value)
    vendor.replies = [events(START + END), page(200, b'{"data":[]}')]
    claude = AnthropicProvider(api_key=SecretStr("ours"), base_url=vendor.url, connect_timeout=5)

    await run(claude)
    await claude.models()

    await claude.aclose()
    assert len(vendor.requests) == 2
    for sent in vendor.requests:
        assert sent.headers["authorization"] == "Bearer ours"
        assert sent.headers["x-api-key"] == "ours"
        assert "theirs" not in str(sent)


@pytest.mark.parametrize("base_url", [None, "https://api.anthropic.com/v1/"])
async def test_the_vendors_own_address_is_asked_by_default(
    base_url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    claude = AnthropicProvider(api_key=SecretStr("k"), base_url=base_url, connect_timeout=5)
    assert str(claude._client.base_url) == "https://api.anthropic.com"
    assert "X-Api-Key" not in claude._client.default_headers
    await claude.aclose()


# What is yielded


async def test_an_answer_is_its_text_its_end_and_its_usage(vendor: Loopback, claude: AnthropicProvider) -> None:
    vendor.replies = [events(START, PING, begin(), text("Hel"), text("lo"), END)]
    assert await run(claude) == [TextDelta(b'"Hel"'), TextDelta(b'"lo"'), *DONE]


async def test_a_chunk_is_yielded_when_it_arrives_and_not_at_the_end(
    vendor: Loopback, claude: AnthropicProvider
) -> None:
    vendor.replies = [events(START + begin() + text("a"), hold=True)]
    async with aclosing(claude.stream(REQUEST)) as stream:
        assert await asyncio.wait_for(anext(stream), 5) == [Prompted(7), TextDelta(b'"a"')]


async def test_closing_the_stream_cuts_the_upstream_call(vendor: Loopback, claude: AnthropicProvider) -> None:
    vendor.replies = [events(START + begin() + text("a"), hold=True)]
    async with aclosing(claude.stream(REQUEST)) as stream:
        await anext(stream)
    await asyncio.wait_for(vendor.left.wait(), 5)


ADVERSARIAL = [
    "new\nline\r\nreturn\r",
    "\u2028 and \u2029 and \x85",
    "event: message_stop\ndata: x\n\n",
    "emoji 😀👩‍👩‍👧 汉字 é \ufeff",
    '\x01\x1f\x7f \\u0041 \\ " /',
    "a\x00b",
]


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize("size", [1, 7, 1000, 1_000_000])
async def test_any_text_in_any_packets_arrives_as_it_was_sent_and_on_one_line(
    vendor: Loopback, claude: AnthropicProvider, size: int, newline: bytes, ascii_only: bool
) -> None:
    def spelled(kind: str, words: str) -> bytes:
        added = {"type": f"{kind}_delta", kind: words}
        data = json.dumps({"type": "content_block_delta", "delta": added}, ensure_ascii=ascii_only)
        return f"event: content_block_delta\ndata: {data}\n\n".encode()

    said = b"".join(spelled("thinking", words) for words in ADVERSARIAL)
    said += CLOSE + b"".join(spelled("text", words) for words in ADVERSARIAL)
    stream = (START + said + END).replace(b"\n", newline)
    vendor.replies = [events(*(stream[i : i + size] for i in range(0, len(stream), size)))]

    seen = await run(claude)

    expected = "".join(ADVERSARIAL).replace("\x00", "")
    assert text_of(seen) == expected
    assert decode(event.raw for event in seen if isinstance(event, ReasoningDelta)) == expected
    for each in seen:
        if isinstance(each, TextDelta | ReasoningDelta):
            assert len(each.raw.decode().splitlines()) == 1
            assert b"\x00" not in each.raw
    assert seen[-2:] == DONE


async def test_halves_of_an_emoji_in_two_chunks_become_one(vendor: Loopback, claude: AnthropicProvider) -> None:
    vendor.replies = [events(START, begin(), text("a\ud83d"), text("\ude00b"), text("\ude00"), text("c\ud83d"), END)]
    assert text_of(await run(claude)) == "a😀b\ufffdc\ufffd"


async def test_thoughts_and_answer_keep_their_own_halves(vendor: Loopback, claude: AnthropicProvider) -> None:
    thinking = begin(type="thinking", thinking="") + thought("x\ud83d") + CLOSE
    vendor.replies = [events(START, thinking, begin(), text("\ude00y"), END)]
    seen = await run(claude)
    assert decode(event.raw for event in seen if isinstance(event, ReasoningDelta)) == "x\ufffd"
    assert text_of(seen) == "\ufffdy"


@pytest.mark.parametrize("content", [b"a\xffb", b"a\x01b", b"a\x00b"])
async def test_bytes_that_no_json_may_hold_are_read_all_the_same(
    vendor: Loopback, claude: AnthropicProvider, content: bytes
) -> None:
    payload = b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"' + content + b'"}}'
    vendor.replies = [events(START, b"data: " + payload + b"\n\n", END)]
    assert text_of(await run(claude)) == content.decode(errors="replace").replace("\x00", "")


async def test_ten_thousand_chunks_at_once_all_come_in_order(vendor: Loopback, claude: AnthropicProvider) -> None:
    vendor.replies = [events(START + b"".join(text(f"{i} ") for i in range(10_000)) + END)]
    assert text_of(await run(claude)) == "".join(f"{i} " for i in range(10_000))


async def test_a_compressed_stream_is_read_although_nobody_asked_for_one(
    vendor: Loopback, claude: AnthropicProvider
) -> None:
    vendor.replies = [events(gzip.compress(START + text("a") + END), extra=b"Content-Encoding: gzip\r\n")]
    assert text_of(await run(claude)) == "a"


async def test_what_is_not_said_to_the_user_yields_nothing(vendor: Loopback, claude: AnthropicProvider) -> None:
    tool = begin(type="server_tool_use", id="t", name="f", input={})
    tool += delta("input_json_delta", partial_json='{"a":1}')
    search = begin(type="web_search_tool_result", content=[{"type": "x"}], data={"odd": 1}, text="no") + CLOSE
    cited = delta("citations_delta", citation={"type": "page_location", "cited_text": "no"})
    odd = event("news_of_tomorrow", delta={"text": "no"}) + event("content_block_delta") + b"data: {}\n\n: ping\n\n"
    vendor.replies = [events(START, tool, CLOSE, search, odd, delta("later_delta", text="no"), cited, text("yes"), END)]
    assert await run(claude) == [TextDelta(b'"yes"'), *DONE]


async def test_what_a_block_begins_with_is_part_of_it(vendor: Loopback, claude: AnthropicProvider) -> None:
    thinking = begin(type="thinking", thinking="Hm", signature="s1") + CLOSE
    vendor.replies = [events(START, thinking, begin(text="Hel"), text("lo"), END)]
    assert await run(claude) == [
        ReasoningDelta(b'"Hm"'),
        ReasoningSignature("s1"),
        TextDelta(b'"Hel"'),
        TextDelta(b'"lo"'),
        *DONE,
    ]


async def test_a_seal_comes_in_pieces_and_also_for_thoughts_that_are_not_shown(
    vendor: Loopback, claude: AnthropicProvider
) -> None:
    def sealed(*pieces: str) -> bytes:
        return b"".join(delta("signature_delta", signature=piece) for piece in pieces) + CLOSE

    hidden = begin(type="thinking", thinking="", signature="")
    vendor.replies = [
        events(
            START,
            hidden + sealed("a", "b"),
            hidden + thought("Hm.") + sealed("c"),
            begin(type="redacted_thinking", data="gAAA") + CLOSE,
            hidden + thought("Unsealed.") + CLOSE,
            begin() + text("42"),
            END,
        )
    ]
    assert await run(claude) == [
        ReasoningSignature("ab"),
        ReasoningDelta(b'"Hm."'),
        ReasoningSignature("c"),
        RedactedReasoning("gAAA"),
        ReasoningDelta(b'"Unsealed."'),
        TextDelta(b'"42"'),
        *DONE,
    ]


async def test_a_seal_that_could_be_neither_kept_nor_given_back_is_none(
    vendor: Loopback, claude: AnthropicProvider
) -> None:
    half = rb"\ud83d"
    seal = b'{"type":"content_block_delta","delta":{"type":"signature_delta","signature":"%b"}}' % half
    redacted = b'{"type":"content_block_start","content_block":{"type":"redacted_thinking","data":"%b"}}' % half
    odd = b"data: " + seal + b"\n\ndata: " + redacted + b"\n\n"
    vendor.replies = [events(START, begin(type="thinking", thinking="Hm."), odd, CLOSE, text("42"), END)]
    assert await run(claude) == [ReasoningDelta(b'"Hm."'), TextDelta(b'"42"'), *DONE]


# How it ends


async def test_the_sequence_that_stopped_it_is_told(vendor: Loopback, claude: AnthropicProvider) -> None:
    stopped = {"stop_reason": "stop_sequence", "stop_sequence": "END😀"}
    vendor.replies = [events(START, text("a"), event("message_delta", delta=stopped, usage={"output_tokens": 3}), STOP)]
    assert await run(claude) == [TextDelta(b'"a"'), Finish(FinishReason.STOP, "END😀"), Usage(7, 3)]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", FinishReason.STOP),
        ("stop_sequence", FinishReason.STOP),
        ("tool_use", FinishReason.TOOL_CALLS),
        ("pause_turn", FinishReason.STOP),
        ("max_tokens", FinishReason.LENGTH),
        ("model_context_window_exceeded", FinishReason.LENGTH),
        ("what_comes_next", FinishReason.STOP),
    ],
)
async def test_the_finish_marker_is_yielded_once(
    vendor: Loopback, claude: AnthropicProvider, reason: str, finish: FinishReason
) -> None:
    vendor.replies = [events(START, text("a"), end(reason), end(reason), STOP)]
    assert await run(claude) == [TextDelta(b'"a"'), Finish(finish), Usage(7, 3), Usage(7, 3)]


async def test_the_end_of_the_message_is_an_end_without_a_reason(vendor: Loopback, claude: AnthropicProvider) -> None:
    vendor.replies = [events(START, text("a"), CLOSE, end(None), STOP)]
    assert await run(claude) == [TextDelta(b'"a"'), Usage(7, 3), Finish(FinishReason.STOP)]


async def test_a_reason_is_an_end_without_that_of_the_message(vendor: Loopback, claude: AnthropicProvider) -> None:
    vendor.replies = [events(START, text("a"), end())]
    assert await run(claude) == [TextDelta(b'"a"'), *DONE]


async def test_a_stream_that_just_ends_yields_no_finish(vendor: Loopback, claude: AnthropicProvider) -> None:
    vendor.replies = [events(START, begin(), text("a\ud83d"), CLOSE)]
    assert await run(claude) == [TextDelta(b'"a"'), TextDelta('"\ufffd"'.encode())]


async def test_a_cut_keeps_what_came_and_seals_nothing(vendor: Loopback, claude: AnthropicProvider) -> None:
    thinking = begin(type="thinking", thinking="") + thought("Hm.") + delta("signature_delta", signature="hal")
    vendor.replies = [events(START + thinking, pause=0.005, end=False)]
    seen, failure = await broken(claude)
    assert seen == [ReasoningDelta(b'"Hm."')]
    assert (failure.code, failure.transient) == (FailureCode.UPSTREAM_CUT, True)


async def test_a_cut_after_the_finish_marker_costs_nothing(vendor: Loopback, claude: AnthropicProvider) -> None:
    vendor.replies = [events(START, text("a"), end(), end=False)]
    assert await run(claude) == [TextDelta(b'"a"'), *DONE]


async def test_text_after_the_finish_marker_is_no_whole_answer(vendor: Loopback, claude: AnthropicProvider) -> None:
    vendor.replies = [events(START, text("a"), end(), text("b"), STOP)]
    seen, failure = await broken(claude)
    assert (text_of(seen), failure.code) == ("a", FailureCode.UPSTREAM_PROTOCOL)


async def test_a_refusal_is_a_failure_that_is_billed(vendor: Loopback, claude: AnthropicProvider) -> None:
    vendor.replies = [events(START, begin(), text("Well"), CLOSE, end("refusal", output_tokens=2), STOP)]
    seen, failure = await broken(claude)
    assert seen == [TextDelta(b'"Well"'), Usage(7, 2)]
    assert (failure.code, failure.retryable, failure.answered) == (FailureCode.REFUSED, False, True)


def report(kind: str, message: str = "secret") -> bytes:
    return event("error", error={"type": kind, "message": message})


@pytest.mark.parametrize(
    ("last", "code"),
    [
        (report("overloaded_error"), FailureCode.UPSTREAM_OVERLOADED),
        (report("rate_limit_error"), FailureCode.UPSTREAM_RATE_LIMITED),
        (report("api_error"), FailureCode.UPSTREAM_ERROR),
        (report("timeout_error"), FailureCode.UPSTREAM_TIMEOUT),
        (report("invalid_request_error", "prompt is too long: secret"), FailureCode.CONTEXT_TOO_LONG),
        (b'data: {"error":"secret"}\n\n', FailureCode.UPSTREAM_ERROR),
        (b'data: {"type":"error","error":{"type":"x\\ud83d"}}\n\n', FailureCode.UPSTREAM_ERROR),
        (b"data: not json\n\n", FailureCode.UPSTREAM_PROTOCOL),
        (b"data: [1]\n\n", FailureCode.UPSTREAM_PROTOCOL),
        (event("content_block_delta", delta=7), FailureCode.UPSTREAM_PROTOCOL),
        (delta("text_delta", text=7), FailureCode.UPSTREAM_PROTOCOL),
        (b"data: " + b"[" * 200_000 + b"\n\n", FailureCode.UPSTREAM_PROTOCOL),
        (b"data: " + b"x" * 1_100_000 + b"\n\n", FailureCode.UPSTREAM_PROTOCOL),
    ],
)
async def test_a_failure_in_the_stream_comes_after_the_text_before_it(
    vendor: Loopback, claude: AnthropicProvider, last: bytes, code: FailureCode
) -> None:
    vendor.replies = [events(START + begin() + text("a") + last)]
    seen, failure = await broken(claude)
    assert (text_of(seen), failure.code) == ("a", code)
    assert "secret" not in failure.detail


@pytest.mark.parametrize(
    ("status", "kind", "body", "code"),
    [
        (200, b"text/html", b"<html>secret</html>", FailureCode.UPSTREAM_PROTOCOL),
        (200, b"application/json", b'{"type":"error","error":{"type":"overloaded_error"}}', "upstream_overloaded"),
        (302, b"text/html", b"", FailureCode.UPSTREAM_PROTOCOL),
        (401, b"application/json", b'{"error":{"type":"authentication_error","message":"secret"}}', "upstream_auth"),
        (404, b"text/html", b"<html>secret", FailureCode.UPSTREAM_ERROR),
        (529, b"application/json", b"{}", FailureCode.UPSTREAM_OVERLOADED),
    ],
)
async def test_an_answer_that_is_no_stream_is_named(
    vendor: Loopback, claude: AnthropicProvider, status: int, kind: bytes, body: bytes, code: str
) -> None:
    vendor.replies = [page(status, body, kind, b"Location: http://127.0.0.1:1/\r\n")]
    seen, failure = await broken(claude)
    assert (seen, failure.code) == ([], code)
    assert "secret" not in failure.detail
    assert len(vendor.requests) == 1


async def test_the_vendors_wish_when_to_come_back_is_kept(vendor: Loopback, claude: AnthropicProvider) -> None:
    vendor.replies = [page(429, b'{"error":{"type":"rate_limit_error"}}', extra=b"Retry-After: 7\r\n")]
    _, failure = await broken(claude)
    assert (failure.code, failure.retry_after) == (FailureCode.UPSTREAM_RATE_LIMITED, 7)
    assert len(vendor.requests) == 1


async def test_answers_read_to_their_end_share_a_connection(vendor: Loopback, claude: AnthropicProvider) -> None:
    vendor.replies = [events(START, END), page(200, b'{"data":[]}'), events(START, END, pause=0.01)]
    await run(claude)
    await claude.models()
    await run(claude)
    assert vendor.connections == 1


async def test_a_key_that_no_header_can_hold_is_a_failure_of_the_run(vendor: Loopback) -> None:
    vendor.replies = [events(START, END)]
    claude = AnthropicProvider(api_key=SecretStr("sk-\nx"), base_url=vendor.url, connect_timeout=5)
    _, failure = await broken(claude)
    await claude.aclose()
    assert (failure.code, failure.retryable) == (FailureCode.UPSTREAM_ERROR, False)


async def test_a_refused_connection_is_an_error_that_may_be_tried_again() -> None:
    claude = AnthropicProvider(api_key=SecretStr("k"), base_url="http://127.0.0.1:9", connect_timeout=5)
    seen, failure = await broken(claude)
    await claude.aclose()
    assert (seen, failure.code, failure.transient) == ([], FailureCode.UPSTREAM_ERROR, True)


async def test_a_text_that_no_request_can_hold_is_a_failure_of_the_run(
    vendor: Loopback, claude: AnthropicProvider
) -> None:
    with pytest.raises(GenerationFailure):
        await run(claude, ModelRequest(SONNET, [ModelMessage("user", "\ud83d")], None, 64, None))
    assert vendor.requests == []


# What it costs


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"output_tokens": 4}, Usage(7, 4)),
        ({"output_tokens": 0}, Usage(7, 1)),
        ({"input_tokens": 9, "output_tokens": 4}, Usage(9, 4)),
        ({"input_tokens": 0, "output_tokens": 4}, Usage(7, 4)),
        (
            {"cache_read_input_tokens": 100, "cache_creation_input_tokens": 20, "output_tokens": 4},
            Usage(127, 4, cached_input_tokens=100, cache_write_tokens=20),
        ),
        (
            {"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 5}},
            Usage(7, 9, reasoning_tokens=5),
        ),
        ({"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 50}}, Usage(7, 9, reasoning_tokens=9)),
        ({"input_tokens": -9, "output_tokens": 10**30, "server_tool_use": None}, Usage(7, 2**31 - 1)),
    ],
)
async def test_usage_is_the_total_with_what_the_cache_gave_and_took(
    vendor: Loopback, claude: AnthropicProvider, told: dict[str, Any], expected: Usage
) -> None:
    vendor.replies = [events(START, end(**told), STOP)]
    assert await run(claude) == [Finish(FinishReason.STOP), expected]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"input_tokens": 7, "output_tokens": 1}, [Prompted(7)]),
        (
            {"input_tokens": 7, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20},
            [Prompted(127, cached_input_tokens=100, cache_write_tokens=20)],
        ),
        # As gateways have it that count at the end alone.
        ({"input_tokens": 0, "output_tokens": 0}, []),
        ({"input_tokens": None}, []),
        ("many", []),
        (None, []),
    ],
)
async def test_what_the_prompt_takes_is_told_before_the_answer(
    vendor: Loopback, claude: AnthropicProvider, told: object, expected: list[ProviderEvent]
) -> None:
    vendor.replies = [events(event("message_start", message={"usage": told}), text("a"), hold=True)]
    async with aclosing(claude.stream(REQUEST)) as stream:
        assert await asyncio.wait_for(anext(stream), 5) == [*expected, TextDelta(b'"a"')]


@pytest.mark.parametrize("told", [{}, {"output_tokens": "many"}, {"input_tokens": 7}, 7, None])
async def test_what_is_no_usage_is_none(vendor: Loopback, claude: AnthropicProvider, told: object) -> None:
    vendor.replies = [events(START, event("message_delta", delta={"stop_reason": "end_turn"}, usage=told), STOP)]
    assert await run(claude) == [Finish(FinishReason.STOP)]
