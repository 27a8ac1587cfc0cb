"""OpenAI's chat completions, as DeepSeek and most self-hosted servers speak them too (`reasoning_content`)."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Literal

from tests.upstream import sse
from tests.upstream.dialects import Body, Flood, Script
from tests.upstream.scenarios import (
    Answer,
    Chunk,
    Filler,
    Frame,
    InBandError,
    Reason,
    Reasoning,
    Refusal,
    Refuse,
    ToolArguments,
    ToolCall,
    Usage,
)

CREATED = 1_767_225_600
REASONS: dict[int, Reason] = {
    400: "bad_request",
    401: "bad_key",
    403: "forbidden",
    404: "model_not_found",
    429: "rate_limited",
    503: "overloaded",
}
# reason: message, type, param, code
ERRORS: dict[Reason, tuple[str, str, str | None, str | None]] = {
    "bad_key": ("Incorrect API key provided: sk-loop****back.", "invalid_request_error", None, "invalid_api_key"),
    "forbidden": ("You are not allowed to use this model.", "invalid_request_error", None, "permission_denied"),
    "model_not_found": ("The model does not exist.", "invalid_request_error", "model", "model_not_found"),
    "context_length": (
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
        "invalid_request_error",
        "messages",
        "context_length_exceeded",
    ),
    "bad_request": ("We could not parse the JSON body of your request.", "invalid_request_error", None, None),
    "rate_limited": ("Rate limit reached for requests.", "rate_limit_error", None, "rate_limit_exceeded"),
    "quota": ("You exceeded your current quota.", "insufficient_quota", None, "insufficient_quota"),
    "server_error": ("The server had an error while processing your request.", "server_error", None, None),
    "overloaded": ("The engine is overloaded.", "service_unavailable_error", None, "server_is_overloaded"),
}
# Of different lengths, so that a chunk's own tells nothing. OpenAI sends them unless it is asked not to.
_PADDINGS = tuple(sha256(b"%d" % number).hexdigest()[: 3 + number % 13].encode() for number in range(61))


class OpenAI:
    def wants(self, method: str, path: str) -> Literal["answer", "models"] | None:
        # DeepSeek's base URL has no /v1.
        match method, path.removeprefix("/v1"):
            case "POST", "/chat/completions":
                return "answer"
            case "GET", "/models":
                return "models"
        return None

    def streams(self, body: Body) -> bool:
        return bool(body.get("stream"))

    def question(self, body: Body) -> str:
        content = next((m["content"] for m in reversed(body.get("messages", ())) if m["role"] == "user"), "")
        if isinstance(content, str):
            return content
        return "".join(part["text"] for part in content if part["type"] == "text")

    def headers(self, number: int) -> Mapping[str, str]:
        return {"x-request-id": f"req_{number}", "openai-processing-ms": "1"}

    def script(self, answer: Answer, body: Body, number: int) -> Script:
        identity = _json({"id": f"chatcmpl-{number}", "created": CREATED, "model": body.get("model", "")})[:-1]
        if not self.streams(body):
            return _whole(answer, identity)
        options = body.get("stream_options") or {}
        return _stream(
            answer,
            identity,
            with_usage=bool(options.get("include_usage")),
            obfuscated=options.get("include_obfuscation", True),
        )

    def error(self, refuse: Refuse) -> bytes:
        return _error(refuse.reason or REASONS.get(refuse.status, "server_error"), refuse.message)

    def error_event(self, error: InBandError, answer: Answer) -> bytes:
        return sse.block(_error(error.reason, error.message), answer.wire)

    def models(self, names: Sequence[str]) -> bytes:
        entries = [{"id": name, "object": "model", "created": CREATED, "owned_by": "loopback"} for name in names]
        return _json({"object": "list", "data": entries})


def _stream(answer: Answer, identity: bytes, *, with_usage: bool, obfuscated: bool) -> Script:
    before, after = sse.around(answer.wire)
    head = before + identity + b',"object":"chat.completion.chunk","choices":['
    choice = head + b'{"index":0,"delta":'
    usage = b',"usage":null' if with_usage else b""
    tail = usage + b"}" + after
    unfinished = b',"finish_reason":null}]'

    def frame(delta: bytes | Flood | Frame, number: int) -> bytes | Flood:
        padding = b',"obfuscation":"%b"' % _PADDINGS[number % len(_PADDINGS)] if obfuscated else b""
        rest = unfinished + usage + padding + b"}" + after
        match delta:
            case Frame():
                return delta.data
            case Flood():
                return Flood(choice + delta.before, delta.size, delta.after + rest)
            case bytes():
                return choice + delta + rest

    closing = []
    if answer.finish is not None:
        closing.append(choice + b'{},"finish_reason":' + _json(answer.finish) + b"}]" + tail)
    if with_usage and answer.usage is not None:
        closing.append(head + b'],"usage":' + _usage(Usage(*answer.usage)) + b"}" + after)
    if answer.done:
        closing.append(before + b"[DONE]" + after)
    return Script(
        content_type="text/event-stream; charset=utf-8",
        opening=(sse.BOM if answer.wire.bom else b"")
        + choice
        + b'{"role":"assistant","content":""}'
        + unfinished
        + tail,
        chunks=tuple(frame(delta, number) for number, delta in enumerate(_deltas(answer.chunks))),
        closing=tuple(closing),
    )


def _whole(answer: Answer, identity: bytes) -> Script:
    """One JSON text, cut at the same places as the stream, so that a fault after k chunks means the same."""
    texts = [c for c in answer.chunks if isinstance(c, str | bytes | Frame | Filler)]
    quote = b'"' if texts else b""
    usage = b"null" if answer.usage is None else _usage(Usage(*answer.usage))
    rest = [
        (quote or b"null") + _joined(b"refusal", (c.text for c in answer.chunks if isinstance(c, Refusal)), b"null"),
        _joined(b"reasoning_content", (c.text for c in answer.chunks if isinstance(c, Reasoning)), b""),
        _tool_calls(answer.chunks),
        b'},"logprobs":null,"finish_reason":' + _json(answer.finish) + b'}],"usage":' + usage + b"}",
    ]
    message = b',"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":'
    return Script(
        content_type="application/json",
        opening=identity + message + quote,
        chunks=tuple(_inside(chunk) for chunk in answer.chunks),
        closing=(b"".join(rest),),
    )


def _inside(chunk: Chunk) -> bytes | Flood:
    """The part of `content` that a chunk makes up."""
    match chunk:
        case str() | bytes():
            return _escaped(chunk)
        case Frame():
            return chunk.data
        case Filler():
            return Flood(b"", chunk.size, b"")
        case _:
            return b""


def _joined(name: bytes, texts: Iterable[str | bytes], otherwise: bytes) -> bytes:
    text = b"".join(map(_escaped, texts))
    value = b'"' + text + b'"' if text else otherwise
    return b',"' + name + b'":' + value if value else b""


def _tool_calls(chunks: tuple[Chunk, ...]) -> bytes:
    calls = []
    for call in (c for c in chunks if isinstance(c, ToolCall)):
        more = (c.text for c in chunks if isinstance(c, ToolArguments) and c.index == call.index)
        arguments = b"".join(map(_escaped, (call.arguments, *more)))
        function = b'{"name":' + _json(call.name) + b',"arguments":"' + arguments + b'"}'
        calls.append(b'{"id":' + _json(call.id) + b',"type":"function","function":' + function + b"}")
    return b',"tool_calls":[' + b",".join(calls) + b"]" if calls else b""


@lru_cache(maxsize=64)
def _deltas(chunks: tuple[Chunk, ...]) -> tuple[bytes | Flood | Frame, ...]:
    return tuple(map(_delta, chunks))


def _delta(chunk: Chunk) -> bytes | Flood | Frame:
    match chunk:
        case str() | bytes():
            return b'{"content":"' + _escaped(chunk) + b'"}'
        case Reasoning():
            return b'{"reasoning_content":"' + _escaped(chunk.text) + b'"}'
        case Refusal():
            return b'{"refusal":"' + _escaped(chunk.text) + b'"}'
        case ToolCall():
            start = _json({"index": chunk.index, "id": chunk.id, "type": "function"})[:-1]
            function = b'{"name":' + _json(chunk.name) + b',"arguments":"' + _escaped(chunk.arguments) + b'"}'
            return b'{"tool_calls":[' + start + b',"function":' + function + b"}]}"
        case ToolArguments():
            return b'{"tool_calls":[{"index":%d,"function":{"arguments":"%b"}}]}' % (chunk.index, _escaped(chunk.text))
        case Filler():
            return Flood(b'{"content":"', chunk.size, b'"}')
        case Frame():
            return chunk


def _usage(usage: Usage) -> bytes:
    return _json(
        {
            "prompt_tokens": usage.prompt,
            "completion_tokens": usage.completion,
            "total_tokens": usage.prompt + usage.completion,
            "prompt_tokens_details": {"cached_tokens": usage.cached},
            "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
        }
    )


def _error(reason: Reason, message: str | None) -> bytes:
    usual, kind, param, code = ERRORS[reason]
    return _json({"error": {"message": message or usual, "type": kind, "param": param, "code": code}})


def _escaped(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else _json(text)[1:-1]


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
