"""The calls of tools in one streamed answer, as servers spell them: in pieces or whole, numbered or not."""

from secrets import token_hex
from typing import Any

import msgspec
from msgspec import Raw, Struct

from app.domain.events import ProviderEvent, ToolCallDelta, ToolCallStart
from app.domain.text import TextJoiner
from app.providers.raw_json import NULL, dumps, given, loads, piece
from app.providers.verdicts import PROTOCOL

_MOST = 128
_LONGEST = 200
"""Characters of an id, and of a name."""


class Function(Struct):
    name: str | None = None
    arguments: Raw = NULL


class Piece(Struct):
    """Of a call; `index` is the server's own number of it."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None


_decode = msgspec.json.Decoder(list[Piece]).decode
_decode_function = msgspec.json.Decoder(Function).decode


class _Call:
    """`number` is its place among the calls that have begun, -1 before; `id` is what its server calls it."""

    __slots__ = ("arguments", "id", "number", "said")

    def __init__(self) -> None:
        self.id = ""
        self.number = -1
        self.arguments = TextJoiner()
        self.said = False


class ToolCalls:
    """Turns the pieces of calls into events."""

    __slots__ = ("_begun", "_by_index", "_calls", "_ids")

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._begun: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._ids: set[str] = set()

    def __bool__(self) -> bool:
        """Whether any has begun."""
        return bool(self._begun)

    @property
    def seen(self) -> bool:
        """Whether anything was said of any."""
        return bool(self._calls)

    def read(self, raw: Raw, events: list[ProviderEvent]) -> None:
        """What one chunk holds of calls. Raises GenerationFailure for what cannot be read as such."""
        if not given(raw):
            return
        try:
            pieces = _decode(raw)
        except (ValueError, RecursionError):
            pieces = _loosely(loads(bytes(raw)))
        for each in pieces:
            self.add(each, events)

    def read_function(self, raw: Raw, events: list[ProviderEvent]) -> None:
        """The same for the one call that an answer could make before there were tools: `function_call`."""
        if not given(raw):
            return
        try:
            function = _decode_function(raw)
        except (ValueError, RecursionError):
            function = _loose_function(loads(bytes(raw)))
        self.add(Piece(index=0, function=function), events)

    def add(self, part: Piece, events: list[ProviderEvent]) -> None:
        """What is said of one call. Raises GenerationFailure for what cannot be of any."""
        function = part.function or Function()
        call = self._found(part, function) or self._new(part)
        call.id = call.id or part.id or ""
        if call.number < 0 and (name := _clean(function.name)):
            call.number = len(self._begun)
            self._begun.append(call)
            events.append(ToolCallStart(call.number, self._named(call.id), name))
        if raw := _arguments(call.arguments, function.arguments):
            if call.number < 0:  # of what, nobody knows
                raise PROTOCOL.failure()
            call.said = True
            events.append(ToolCallDelta(call.number, raw))

    def said(self, index: int | None) -> bool:
        """Whether any of the arguments of the call with the server's number `index` have come."""
        call = self._by_index.get(index) if index is not None else None
        return call is not None and call.said

    def flush(self) -> list[ProviderEvent]:
        """What still waited for its other half."""
        rest = ((call, call.arguments.flush()) for call in self._begun)
        return [ToolCallDelta(call.number, raw) for call, raw in rest if raw]

    def close(self) -> list[ProviderEvent]:
        """The rest of calls that are whole; one without arguments is given an empty object, for clients read JSON."""
        silent = [call for call in self._begun if not call.said]
        return [*self.flush(), *(ToolCallDelta(call.number, b'"{}"') for call in silent)]

    def _found(self, part: Piece, function: Function) -> _Call | None:
        if part.index is not None and (call := self._by_index.get(part.index)):
            # Some number all calls 0, and only their ids tell them apart; others have a new id for each piece of one.
            another = part.id and function.name and call.id and part.id != call.id
            return None if another else call
        if part.id:
            return next((call for call in self._calls if call.id == part.id), None) if part.index is None else None
        if part.index is None and not function.name and self._calls:
            return self._calls[-1]
        return None

    def _new(self, part: Piece) -> _Call:
        if len(self._calls) == _MOST:
            raise PROTOCOL.failure()
        call = _Call()
        self._calls.append(call)
        if part.index is not None:
            self._by_index[part.index] = call
        return call

    def _named(self, given_id: str) -> str:
        """The id that clients see: the server's own, unless it gave none, or the same to another call."""
        name = _clean(given_id)
        while not name or name in self._ids:
            name = f"call_{token_hex(12)}"
        self._ids.add(name)
        return name


def _clean(text: str | None) -> str:
    """Without what would break a line, a header or an encoder: control characters, separators, halves of pairs."""
    return "".join(filter(str.isprintable, text or "")).strip()[:_LONGEST]


def _arguments(joiner: TextJoiner, raw: Raw) -> bytes | None:
    """Safe to splice; some servers send the object itself where its text belongs."""
    if raw is not NULL and (text := bytes(raw)).startswith(b"{"):
        return joiner.join(text.decode(errors="replace"))
    return piece(joiner, raw)


def _loosely(entries: Any) -> list[Piece]:
    return [_loose_piece(each) for each in (entries if isinstance(entries, list) else [entries])]


def _loose_piece(fields: Any) -> Piece:
    if not isinstance(fields, dict):
        raise PROTOCOL.failure()
    index, call_id, function = (fields.get(name) for name in ("index", "id", "function"))
    return Piece(
        index=index if isinstance(index, int) else None,
        id=str(call_id) if isinstance(call_id, str | int) else None,
        function=None if function is None else _loose_function(function),
    )


def _loose_function(fields: Any) -> Function:
    if not isinstance(fields, dict):
        raise PROTOCOL.failure()
    name = fields.get("name")
    return Function(name if isinstance(name, str) else None, dumps(fields.get("arguments")))
