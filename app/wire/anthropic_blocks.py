"""The blocks of a message of Anthropic's while it is streamed: one is open at a time, and none is opened twice."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from app.domain import text
from app.domain.events import Kind, LogEvent
from app.wire.whole import SealEvent, ToolCallEvent, ToolInputEvent

_DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b":'
_BEHIND_DELTA = b"}}\n\n"
_TEXT = b'text_delta","text'
_THINKING = b'thinking_delta","thinking'
_SIGNATURE = b'signature_delta","signature'
_INPUT = b'input_json_delta","partial_json'


def event(name: str, fields: Mapping[str, Any]) -> bytes:
    """One event of the stream; its data repeats its name."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), json.dumps({"type": name, **fields}).encode())


class Blocks:
    """Begins and ends them as the answer goes from one thing to another; they are counted from 0.

    A vendor may write the arguments of several calls in turns: what follows a call that is not whole yet waits.
    """

    __slots__ = ("_arguments", "_begun", "_call", "_delta", "_open", "_waiting", "saying")

    def __init__(self) -> None:
        self._begun = 0
        self._open: Kind | None = None
        self.saying: Kind | None = None
        """TEXT, REFUSAL or REASONING, where that is open: the next piece of it is a `piece` and nothing else."""
        self._delta = b""
        """How a piece of the open block begins."""
        self._call = -1
        """The open call, or the last that was, by the log's own count."""
        self._arguments: list[bytes] = []
        self._waiting: list[LogEvent] = []

    def piece(self, payload: bytes) -> bytes:
        """More of what is open. Text is spliced in as it came, which is what most of an answer costs."""
        return self._delta + payload + _BEHIND_DELTA

    def encode(self, event: LogEvent) -> bytes:
        """What an event of the answer says."""
        if self._open is Kind.TOOL_CALL and self._has_to_wait(event):
            self._waiting.append(event)
            return b""
        return self._write(event)

    def close(self) -> bytes:
        """The end of what is open, and all that waits."""
        waiting, self._waiting = self._waiting, []
        return b"".join([self._stop(), *map(self._write, _call_by_call(waiting)), self._stop()])

    def _has_to_wait(self, event: LogEvent) -> bool:
        if event.kind is Kind.TOOL_INPUT:
            return _piece(event).index > self._call
        return bool(self._waiting) or not self._is_whole()

    def _is_whole(self) -> bool:
        """Whether the arguments of the open call are."""
        try:
            msgspec.json.decode(text.decode(self._arguments), type=dict[str, msgspec.Raw])
        except (ValueError, RecursionError):
            return False
        return True

    def _write(self, event: LogEvent) -> bytes:
        kind = event.kind
        if kind in (Kind.TEXT, Kind.REASONING, Kind.REFUSAL):
            begun = b"" if kind is self.saying else self._begin_saying(kind)
            return begun + self.piece(event.payload)
        match kind:
            case Kind.SEAL:
                return self._seal(msgspec.json.decode(event.payload, type=SealEvent))
            case Kind.TOOL_CALL:
                return self._begin_call(msgspec.json.decode(event.payload, type=ToolCallEvent))
            case Kind.TOOL_INPUT:
                return self._add(_piece(event))
            case _:
                return b""

    def _begin_saying(self, kind: Kind) -> bytes:
        if kind is Kind.REASONING:
            begun = self._begin(kind, {"type": "thinking", "thinking": "", "signature": ""}, _THINKING)
        else:
            begun = self._begin(kind, {"type": "text", "text": ""}, _TEXT)
        self.saying = kind
        return begun

    def _seal(self, seal: SealEvent) -> bytes:
        if seal.redacted is not None:
            return self._begin(Kind.SEAL, {"type": "redacted_thinking", "data": seal.redacted}) + self._stop()
        # Thoughts that are not shown have their seal all the same.
        begun = b"" if self.saying is Kind.REASONING else self._begin_saying(Kind.REASONING)
        signature = json.dumps(seal.signature or "").encode()
        return begun + _DELTA % (self._begun - 1, _SIGNATURE) + signature + _BEHIND_DELTA + self._stop()

    def _begin_call(self, call: ToolCallEvent) -> bytes:
        self._call = call.index
        self._arguments = []
        block = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
        return self._begin(Kind.TOOL_CALL, block, _INPUT)

    def _add(self, piece: ToolInputEvent) -> bytes:
        if piece.index != self._call or self._open is not Kind.TOOL_CALL:
            return b""  # of a call that was whole before
        raw = bytes(piece.text)
        self._arguments.append(raw)
        return self.piece(raw)

    def _begin(self, kind: Kind, block: Mapping[str, Any], delta: bytes = b"") -> bytes:
        stopped = self._stop()
        number = self._begun
        self._begun, self._open, self._delta = number + 1, kind, _DELTA % (number, delta)
        return stopped + event("content_block_start", {"index": number, "content_block": block})

    def _stop(self) -> bytes:
        if self._open is None:
            return b""
        self._open = self.saying = None
        return event("content_block_stop", {"index": self._begun - 1})


def _call_by_call(events: Iterable[LogEvent]) -> Iterable[LogEvent]:
    """The pieces of each call's arguments behind its beginning."""
    groups: list[list[LogEvent]] = []
    calls: dict[int, list[LogEvent]] = {}
    for each in events:
        if each.kind is Kind.TOOL_INPUT:
            calls.get(_piece(each).index, []).append(each)
            continue
        groups.append([each])
        if each.kind is Kind.TOOL_CALL:
            calls[msgspec.json.decode(each.payload, type=ToolCallEvent).index] = groups[-1]
    return (each for group in groups for each in group)


def _piece(event: LogEvent) -> ToolInputEvent:
    return msgspec.json.decode(event.payload, type=ToolInputEvent)
