"""OpenAI's responses, streamed: events in their order, numbered, of items that are opened and closed."""

from collections.abc import Mapping
from typing import Any

import msgspec

from app.domain import seals
from app.domain.events import FinishReason, Kind, LogEvent
from app.wire.dialects import EventStream
from app.wire.openai_response import (
    answered,
    failed,
    function_call,
    message,
    output_text,
    reasoning,
    refusal,
    summary_text,
)
from app.wire.refusals import openai_error
from app.wire.whole import STOPPED, Counts, Ending, FailureEvent, SealEvent, ToolCallEvent, ToolInputEvent

_PREFIXES = {Kind.TEXT: "msg", Kind.REFUSAL: "msg", Kind.REASONING: "rs", Kind.SEAL: "rs", Kind.TOOL_CALL: "fc"}
"""Of an item's id, by what it holds; a seal stands alone where no thoughts are shown."""


class _Item:
    """One item of the output that is being written; `raws` are JSON strings, `seal` is that of thoughts."""

    __slots__ = ("call", "id", "index", "kind", "raws", "seal")

    def __init__(self, kind: Kind, identity: str, index: int, call: ToolCallEvent | None = None) -> None:
        self.kind = kind
        self.id = identity
        self.index = index
        self.call = call
        self.raws: list[bytes] = []
        self.seal: str | None = None

    @property
    def text(self) -> msgspec.Raw:
        """All of it, still a JSON string."""
        return msgspec.Raw(b'"%b"' % b"".join(raw[1:-1] for raw in self.raws))


