"""The events of Anthropic's message stream, decoded no further than they are used."""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from app.domain.events import (
    Finish,
    FinishReason,
    ProviderEvent,
    ReasoningSignature,
    RedactedReasoning,
)
from app.providers.anthropic import errors
from app.providers.anthropic.tool_calls import Calls
from app.providers.anthropic.usage import Counts
from app.providers.raw_json import NULL, dumps, given, loads
from app.providers.reading import AnswerReader
from app.providers.verdicts import DECLINED, PROTOCOL

# Any other is a stop: `end_turn`, `stop_sequence`, `pause_turn`.
_REASONS = {
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
}


class Piece(Struct):
    """A block as it begins, or what is added to one, or to the message."""

    type: str = ""
    text: Raw = NULL
    thinking: Raw = NULL
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: Raw = NULL
    partial_json: Raw = NULL
    stop_reason: str | None = None
    stop_sequence: str | None = None


class Message(Struct):
    usage: Raw = NULL


class Event(Struct):
    type: str = ""
    index: int | None = None
    delta: Piece | None = None
    content_block: Piece | None = None
    message: Message | None = None
    usage: Raw = NULL
    error: Raw = NULL


class _LooseEvent(Struct):
    type: str | None = None
    index: Any = None
    delta: dict[str, Any] | None = None
    content_block: dict[str, Any] | None = None
    message: dict[str, Any] | None = None
    usage: Any = None
    error: Any = None


_decode = msgspec.json.Decoder(Event).decode


class EventReader(AnswerReader):
    """Turns the events of one message into ours. Blocks of the vendor's own tools, which nobody asks for, are none."""

    __slots__ = ("_calls", "_counts", "_signature")

    def __init__(self) -> None:
        super().__init__()
        self._signature = ""
        self._counts = Counts()
        self._calls = Calls()

    def _read(self, payload: bytes, events: list[ProviderEvent]) -> None:
        try:
            event = _decode(payload)
        except (ValueError, RecursionError):
            event = _decode_loosely(payload)
        if event.type == "content_block_delta":
            if event.delta is not None:
                self._add(event.delta, event.index, events)
            return
        if given(event.error):
            raise errors.reported(loads(bytes(event.error)))
        match event.type:
            case "content_block_start":
                self._begin(event.content_block or Piece(), event.index, events)
            case "content_block_stop":
                self._close(events)
                self._calls.close(event.index, events)
            case "message_start":
                events += self._counts.begin((event.message or Message()).usage)
            case "message_delta":
                self._end(event, events)
            case "message_stop":
                self._finish(Finish(FinishReason.STOP), events)
                self.done = True

    def _add(self, delta: Piece, block: int | None, events: list[ProviderEvent]) -> None:
        match delta.type:
            case "text_delta":
                self._say(delta.text, events)
            case "thinking_delta":
                self._think(delta.thinking, events)
            case "input_json_delta":
                self._calls.add(block, delta.partial_json, events)
            case "signature_delta":
                self._signature += delta.signature or ""

    def _begin(self, block: Piece, number: int | None, events: list[ProviderEvent]) -> None:
        self._calls.close(number, events)
        match block.type:
            case "text":
                self._say(block.text, events)
            case "thinking":
                self._think(block.thinking, events)
                self._signature = block.signature or ""
            case "redacted_thinking" if block.data:
                events.append(RedactedReasoning(block.data))
            case "tool_use":
                if self.finished:  # as with text: what follows the marker would be lost
                    raise PROTOCOL.failure()
                self._calls.begin(number, block.id, block.name, block.input, events)

    def _close(self, events: list[ProviderEvent]) -> None:
        """The end of a block, whatever it was; what was thought has its seal even where it is not shown."""
        events += self.flush()
        if self._signature:
            events.append(ReasoningSignature(self._signature))
            self._signature = ""

    def _end(self, event: Event, events: list[ProviderEvent]) -> None:
        delta = event.delta or Piece()
        reason = delta.stop_reason
        if reason and reason != "refusal":
            sequence = delta.stop_sequence if reason == "stop_sequence" else None
            self._finish(Finish(_REASONS.get(reason, FinishReason.STOP), sequence), events)
        if usage := self._counts.add(event.usage):
            events.append(usage)
        if reason == "refusal":
            raise DECLINED.failure()

    def _finish(self, finish: Finish, events: list[ProviderEvent]) -> None:
        if not self.finished:
            self.finished = True
            self._close(events)
            self._calls.close_all(events)
            events.append(finish)


def _decode_loosely(payload: bytes) -> Event:
    try:
        loose = msgspec.convert(loads(payload), _LooseEvent)
    except ValueError as error:  # of another shape, or half a surrogate pair in a name
        raise PROTOCOL.failure() from error
    return Event(
        loose.type or "",
        index=loose.index if isinstance(loose.index, int) else None,
        delta=_loose_piece(loose.delta or {}),
        content_block=_loose_piece(loose.content_block or {}),
        message=Message(dumps((loose.message or {}).get("usage"))),
        usage=dumps(loose.usage),
        error=dumps(loose.error),
    )


def _loose_piece(fields: dict[str, Any]) -> Piece:
    words = {
        name: value
        for name in ("type", "signature", "data", "id", "name", "stop_reason", "stop_sequence")
        if isinstance(value := fields.get(name), str) and value.isascii()  # else it could neither be kept nor go back
    }
    return Piece(
        text=dumps(fields.get("text")),
        thinking=dumps(fields.get("thinking")),
        input=dumps(fields.get("input")),
        partial_json=dumps(fields.get("partial_json")),
        **words,
    )
