"""The lines of Ollama's chat stream, decoded no further than they are used."""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from app.domain.events import Finish, FinishReason, ProviderEvent, ReasoningDelta, TextDelta, Usage
from app.domain.failures import GenerationFailure
from app.domain.text import TextJoiner
from app.providers import ollama_errors
from app.providers.raw_json import NULL, count, dumps, given, loads, piece
from app.providers.verdicts import PROTOCOL


class Message(Struct):
    content: Raw = NULL
    thinking: Raw = NULL


class Line(Struct):
    message: Message | None = None
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: Raw = NULL
    prompt_eval_cached_count: Raw = NULL
    eval_count: Raw = NULL
    error: Raw = NULL


class _LooseLine(Struct):
    message: dict[str, Any] | None = None
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: Any = None
    prompt_eval_cached_count: Any = None
    eval_count: Any = None
    error: Any = None


_decode = msgspec.json.Decoder(Line).decode


class LineReader:
    """Turns the lines of one answer into events.

    What goes wrong is kept in `failure` rather than raised, for the events before it are to be delivered first.
    """

    __slots__ = ("_reasoning", "_text", "done", "failure", "finished")

    def __init__(self) -> None:
        self._text = TextJoiner()
        self._reasoning = TextJoiner()
        self.finished = False
        self.done = False
        self.failure: GenerationFailure | None = None

    def read(self, payloads: list[bytes]) -> list[ProviderEvent]:
        events: list[ProviderEvent] = []
        try:
            for payload in payloads:
                self._read(payload, events)
                if self.done:
                    break
        except GenerationFailure as failure:
            self.failure = failure
        return events

    def flush(self) -> list[ProviderEvent]:
        """Half characters that still waited when the stream ended."""
        events: list[ProviderEvent] = []
        if raw := self._reasoning.flush():
            events.append(ReasoningDelta(raw))
        if raw := self._text.flush():
            events.append(TextDelta(raw))
        return events

    def _read(self, payload: bytes, events: list[ProviderEvent]) -> None:
        try:
            line = _decode(payload)
        except (msgspec.DecodeError, RecursionError):
            line = _decode_loosely(payload)
        if given(line.error):
            raise ollama_errors.reported(loads(bytes(line.error)))
        if message := line.message:
            if raw := piece(self._reasoning, message.thinking):
                events.append(ReasoningDelta(raw))
            if raw := piece(self._text, message.content):
                events.append(TextDelta(raw))
        if line.done:
            self._finish(line, events)

    def _finish(self, line: Line, events: list[ProviderEvent]) -> None:
        """Its reasons beside `length` (`stop`, `load`, `unload`, none in old versions) all say that it is whole."""
        self.finished = self.done = True
        events += self.flush()
        events.append(Finish(FinishReason.LENGTH if line.done_reason == "length" else FinishReason.STOP))
        if usage := _usage(line):
            events.append(usage)


def _decode_loosely(payload: bytes) -> Line:
    try:
        loose = msgspec.convert(loads(payload), _LooseLine)
    except msgspec.ValidationError as error:
        raise PROTOCOL.failure() from error
    said = loose.message or {}
    return Line(
        Message(dumps(said.get("content")), dumps(said.get("thinking"))),
        loose.done,
        loose.done_reason,
        dumps(loose.prompt_eval_count),
        dumps(loose.prompt_eval_cached_count),
        dumps(loose.eval_count),
        dumps(loose.error),
    )


def _usage(line: Line) -> Usage | None:
    """What is reported; None where it is no report at all."""
    inputs, outputs = count(line.prompt_eval_count), count(line.eval_count)
    if inputs is None and outputs is None:
        return None
    cached = min(count(line.prompt_eval_cached_count) or 0, inputs or 0)
    return Usage(inputs or 0, outputs or 0, cached_input_tokens=cached)
