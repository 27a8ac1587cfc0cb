"""Ollama's chat and generate, streamed and whole: lines of JSON, the last of which counts."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from app.domain import text
from app.domain.events import FinishReason, Kind, LogEvent
from app.wire.refusals import ollama_error
from app.wire.whole import STOPPED, Called, Counts, Ending, FailureEvent, ToolCallEvent, ToolInputEvent, WholeAnswer

_REASONS = {FinishReason.LENGTH: "length"}
_BROKEN = {"error": "the model called a tool with what is no JSON object"}


class BrokenCall(Exception):
    """The model called a tool with what is no JSON object: Ollama's clients get arguments as one, never as text."""


class OllamaStream:
    """One reading. A call of a tool is told when it is whole, as Ollama tells it."""

    media_type = "application/x-ndjson"

    def __init__(self, model: str, *, generate: bool) -> None:
        self._model = _encoded(model)
        self._generate = generate
        self._counts = Counts()
        self._began = time.monotonic_ns()
        self._first: int | None = None
        self._calls: dict[int, tuple[ToolCallEvent, list[bytes]]] = {}

    def encode(self, event: LogEvent) -> bytes:
        match event.kind:
            case Kind.TEXT | Kind.REFUSAL:
                return self._said(event.payload)
            case Kind.REASONING:
                return self._thought(event.payload)
            case Kind.TOOL_CALL:
                call = msgspec.json.decode(event.payload, type=ToolCallEvent)
                self._calls[call.index] = call, []
            case Kind.TOOL_INPUT:
                piece = msgspec.json.decode(event.payload, type=ToolInputEvent)
                self._calls[piece.index][1].append(bytes(piece.text))
            case Kind.USAGE:
                self._counts = msgspec.json.decode(event.payload, type=Counts)
            case Kind.FAILURE:
                return _fail(msgspec.json.decode(event.payload, type=FailureEvent))
            case Kind.DONE:
                return self._end(msgspec.json.decode(event.payload, type=Ending))
        return b""

    def ping(self) -> bytes:
        """A piece of nothing: a line that holds no JSON ends Ollama's own client."""
        return self._spelled(b'""')

    def _said(self, payload: bytes) -> bytes:
        self._first = self._first or time.monotonic_ns()
        return self._spelled(payload)

    def _spelled(self, payload: bytes) -> bytes:
        if self._generate:
            return self._about(b'"response":%b' % payload)
        return self._about(b'"message":{"role":"assistant","content":%b}' % payload)

    def _thought(self, payload: bytes) -> bytes:
        self._first = self._first or time.monotonic_ns()
        if self._generate:
            return self._about(b'"response":"","thinking":%b' % payload)
        return self._about(b'"message":{"role":"assistant","content":"","thinking":%b}' % payload)

    def _about(self, rest: bytes) -> bytes:
        return b'{"model":%b,"created_at":"%b",%b,"done":false}\n' % (self._model, _now().encode(), rest)

    def _end(self, ending: Ending) -> bytes:
        if ending.status == "failed":
            return b""
        if ending.is_stopped:
            return _fail(STOPPED)
        called = [Called(call.id, call.name, text.decode(pieces)) for call, pieces in self._calls.values()]
        try:
            calls = spelled_calls(called, ending)
        except BrokenCall:
            return _line(_BROKEN)
        lines = b""
        if calls:
            lines = self._about(b'"message":{"role":"assistant","content":"","tool_calls":%b}' % _encoded(calls))
        message = {"response": ""} if self._generate else {"message": {"role": "assistant", "content": ""}}
        first = self._first or time.monotonic_ns()
        about = {"model": msgspec.json.decode(self._model), "created_at": _now()}
        return lines + _line({**about, **message, **end_of(ending, self._counts, self._began, first)})


def whole_answer(answer: WholeAnswer, model: str, *, generate: bool, began: int) -> bytes:
    """The body of an answer that was waited for; `began` in nanoseconds of the monotonic clock.

    Raises BrokenCall.
    """
    said: dict[str, Any] = {"content": answer.words}
    if thought := answer.thought:
        said["thinking"] = thought
    if calls := spelled_calls(answer.calls, answer.ending):
        said["tool_calls"] = calls
    about: dict[str, Any] = {"model": model, "created_at": _now()}
    if generate:
        about["response"] = said.pop("content")
        about |= said
    else:
        about["message"] = {"role": "assistant", **said}
    return msgspec.json.encode(about | end_of(answer.ending, answer.counts or Counts(), began, began))


def loaded(model: str, reason: str, *, generate: bool) -> bytes:
    """The one line for who asks nothing: the model is there."""
    message: dict[str, Any] = {"response": ""} if generate else {"message": {"role": "assistant", "content": ""}}
    return _line({"model": model, "created_at": _now(), **message, "done": True, "done_reason": reason})


def spelled_calls(calls: Sequence[Called], ending: Ending) -> list[dict[str, Any]]:
    """Those of an answer, but for the one that its end cut off. Raises BrokenCall."""
    spelled = []
    for index, call in enumerate(calls):
        try:
            arguments = msgspec.json.decode(call.arguments or "{}", type=dict[str, Any])
        except (ValueError, RecursionError) as error:
            if ending.reason is FinishReason.LENGTH:
                break
            raise BrokenCall from error
        spelled.append({"id": call.id, "function": {"index": index, "name": call.name, "arguments": arguments}})
    return spelled


def end_of(ending: Ending, counts: Counts, began: int, first: int) -> dict[str, Any]:
    """How it ended, and in what time: nanoseconds."""
    now = time.monotonic_ns()
    return {
        "done": True,
        "done_reason": _REASONS.get(ending.reason, "stop"),
        "total_duration": now - began,
        "load_duration": 0,
        "prompt_eval_count": counts.input_tokens,
        "prompt_eval_duration": first - began,
        "eval_count": counts.output_tokens,
        "eval_duration": now - first,
    }


def _fail(why: FailureEvent) -> bytes:
    return _line(ollama_error(why.code, why.detail, rejected=why.rejected))


def _line(fields: Mapping[str, Any]) -> bytes:
    return _encoded(fields) + b"\n"


def _encoded(value: object) -> bytes:
    """Ollama's own client ends a line at each of Unicode's separators, too."""
    return text.escaped(msgspec.json.encode(value))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
