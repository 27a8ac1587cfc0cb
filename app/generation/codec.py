"""Logs as bytes: batches of events in MessagePack, one after the other; compressed once a generation has ended."""

import zlib
from collections.abc import Iterable, Sequence

import msgspec

from app.domain import text
from app.domain.events import Kind, LogEvent

_decoder = msgspec.msgpack.Decoder(list[LogEvent])


def pack(events: Sequence[LogEvent]) -> bytes:
    return msgspec.msgpack.encode(events)


def unpack(batches: Iterable[bytes]) -> list[LogEvent]:
    """The events of several batches, in order."""
    return [event for batch in batches for event in _decoder.decode(batch)]


def compress(events: Sequence[LogEvent]) -> bytes:
    return zlib.compress(pack(events), 6)


def decompress(log: bytes) -> list[LogEvent]:
    return unpack([zlib.decompress(log)])


def answer_text(events: Iterable[LogEvent]) -> str:
    """The answer that these events hold."""
    return text.decode(event.payload for event in events if event.kind is Kind.TEXT)
