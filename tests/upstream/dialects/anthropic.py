"""Anthropic's Messages API: every answer is made of blocks, which begin, grow and end."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from tests.upstream import sse
from tests.upstream.dialects import Body, Flood, Script
from tests.upstream.scenarios import (
    WORDS,
    Answer,
    Chunk,
    Filler,
    Frame,
    InBandError,
    Page,
    Reason,
    Reasoning,
    Refusal,
    Refuse,
    ToolArguments,
    ToolCall,
    Usage,
    Wire,
)

CREATED = "2026-01-01T00:00:00Z"
SIGNATURE = "c2VhbGVk"
# The scenarios use OpenAI's words; any other stands for itself.
STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "content_filter": "refusal",
    "tool_calls": "tool_use",
}
REASONS: dict[int, Reason] = {
    400: "bad_request",
    401: "bad_key",
    402: "quota",
    403: "forbidden",
    404: "model_not_found",
    429: "rate_limited",
    503: "overloaded",
    529: "overloaded",
}
ERRORS: dict[Reason, tuple[str, str]] = {
    "bad_key": ("authentication_error", "invalid x-api-key"),
    "forbidden": ("permission_error", "Your API key does not have permission to use the specified resource."),
    "model_not_found": ("not_found_error", "model: loopback"),
    "context_length": ("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
    "bad_request": ("invalid_request_error", "messages: Field required"),
    "rate_limited": ("rate_limit_error", "This request would exceed your organization's rate limit."),
    "quota": ("billing_error", "Your credit balance is too low to access the Anthropic API."),
    "server_error": ("api_error", "Internal server error"),
    "overloaded": ("overloaded_error", "Overloaded"),
}


class Anthropic:
    def wants(self, method: str, path: str) -> Literal["answer", "models", "about"] | None:
        # Below /v1 the list of models is OpenAI's; like gateways of both protocols, this one has a prefix for itself.
        match method, path:
            case "POST", "/v1/messages" | "/anthropic/v1/messages":
                return "answer"
            case "GET", "/anthropic/v1/models":
                return "models"
            case "POST", "/v1/messages/count_tokens" | "/anthropic/v1/messages/count_tokens":
                return "about"
        return None

    def streams(self, body: Body) -> bool:
        return bool(body.get("stream"))

    def question(self, body: Body) -> str:
        content = next((m["content"] for m in reversed(body.get("messages", ())) if m["role"] == "user"), "")
        if isinstance(content, str):
            return content
        return "".join(block["text"] for block in content if block["type"] == "text")

    def headers(self, number: int) -> Mapping[str, str]:
        return {"request-id": f"req_{number}", "anthropic-organization-id": "loopback"}

    def script(self, answer: Answer, body: Body, number: int) -> Script:
        message = {"id": f"msg_{number}", "type": "message", "role": "assistant", "model": body.get("model", "")}
        stop = _stop(answer, body)
        return _stream(answer, message, stop) if self.streams(body) else _whole(answer, message, stop)

    def error(self, refuse: Refuse) -> bytes:
        return _error(refuse.reason or REASONS.get(refuse.status, "server_error"), refuse.message)

    def error_event(self, error: InBandError, answer: Answer) -> bytes:
        return sse.block(_error(error.reason, error.message), answer.wire, b"error")

    def about(self, path: str, body: Body, names: Sequence[str]) -> Page:
        """The tokens of a prompt, for each word of which this vendor counts one."""
        prompt = _json([body.get("system"), body.get("messages"), body.get("tools")])
        return Page(_json({"input_tokens": len(WORDS.findall(prompt.decode()))}), content_type="application/json")

    def models(self, names: Sequence[str]) -> bytes:
        data = [
            {"type": "model", "id": name, "display_name": name, "created_at": CREATED, "lifecycle": "active"}
            for name in names
        ]
        ends = {"first_id": names[0], "last_id": names[-1]} if names else {"first_id": None, "last_id": None}
        return _json({"data": data, "has_more": False, **ends})


@dataclass(frozen=True, slots=True)
class Block:
    """A block as it begins, and how it is added to: the type of a delta and the name of what it holds."""

    start: Mapping[str, object]
    delta: str = ""
    field: str = ""


TEXT = Block({"type": "text", "text": ""}, "text_delta", "text")
THINKING = Block({"type": "thinking", "thinking": "", "signature": ""}, "thinking_delta", "thinking")


class Step(NamedTuple):
    """What one chunk does to block `number`: ends the one before (with its seal, empty for most), begins it, adds."""

    seal: str | None
    begins: Block | None
    number: int
    adds: bytes | Filler | Frame


@dataclass(slots=True)
class Layout:
    """Puts chunks into blocks: texts that follow each other share one, and so do thoughts up to a signature."""

    steps: list[Step] = field(default_factory=list)
    number: int = -1
    open: Block | None = None
    seal: str = ""
    sealed: bool = False

    def place(self, chunk: Chunk) -> None:
        match chunk:
            case str() | bytes():
                self._add(TEXT, _escaped(chunk))
            case Filler():
                self._add(TEXT, chunk)
            case Reasoning(redacted=str(data)):
                self._begin(_redacted(data), b"")
            case Reasoning(text, signature):
                self._add(THINKING, _escaped(text), SIGNATURE if signature is None else signature)
                self.sealed = signature is not None
            case ToolCall():
                self._begin(_tool(chunk), _escaped(chunk.arguments))
            case ToolArguments():
                self._step(_escaped(chunk.text))
            case Refusal():  # the ending tells it
                self._step(b"")
            case Frame():
                self._step(chunk)

    def _add(self, block: Block, piece: bytes | Filler, seal: str = "") -> None:
        if self.open is block and not self.sealed:
            self._step(piece)
        else:
            self._begin(block, piece)
        self.seal = seal

    def _begin(self, block: Block, piece: bytes | Filler) -> None:
        ended = None if self.open is None else self.seal
        self.open, self.seal, self.sealed = block, "", False
        self.number += 1
        self.steps.append(Step(ended, block, self.number, piece))

    def _step(self, piece: bytes | Filler | Frame) -> None:
        self.steps.append(Step(None, None, self.number, piece))


@lru_cache(maxsize=64)
def _layout(chunks: tuple[Chunk, ...]) -> Layout:
    layout = Layout()
    for chunk in chunks:
        layout.place(chunk)
    return layout


def _redacted(data: str) -> Block:
    return Block({"type": "redacted_thinking", "data": data})


def _tool(call: ToolCall) -> Block:
    start = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
    return Block(start, "input_json_delta", "partial_json")


def _stream(answer: Answer, message: Mapping[str, object], stop: Mapping[str, object]) -> Script:
    wire = answer.wire
    start = {**message, "content": [], "stop_reason": None, "stop_sequence": None}
    if answer.usage is not None:
        start["usage"] = _usage(Usage(*answer.usage)) | {"output_tokens": 1}
    opening = _event("message_start", wire, message=_json(start)) + _event("ping", wire)
    return Script(
        content_type="text/event-stream; charset=utf-8",
        opening=(sse.BOM if wire.bom else b"") + opening,
        chunks=_frames(answer.chunks, wire),
        closing=tuple(_endings(answer, stop)),
    )


@lru_cache(maxsize=64)
def _frames(chunks: tuple[Chunk, ...], wire: Wire) -> tuple[bytes | Flood, ...]:
    frames: list[bytes | Flood] = []
    current = TEXT
    for step in _layout(chunks).steps:
        before = b"" if step.seal is None else _end_of_block(step.number - 1, step.seal, wire)
        if step.begins is not None:
            current = step.begins
            start = _json(current.start)
            before += _event("content_block_start", wire, index=b"%d" % step.number, content_block=start)
        frames.append(_frame(before, current, step, wire))
    return tuple(frames)


def _frame(before: bytes, block: Block, step: Step, wire: Wire) -> bytes | Flood:
    match step.adds:
        case Frame(data):
            return before + data
        case Filler(size):
            head, tail = _addition(block, step.number, b"\0", wire).split(b"\0")
            return Flood(before + head, size, tail)
        case b"":
            return before or _event("ping", wire)
        case bytes(piece):
            return before + _addition(block, step.number, piece, wire)


def _addition(block: Block, index: int, piece: bytes, wire: Wire) -> bytes:
    delta = b'{"type":"%b","%b":"%b"}' % (block.delta.encode(), block.field.encode(), piece)
    return _delta(index, delta, wire)


def _endings(answer: Answer, stop: Mapping[str, object]) -> list[bytes]:
    layout, wire, endings = _layout(answer.chunks), answer.wire, []
    if layout.open is not None:
        endings.append(_end_of_block(layout.number, layout.seal, wire))
    if answer.finish is not None or answer.usage is not None:
        fields = {"delta": _json(stop)}
        if answer.usage is not None:
            fields["usage"] = _json(_usage(Usage(*answer.usage)))
        endings.append(_event("message_delta", wire, **fields))
    if answer.done:
        endings.append(_event("message_stop", wire))
    return endings


def _end_of_block(index: int, seal: str, wire: Wire) -> bytes:
    signature = _delta(index, _json({"type": "signature_delta", "signature": seal}), wire) if seal else b""
    return signature + _event("content_block_stop", wire, index=b"%d" % index)


def _delta(index: int, delta: bytes, wire: Wire) -> bytes:
    return _event("content_block_delta", wire, index=b"%d" % index, delta=delta)


def _event(name: str, wire: Wire, **fields: bytes) -> bytes:
    inside = b"".join(b',"%b":%b' % (key.encode(), value) for key, value in fields.items())
    return sse.block(b'{"type":"%b"%b}' % (name.encode(), inside), wire, name.encode())


def _whole(answer: Answer, message: Mapping[str, object], stop: Mapping[str, object]) -> Script:
    """One JSON text; nothing of its content is sent before all chunks were due."""
    rest: dict[str, object] = dict(stop)
    if answer.usage is not None:
        rest["usage"] = _usage(Usage(*answer.usage))
    return Script(
        content_type="application/json",
        opening=_json(message)[:-1] + b',"content":',
        chunks=tuple(chunk.data if isinstance(chunk, Frame) else b"" for chunk in answer.chunks),
        # In ASCII: a half of a pair can be spelled so.
        closing=(json.dumps(_content(_layout(answer.chunks))).encode() + b"," + _json(rest)[1:],),
    )


def _content(layout: Layout) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    said: list[str] = []
    for step in layout.steps:
        if step.seal:
            blocks[-1]["signature"] = step.seal
        if step.begins is not None:
            blocks.append(dict(step.begins.start))
            said.append("")
        if isinstance(step.adds, Filler):
            said[-1] += "a" * step.adds.size
        elif isinstance(step.adds, bytes) and step.adds:
            said[-1] += _text(step.adds)
    if layout.seal:
        blocks[-1]["signature"] = layout.seal
    for block, text in zip(blocks, said, strict=True):
        match block["type"]:
            case "tool_use":
                block["input"] = json.loads(text or "{}")
            case "text" | "thinking":
                block[block["type"]] = text
    return blocks


def _stop(answer: Answer, body: Body) -> dict[str, object]:
    """A `stop_sequence` is the first that the caller named."""
    refused = [chunk.text for chunk in answer.chunks if isinstance(chunk, Refusal)]
    if not refused:
        reason = None if answer.finish is None else STOP_REASONS.get(answer.finish, answer.finish)
        sequences = body.get("stop_sequences") if reason == "stop_sequence" else None
        return {"stop_reason": reason, "stop_sequence": sequences[0] if sequences else None}
    words = b"".join(map(_escaped, refused))
    details = {"type": "refusal", "category": None, "explanation": _text(words)}
    return {"stop_reason": "refusal", "stop_sequence": None, "stop_details": details}


def _usage(usage: Usage) -> dict[str, object]:
    """Of the prompt, what the cache gave or took is counted apart."""
    return {
        "input_tokens": usage.prompt - usage.cached - usage.written,
        "cache_creation_input_tokens": usage.written,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.completion,
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
    }


def _error(reason: Reason, message: str | None) -> bytes:
    kind, usual = ERRORS[reason]
    error = {"type": kind, "message": message or usual}
    return _json({"type": "error", "error": error, "request_id": "req_loopback"})


def _text(escaped: bytes) -> str:
    text: str = json.loads(f'"{escaped.decode(errors="replace")}"', strict=False)
    return text


def _escaped(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else _json(text)[1:-1]


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
