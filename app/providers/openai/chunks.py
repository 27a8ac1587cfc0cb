"""The chunks of OpenAI's chat-completions stream, decoded no further than they are used."""

import re
from typing import Any

import msgspec
from msgspec import Raw, Struct

from app.domain.events import Finish, FinishReason, ProviderEvent, RefusalDelta
from app.domain.text import TextJoiner
from app.providers.openai import errors, usage
from app.providers.openai.tool_calls import ToolCalls
from app.providers.raw_json import NULL, dumps, given, loads, piece
from app.providers.reading import AnswerReader
from app.providers.verdicts import DECLINED, OVERLOADED, PROTOCOL


class Delta(Struct):
    content: Raw = NULL
    reasoning_content: Raw = NULL
    reasoning: Raw = NULL
    refusal: Raw = NULL
    tool_calls: Raw = NULL
    function_call: Raw = NULL


class Choice(Struct):
    index: int = 0
    delta: Delta | None = None
    finish_reason: str | None = None


class Chunk(Struct):
    choices: list[Choice] | None = None
    usage: Raw = NULL
    error: Raw = NULL


class _LooseChoice(Struct):
    index: int | None = None
    delta: dict[str, Any] | None = None
    finish_reason: str | None = None


class _LooseChunk(Struct):
    choices: list[_LooseChoice] | None = None
    usage: Any = None
    error: Any = None


_decode = msgspec.json.Decoder(Chunk).decode


class ChunkReader(AnswerReader):
    """Turns the chunks of one answer into events.

    An answer that the vendor declined fails at its very end only, for what it cost is told behind the refusal.
    """

    __slots__ = ("_calls", "_declined", "_refusal")

    varying = re.compile(rb'"obfuscation": ?(?P<value>"[^"]*+")')
    """Against those who read the lengths of packets, OpenAI makes all chunks equally long."""

    def __init__(self) -> None:
        super().__init__()
        self._calls = ToolCalls()
        self._refusal = TextJoiner()
        self._declined = False

    def flush(self) -> list[ProviderEvent]:
        if self._declined and self.failure is None:
            self.failure = DECLINED.failure()
        return super().flush() + self._rest_of_refusal() + self._calls.flush()

    def _read(self, payload: bytes, events: list[ProviderEvent]) -> None:
        if payload == b"[DONE]":
            self._finish(FinishReason.STOP, events)
            self.done = True
            if self._declined:
                raise DECLINED.failure()
            return
        try:
            chunk = _decode(payload)
        except (ValueError, RecursionError):
            chunk = _decode_loosely(payload)
        if given(chunk.error):
            raise errors.reported(loads(bytes(chunk.error)))
        for choice in chunk.choices or ():
            if choice.index == 0:
                self._choose(choice, events)
        if given(chunk.usage) and (used := usage.of_chat(chunk.usage)):
            events.append(used)

    def _choose(self, choice: Choice, events: list[ProviderEvent]) -> None:
        if delta := choice.delta:
            if delta.reasoning_content is not NULL or delta.reasoning is not NULL:
                self._think(delta.reasoning_content, events) or self._think(delta.reasoning, events)
            self._say(delta.content, events)
            if delta.tool_calls is not NULL or delta.function_call is not NULL:
                self._call(delta, events)
            if given(delta.refusal):
                self._decline(delta.refusal, events)
        if reason := choice.finish_reason:
            self._end(reason, events)

    @property
    def _steady(self) -> bool:
        return super()._steady and not (self._calls.seen or self._declined)

    def _call(self, delta: Delta, events: list[ProviderEvent]) -> None:
        before = len(events)
        self._calls.read(delta.tool_calls, events)
        self._calls.read_function(delta.function_call, events)
        if self.finished and len(events) > before:
            del events[before:]
            raise PROTOCOL.failure()

    def _decline(self, words: Raw, events: list[ProviderEvent]) -> None:
        self._declined = True
        if raw := piece(self._refusal, words):
            events.append(RefusalDelta(raw))

    def _rest_of_refusal(self) -> list[ProviderEvent]:
        raw = self._refusal.flush()
        return [RefusalDelta(raw)] if raw else []

    def _end(self, reason: str, events: list[ProviderEvent]) -> None:
        match reason:
            case "content_filter":
                self._declined = True
                self._finish(FinishReason.STOP, events)
            case "insufficient_system_resource":  # DeepSeek gave up midway
                raise OVERLOADED.failure()
            case "length":
                self._finish(FinishReason.LENGTH, events)
            case _:
                self._finish(FinishReason.STOP, events)

    def _finish(self, reason: FinishReason, events: list[ProviderEvent]) -> None:
        if self.finished:
            return
        self.finished = True
        if self._declined:
            events += self._rest_of_refusal()
            return
        events += super().flush()
        if reason is FinishReason.STOP and self._calls:  # many call it `stop`, too, when a tool is to be called
            events += self._calls.close()
            reason = FinishReason.TOOL_CALLS
        else:
            events += self._calls.flush()
        events.append(Finish(reason))


def _decode_loosely(payload: bytes) -> Chunk:
    try:
        loose = msgspec.convert(loads(payload), _LooseChunk)
    except ValueError as error:  # of another shape, or half a surrogate pair in a name
        raise PROTOCOL.failure() from error
    choices = [
        Choice(choice.index or 0, _delta(choice.delta or {}), choice.finish_reason) for choice in loose.choices or ()
    ]
    return Chunk(choices, dumps(loose.usage), dumps(loose.error))


def _delta(fields: dict[str, Any]) -> Delta:
    return Delta(**{name: dumps(fields[name]) for name in Delta.__struct_fields__ if name in fields})