class ResponseStream(EventStream):
    """One reading; `about` is what a response says of itself from its beginning, `with_seals` whether its client wants
    what seals the thoughts."""

    def __init__(self, about: Mapping[str, Any], *, with_seals: bool) -> None:
        self._about = about
        self._with_seals = with_seals
        self._number = 0
        self._output: dict[int, dict[str, Any]] = {}
        self._open: _Item | None = None
        self._calls: dict[int, _Item] = {}
        """Open to the end, for vendors may write several at once."""
        self._begun = 0
        self._counts = Counts()
        self._refused = False
        self._failure: dict[str, Any] | None = None

    def encode(self, event: LogEvent) -> bytes:
        match event.kind:
            case Kind.TEXT | Kind.REASONING:
                return self._say(event.kind, event.payload)
            case Kind.REFUSAL:
                self._refused = True
                return self._say(event.kind, event.payload)
            case Kind.START:
                begun = {"response": answered(self._about, [], None, "in_progress")}
                return self._told("response.created", begun) + self._told("response.in_progress", begun)
            case Kind.TOOL_CALL:
                call = msgspec.json.decode(event.payload, type=ToolCallEvent)
                return self._leave_open() + self._begin(Kind.TOOL_CALL, call)
            case Kind.TOOL_INPUT:
                return self._add_arguments(msgspec.json.decode(event.payload, type=ToolInputEvent))
            case Kind.SEAL:
                return self._seal(msgspec.json.decode(event.payload, type=SealEvent))
            case Kind.USAGE:
                self._counts = msgspec.json.decode(event.payload, type=Counts)
            case Kind.FAILURE:
                self._failure = _error(msgspec.json.decode(event.payload, type=FailureEvent))
            case Kind.DONE:
                return self._end(msgspec.json.decode(event.payload, type=Ending))
        return b""

    def _say(self, kind: Kind, payload: bytes) -> bytes:
        before = b""
        if self._open is None or self._open.kind is not kind:
            before = self._leave_open() + self._begin(kind)
        item = self._open
        assert item is not None  # noqa: S101  # it was begun above
        item.raws.append(payload)
        return before + self._delta(item, payload)

    def _delta(self, item: _Item, payload: bytes) -> bytes:
        name, place = _DELTAS[item.kind]
        self._number += 1
        return (
            b'event: %b\ndata: {"type":"%b","sequence_number":%d,"item_id":"%b","output_index":%d%b,"delta":%b}\n\n'
            % (name, name, self._number - 1, item.id.encode(), item.index, place, payload)
        )

    def _add_arguments(self, piece: ToolInputEvent) -> bytes:
        raw, item = bytes(piece.text), self._calls[piece.index]
        item.raws.append(raw)
        return self._delta(item, raw)

    def _seal(self, seal: SealEvent) -> bytes:
        """What is thought behind it is a thought of its own."""
        sealed = seals.in_one_field(seal.signature, seal.redacted)
        if not self._with_seals or sealed is None:
            return self._leave_open()
        begun, item = b"", self._open
        if item is None or item.kind is not Kind.REASONING or seal.redacted is not None:
            begun = self._leave_open() + self._begin(Kind.SEAL)
            item = self._open
        assert item is not None  # noqa: S101  # it was begun above
        item.seal = sealed
        return begun + self._leave_open()

    def _begin(self, kind: Kind, call: ToolCallEvent | None = None) -> bytes:
        item = _Item(kind, f"{_PREFIXES[kind]}_{self._about['id'][5:]}_{self._begun}", self._begun, call)
        self._begun += 1
        if call is None:
            self._open = item
        else:
            self._calls[call.index] = item
        begun = self._told("response.output_item.added", {"output_index": item.index, "item": _empty(item)})
        match kind:
            case Kind.TEXT | Kind.REFUSAL:
                part = output_text("") if kind is Kind.TEXT else refusal("")
                begun += self._of(item, "response.content_part.added", content_index=0, part=part)
            case Kind.REASONING:
                part = summary_text("")
                begun += self._of(item, "response.reasoning_summary_part.added", summary_index=0, part=part)
        return begun

    def _leave_open(self) -> bytes:
        """Close what is said or thought: something else begins."""
        item, self._open = self._open, None
        return b"" if item is None else self._close(item, "completed")

    def _close_all(self, status: str) -> bytes:
        items = [*filter(None, [self._open]), *self._calls.values()]
        return b"".join(self._close(item, status) for item in items)

    def _close(self, item: _Item, status: str) -> bytes:
        text = item.text
        match item.kind:
            case Kind.TEXT:
                part = output_text(text)
                closed = self._of(item, "response.output_text.done", content_index=0, text=text, logprobs=[])
                closed += self._of(item, "response.content_part.done", content_index=0, part=part)
                whole = message(item.id, part, status)
            case Kind.REFUSAL:
                part = refusal(text)
                closed = self._of(item, "response.refusal.done", content_index=0, refusal=text)
                closed += self._of(item, "response.content_part.done", content_index=0, part=part)
                whole = message(item.id, part, status)
            case Kind.REASONING:
                part = summary_text(text)
                closed = self._of(item, "response.reasoning_summary_text.done", summary_index=0, text=text)
                closed += self._of(item, "response.reasoning_summary_part.done", summary_index=0, part=part)
                whole = reasoning(item.id, text, item.seal)
            case Kind.SEAL:
                closed, whole = b"", reasoning(item.id, None, item.seal)
            case _:
                assert item.call is not None  # noqa: S101  # as it was begun
                name = item.call.name
                closed = self._of(item, "response.function_call_arguments.done", name=name, arguments=text)
                whole = function_call(item.id, item.call.id, name, text, status)
        self._output[item.index] = whole
        return closed + self._told("response.output_item.done", {"output_index": item.index, "item": whole})

    def _end(self, ending: Ending) -> bytes:
        broken, reason = ending.is_failed or ending.is_stopped, ending.reason_to_openai(in_words=self._refused)
        cut = broken or reason in (FinishReason.LENGTH, FinishReason.REFUSED)
        closed = self._close_all("incomplete" if cut else "completed")
        output = [self._output[index] for index in sorted(self._output)]
        if broken:
            response = failed(self._about, output, self._failure or _error(STOPPED))
        else:
            response = answered(self._about, output, self._counts, reason)
        return closed + self._told(f"response.{response['status']}", {"response": response})

    def _of(self, item: _Item, event: str, /, **fields: Any) -> bytes:
        return self._told(event, {"item_id": item.id, "output_index": item.index, **fields})

    def _told(self, name: str, fields: Mapping[str, Any]) -> bytes:
        data = msgspec.json.encode({"type": name, "sequence_number": self._number, **fields})
        self._number += 1
        return b"event: %b\ndata: %b\n\n" % (name.encode(), data)


def _error(why: FailureEvent) -> dict[str, Any]:
    error: dict[str, Any] = openai_error(why.code, why.detail, rejected=why.rejected)["error"]
    return error


_DELTAS = {
    Kind.TEXT: (b"response.output_text.delta", b',"content_index":0,"logprobs":[]'),
    Kind.REFUSAL: (b"response.refusal.delta", b',"content_index":0'),
    Kind.REASONING: (b"response.reasoning_summary_text.delta", b',"summary_index":0'),
    Kind.TOOL_CALL: (b"response.function_call_arguments.delta", b""),
}


def _empty(item: _Item) -> dict[str, Any]:
    match item.kind:
        case Kind.TEXT | Kind.REFUSAL:
            return message(item.id, None, "in_progress")
        case Kind.REASONING | Kind.SEAL:
            return reasoning(item.id, None)
        case _:
            assert item.call is not None  # noqa: S101  # as it was begun
            return function_call(item.id, item.call.id, item.call.name, "", "in_progress")
