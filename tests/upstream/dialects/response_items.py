"""The items of an answer by OpenAI's Responses API, and the events in which each begins, grows and ends."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from tests.upstream import sse
from tests.upstream.dialects import Flood
from tests.upstream.scenarios import (
    Chunk,
    Filler,
    Frame,
    Reasoning,
    Refusal,
    ToolArguments,
    ToolCall,
    Wire,
)

SEAL = "Z0FBQUFBc2VhbGVk"
FIRST = 2
"""The number of the first event of an item: two tell that the answer has begun."""
# Of different lengths, so that an event's own tells nothing. OpenAI sends them unless it is asked not to.
_PADDINGS = tuple(sha256(b"%d" % number).hexdigest()[: 3 + number % 13].encode() for number in range(61))


@dataclass(frozen=True, slots=True)
class Kind:
    """How a text is told: the word in the names of its events, the part that holds it, and that part's field."""

    item: bytes
    event: bytes
    part_event: bytes
    part: bytes
    field: bytes
    place: bytes
    more: bytes = b""
    """What stands beside a piece."""


TEXT = Kind(b"msg", b"output_text", b"content_part", b"output_text", b"text", b"content_index", b',"logprobs":[]')
REFUSAL = Kind(b"msg", b"refusal", b"content_part", b"refusal", b"refusal", b"content_index")
THOUGHT = Kind(b"rs", b"reasoning_summary_text", b"reasoning_summary_part", b"summary_text", b"text", b"summary_index")
CALL = Kind(b"fc", b"function_call_arguments", b"", b"", b"arguments", b"")


@dataclass(slots=True)
class Entry:
    """An item so far; `said` is the inside of a JSON string, `parted` whether a part for it has begun."""

    index: int
    kind: Kind
    call: ToolCall | None = None
    seal: str = ""
    said: bytes = b""
    parted: bool = False

    def __bytes__(self) -> bytes:
        return self.told(b"completed")

    def told(self, status: bytes) -> bytes:
        head = b'{"id":"%b_%d","type":' % (self.kind.item, self.index)
        if self.call is not None:
            names = b'"call_id":%b,"name":%b' % (encoded(self.call.id), encoded(self.call.name))
            return head + b'"function_call","status":"%b",%b,"arguments":"%b"}' % (status, names, self.said)
        parts = self.part if self.parted else b""
        if self.kind is THOUGHT:
            seal = b',"encrypted_content":%b' % encoded(self.seal) if self.seal else b""
            return head + b'"reasoning","summary":[%b]%b}' % (parts, seal)
        return head + b'"message","role":"assistant","status":"%b","content":[%b]}' % (status, parts)

    @property
    def part(self) -> bytes:
        return self.filled(self.said)

    def filled(self, text: bytes) -> bytes:
        more = b',"annotations":[],"logprobs":[]' if self.kind is TEXT else b""
        return b'{"type":"%b","%b":"%b"%b}' % (self.kind.part, self.kind.field, text, more)

    @property
    def place(self) -> bytes:
        part = b',"%b":0' % self.kind.place if self.kind.place else b""
        return b'"item_id":"%b_%d","output_index":%d%b' % (self.kind.item, self.index, self.index, part)


