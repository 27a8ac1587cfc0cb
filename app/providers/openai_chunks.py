"""The chunks of OpenAI's chat-completions stream, decoded no further than they are used."""

import json
from typing import Any

import msgspec
from msgspec import Raw, Struct

from app.domain.events import Finish, FinishReason, ProviderEvent, ReasoningDelta, TextDelta, Usage
from app.domain.failures import GenerationFailure
from app.domain.text import TextJoiner
from app.providers import openai_errors
from app.providers.verdicts import OVERLOADED, PROTOCOL, REFUSED

_MAX_TOKENS = 2**31 - 1
_NULL = Raw(b"null")
_NOTHING = (b"null", b'""')


class Delta(Struct):
    content: Raw = _NULL
    reasoning_content: Raw = _NULL
    reasoning: Raw = _NULL
    refusal: Raw = _NULL


class Choice(Struct):
    index: int = 0
    delta: Delta | None = None
    finish_reason: str | None = None


class Chunk(Struct):
    choices: list[Choice] | None = None
    usage: Raw = _NULL
    error: Raw = _NULL


class _InputDetails(Struct):
    cached_tokens: int | None = None


class _OutputDetails(Struct):
    reasoning_tokens: int | None = None


class _Usage(Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None


class _LooseChoice(Struct):
    index: int | None = None
    delta: dict[str, Any] | None = None
    finish_reason: str | None = None


class _LooseChunk(Struct):
    choices: list[_LooseChoice] | None = None
    usage: Any = None
    error: Any = None


_decode = msgspec.json.Decoder(Chunk).decode


class ChunkReader:
    """Turns the chunks of one answer into events.

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
                if payload == b"[DONE]":
                    self._finish(FinishReason.STOP, events)
                    self.done = True
                    break
                if payload:
                    self._read(payload, events)
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
            chunk = _decode(payload)
        except (msgspec.DecodeError, RecursionError):
            chunk = _decode_loosely(payload)
        if chunk.error != _NULL:
            raise openai_errors.reported(_loads(bytes(chunk.error)))
        for choice in chunk.choices or ():
            if choice.index == 0:
                self._choose(choice, events)
        if chunk.usage != _NULL and (usage := _usage(chunk.usage)):
            events.append(usage)

    def _choose(self, choice: Choice, events: list[ProviderEvent]) -> None:
        if delta := choice.delta:
            if raw := _piece(self._reasoning, delta.reasoning_content) or _piece(self._reasoning, delta.reasoning):
                events.append(ReasoningDelta(raw))
            if raw := _piece(self._text, delta.content):
                if self.finished:  # what follows the marker would be lost, and the answer called whole
                    raise PROTOCOL.failure()
                events.append(TextDelta(raw))
            if delta.refusal is not _NULL and bytes(delta.refusal) not in _NOTHING:
                raise REFUSED.failure()
        if reason := choice.finish_reason:
            self._end(reason, events)

    def _end(self, reason: str, events: list[ProviderEvent]) -> None:
        match reason:
            case "content_filter":
                raise REFUSED.failure()
            case "insufficient_system_resource":  # DeepSeek gave up midway
                raise OVERLOADED.failure()
            case "length":
                self._finish(FinishReason.LENGTH, events)
            case _:
                self._finish(FinishReason.STOP, events)

    def _finish(self, reason: FinishReason, events: list[ProviderEvent]) -> None:
        if not self.finished:
            self.finished = True
            events += self.flush()
            events.append(Finish(reason))


def _piece(joiner: TextJoiner, raw: Raw) -> bytes | None:
    if raw is _NULL or (text := bytes(raw)) in _NOTHING:
        return None
    if text[0] != 0x22:
        raise PROTOCOL.failure()
    return joiner.splice(text) or joiner.join(_loads(text))


def _decode_loosely(payload: bytes) -> Chunk:
    """For what msgspec refuses and vendors send: half a surrogate pair, invalid UTF-8, raw control characters."""
    try:
        loose = msgspec.convert(_loads(payload), _LooseChunk)
    except msgspec.ValidationError as error:
        raise PROTOCOL.failure() from error
    choices = [
        Choice(choice.index or 0, _delta(choice.delta or {}), choice.finish_reason) for choice in loose.choices or ()
    ]
    return Chunk(choices, _raw(loose.usage), _raw(loose.error))


def _delta(fields: dict[str, Any]) -> Delta:
    return Delta(**{name: _raw(fields[name]) for name in Delta.__struct_fields__ if name in fields})


def _raw(value: Any) -> Raw:
    return Raw(json.dumps(value).encode())


def _loads(data: bytes) -> Any:
    try:
        return json.loads(data.decode(errors="replace"), strict=False)
    except (ValueError, RecursionError) as error:
        raise PROTOCOL.failure() from error


def _usage(raw: Raw) -> Usage | None:
    """What is reported, made sane; None where it is no report at all."""
    try:
        usage = msgspec.json.decode(raw, type=_Usage)
    except (msgspec.DecodeError, RecursionError):
        return None
    if usage.prompt_tokens is None and usage.completion_tokens is None:
        return None
    into, out = usage.prompt_tokens_details, usage.completion_tokens_details
    inputs = _count(usage.prompt_tokens, _MAX_TOKENS)
    outputs = _count(usage.completion_tokens, _MAX_TOKENS)
    return Usage(
        inputs,
        outputs,
        cached_input_tokens=_count(into.cached_tokens if into else None, inputs),
        reasoning_tokens=_count(out.reasoning_tokens if out else None, outputs),
    )


def _count(value: int | None, limit: int) -> int:
    return min(max(value or 0, 0), limit)
