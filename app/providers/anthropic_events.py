"""The events of Anthropic's message stream, decoded no further than they are used."""

import json
from typing import Any

import msgspec
from msgspec import Raw, Struct

from app.domain.events import (
    Finish,
    FinishReason,
    ProviderEvent,
    ReasoningDelta,
    ReasoningSignature,
    RedactedReasoning,
    TextDelta,
)
from app.domain.failures import GenerationFailure
from app.domain.text import TextJoiner
from app.providers import anthropic_errors
from app.providers.anthropic_usage import Counts
from app.providers.verdicts import PROTOCOL, REFUSED

_NULL = Raw(b"null")
_NOTHING = (b"null", b'""')
_REASONS = {"max_tokens": FinishReason.LENGTH, "model_context_window_exceeded": FinishReason.LENGTH}


class Piece(Struct):
    """A block as it begins, or what is added to one, or to the message."""

    type: str = ""
    text: Raw = _NULL
    thinking: Raw = _NULL
    signature: str | None = None
    data: str | None = None
    stop_reason: str | None = None


class Message(Struct):
    usage: Raw = _NULL


class Event(Struct):
    type: str = ""
    delta: Piece | None = None
    content_block: Piece | None = None
    message: Message | None = None
    usage: Raw = _NULL
    error: Raw = _NULL


class _LooseEvent(Struct):
    type: str | None = None
    delta: dict[str, Any] | None = None
    content_block: dict[str, Any] | None = None
    message: dict[str, Any] | None = None
    usage: Any = None
    error: Any = None


_decode = msgspec.json.Decoder(Event).decode


class EventReader:
    """Turns the events of one message into ours.

    What goes wrong is kept in `failure` rather than raised, for the events before it are to be delivered first.
    """

    __slots__ = ("_counts", "_reasoning", "_signature", "_text", "done", "failure", "finished")

    def __init__(self) -> None:
        self._text = TextJoiner()
        self._reasoning = TextJoiner()
        self._signature = ""
        self._counts = Counts()
        self.finished = False
        self.done = False
        self.failure: GenerationFailure | None = None

    def read(self, payloads: list[bytes]) -> list[ProviderEvent]:
        events: list[ProviderEvent] = []
        try:
            for payload in payloads:
                if payload:
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
            event = _decode(payload)
        except (msgspec.DecodeError, RecursionError):
            event = _decode_loosely(payload)
        if event.type == "content_block_delta":
            if event.delta is not None:
                self._add(event.delta, events)
            return
        if event.error != _NULL:
            raise anthropic_errors.reported(_loads(bytes(event.error)))
        match event.type:
            case "content_block_start":
                self._begin(event.content_block or Piece(), events)
            case "content_block_stop":
                self._close(events)
            case "message_start":
                self._counts.add((event.message or Message()).usage)
            case "message_delta":
                self._end(event, events)
            case "message_stop":
                self._finish(FinishReason.STOP, events)
                self.done = True

    def _add(self, delta: Piece, events: list[ProviderEvent]) -> None:
        match delta.type:
            case "text_delta":
                self._say(delta.text, events)
            case "thinking_delta":
                self._think(delta.thinking, events)
            case "signature_delta":
                self._signature += delta.signature or ""

    def _begin(self, block: Piece, events: list[ProviderEvent]) -> None:
        match block.type:
            case "text":
                self._say(block.text, events)
            case "thinking":
                self._think(block.thinking, events)
                self._signature = block.signature or ""
            case "redacted_thinking" if block.data:
                events.append(RedactedReasoning(block.data))

    def _say(self, text: Raw, events: list[ProviderEvent]) -> None:
        if raw := _piece(self._text, text):
            if self.finished:  # what follows the marker would be lost, and the answer called whole
                raise PROTOCOL.failure()
            events.append(TextDelta(raw))

    def _think(self, text: Raw, events: list[ProviderEvent]) -> None:
        if raw := _piece(self._reasoning, text):
            events.append(ReasoningDelta(raw))

    def _close(self, events: list[ProviderEvent]) -> None:
        """The end of a block, whatever it was; what was thought has its seal even where it is not shown."""
        events += self.flush()
        if self._signature:
            events.append(ReasoningSignature(self._signature))
            self._signature = ""

    def _end(self, event: Event, events: list[ProviderEvent]) -> None:
        reason = event.delta.stop_reason if event.delta else None
        if reason and reason != "refusal":
            self._finish(_REASONS.get(reason, FinishReason.STOP), events)
        if usage := self._counts.add(event.usage):
            events.append(usage)
        if reason == "refusal":
            raise REFUSED.failure()

    def _finish(self, reason: FinishReason, events: list[ProviderEvent]) -> None:
        if not self.finished:
            self.finished = True
            self._close(events)
            events.append(Finish(reason))


def _piece(joiner: TextJoiner, raw: Raw) -> bytes | None:
    if raw is _NULL or (text := bytes(raw)) in _NOTHING:
        return None
    if text[0] != 0x22:
        raise PROTOCOL.failure()
    return joiner.splice(text) or joiner.join(_loads(text))


def _decode_loosely(payload: bytes) -> Event:
    """For what msgspec refuses and vendors send: half a surrogate pair, invalid UTF-8, raw control characters."""
    try:
        loose = msgspec.convert(_loads(payload), _LooseEvent)
    except msgspec.ValidationError as error:
        raise PROTOCOL.failure() from error
    return Event(
        loose.type or "",
        delta=_loose_piece(loose.delta or {}),
        content_block=_loose_piece(loose.content_block or {}),
        message=Message(_raw((loose.message or {}).get("usage"))),
        usage=_raw(loose.usage),
        error=_raw(loose.error),
    )


def _loose_piece(fields: dict[str, Any]) -> Piece:
    words = {
        name: value
        for name in ("type", "signature", "data", "stop_reason")
        if isinstance(value := fields.get(name), str)
    }
    return Piece(text=_raw(fields.get("text")), thinking=_raw(fields.get("thinking")), **words)


def _raw(value: Any) -> Raw:
    return Raw(json.dumps(value).encode())


def _loads(data: bytes) -> Any:
    try:
        return json.loads(data.decode(errors="replace"), strict=False)
    except (ValueError, RecursionError) as error:
        raise PROTOCOL.failure() from error