class Sheet:
    """Puts chunks into items: texts that follow each other share one, and so do thoughts up to a seal.

    A call stays open to the end of the answer, for its arguments may come after those of another.
    """

    def __init__(self, wire: Wire, *, obfuscated: bool) -> None:
        self.entries: list[Entry] = []
        self.number = FIRST
        self._wire = wire
        self._obfuscated = obfuscated
        self._open: Entry | None = None
        self._calls: dict[int, Entry] = {}

    def add(self, chunk: Chunk) -> bytes | Flood:
        """The events of one chunk."""
        match chunk:
            case str() | bytes():
                return b"".join(self._grow(TEXT, inside(chunk)))
            case Refusal(text):
                return b"".join(self._grow(REFUSAL, inside(text)))
            case Reasoning():
                return b"".join(self._think(chunk))
            case ToolCall():
                return b"".join(self._call(chunk))
            case ToolArguments(text, index):
                return b"".join(self._piece(self._calls[index], inside(text)))
            case Filler(size):
                begun = b"".join(self._continue(TEXT))
                assert self._open is not None
                before, after = self._delta(self._open, b"\0").split(b"\0")
                return Flood(begun + before, size, after)
            case Frame(data):
                return data

    def close(self) -> bytes:
        """The ends of all items that are still open."""
        return b"".join([*self._end(), *(each for call in self._calls.values() for each in self._ended(call))])

    def event(self, name: bytes, fields: bytes) -> bytes:
        """One event with its number."""
        data = b'{"type":"%b","sequence_number":%d,%b}' % (name, self.number, fields)
        self.number += 1
        return sse.block(data, self._wire, name)

    def _grow(self, kind: Kind, text: bytes) -> Iterator[bytes]:
        yield from self._continue(kind)
        if self._open is not None:
            yield from self._piece(self._open, text)

    def _think(self, thought: Reasoning) -> Iterator[bytes]:
        if thought.redacted is None:
            yield from self._continue(THOUGHT, parted=bool(thought.text))
        else:
            yield from self._begin(Entry(len(self.entries), THOUGHT))
        assert self._open is not None
        if thought.text:
            yield from self._piece(self._open, inside(thought.text))
        self._open.seal = SEAL
        if (seal := thought.redacted if thought.signature is None else thought.signature) is not None:
            self._open.seal = seal
            yield from self._end()

    def _call(self, call: ToolCall) -> Iterator[bytes]:
        entry = Entry(len(self.entries), CALL, call)
        yield from self._begin(entry)
        self._open, self._calls[call.index] = None, entry
        yield from self._piece(entry, inside(call.arguments))

    def _continue(self, kind: Kind, *, parted: bool = True) -> Iterator[bytes]:
        if self._open is None or self._open.kind is not kind:
            yield from self._begin(Entry(len(self.entries), kind))
        entry = self._open
        assert entry is not None
        if parted and not entry.parted:
            entry.parted = True
            fields = entry.place + b',"part":' + entry.filled(b"")
            yield self.event(b"response.%b.added" % entry.kind.part_event, fields)

    def _begin(self, entry: Entry) -> Iterator[bytes]:
        yield from self._end()
        self._open = entry
        self.entries.append(entry)
        fields = b'"output_index":%d,"item":%b' % (entry.index, entry.told(b"in_progress"))
        yield self.event(b"response.output_item.added", fields)

    def _piece(self, entry: Entry, text: bytes) -> Iterator[bytes]:
        if text:
            entry.said += text
            yield self._delta(entry, text)

    def _delta(self, entry: Entry, text: bytes) -> bytes:
        padding = b',"obfuscation":"%b"' % _PADDINGS[self.number % len(_PADDINGS)] if self._obfuscated else b""
        fields = entry.place + b',"delta":"%b"%b%b' % (text, entry.kind.more, padding)
        return self.event(b"response.%b.delta" % entry.kind.event, fields)

    def _end(self) -> Iterator[bytes]:
        entry, self._open = self._open, None
        if entry is not None:
            yield from self._ended(entry)

    def _ended(self, entry: Entry) -> Iterator[bytes]:
        kind = entry.kind
        if entry.parted or kind is CALL:
            whole = b',"%b":"%b"%b' % (kind.field, entry.said, kind.more)
            yield self.event(b"response.%b.done" % kind.event, entry.place + whole)
        if entry.parted:
            yield self.event(b"response.%b.done" % kind.part_event, entry.place + b',"part":' + entry.part)
        yield self.event(b"response.output_item.done", b'"output_index":%d,"item":%b' % (entry.index, bytes(entry)))


def inside(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else encoded(text)[1:-1]


def encoded(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
