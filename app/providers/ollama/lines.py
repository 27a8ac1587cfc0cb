"""The lines of Ollama's chat stream, decoded no further than they are used."""

import re
from typing import Any

import msgspec
from msgspec import Raw, Struct

from app.domain.events import Finish, FinishReason, ProviderEvent, Usage
from app.providers.ollama import errors
from app.providers.ollama.tool_calls import called
from app.providers.raw_json import NULL, count, dumps, given, loads
from app.providers.reading import AnswerReader
from app.providers.verdicts import PROTOCOL


class Message(Struct):
    content: Raw = NULL
    thinking: Raw = NULL
    reasoning_content: Raw = NULL
    tool_calls: Raw = NULL


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


class LineReader(AnswerReader):
    """Turns the lines of one answer into events."""

    __slots__ = ("_calls",)

    varying = re.compile(rb'"created_at": ?(?P<value>"[^"]*+")')

    def __init__(self) -> None:
        super().__init__()
        self._calls = 0

    def _read(self, payload: bytes, events: list[ProviderEvent]) -> None:
        try:
            line = _decode(payload)
        except (ValueError, RecursionError):
            line = _decode_loosely(payload)
        if given(line.error):
            raise errors.reported(loads(bytes(line.error)))
        if message := line.message:
            # Servers that speak this protocol beside OpenAI's carry that one's word over.
            self._think(message.thinking, events) or self._think(message.reasoning_content, events)
            self._say(message.content, events)
            if message.tool_calls is not NULL:
                self._call(message.tool_calls, events)
        if line.done:
            self._finish(line, events)

    def _call(self, calls: Raw, events: list[ProviderEvent]) -> None:
        """A call comes whole, and what the model said or thought before it is then said to its end."""
        if of_calls := called(calls, self._calls):
            events += self.flush()
            events += of_calls
            self._calls += len(of_calls) // 2

    def _finish(self, line: Line, events: list[ProviderEvent]) -> None:
        """Its reasons beside `length` (`stop`, `load`, `unload`, none in old versions) all say that it is whole."""
        self.finished = self.done = True
        events += self.flush()
        whole = FinishReason.TOOL_CALLS if self._calls else FinishReason.STOP
        events.append(Finish(FinishReason.LENGTH if line.done_reason == "length" else whole))
        if usage := usage_of(line):
            events.append(usage)


def _decode_loosely(payload: bytes) -> Line:
    try:
        loose = msgspec.convert(loads(payload), _LooseLine)
    except ValueError as error:  # of another shape, or half a surrogate pair in a name
        raise PROTOCOL.failure() from error
    said = loose.message or {}
    return Line(
        Message(**{name: dumps(said[name]) for name in Message.__struct_fields__ if name in said}),
        loose.done,
        loose.done_reason,
        dumps(loose.prompt_eval_count),
        dumps(loose.prompt_eval_cached_count),
        dumps(loose.eval_count),
        dumps(loose.error),
    )


def usage_of(line: Line) -> Usage | None:
    """What is reported; None where it is no report at all."""
    inputs, outputs = count(line.prompt_eval_count), count(line.eval_count)
    if inputs is None and outputs is None:
        return None
    cached = min(count(line.prompt_eval_cached_count) or 0, inputs or 0)
    return Usage(inputs or 0, outputs or 0, cached_input_tokens=cached)
