"""Logs as bytes: batches of events in MessagePack, one after the other; compressed once a generation has ended."""

import asyncio
import zlib
from collections.abc import Iterable, Sequence

import msgspec

from app.domain import text
from app.domain.events import Kind, LogEvent

_LONG = 1000  # events: a millisecond or two
_LARGE = 16 * 1024  # bytes, compressed
_SHORT = 2048  # bytes
_ZLIB = b"\x78"  # how zlib begins, and no array in MessagePack
_decoder = msgspec.msgpack.Decoder(list[LogEvent])


def pack(events: Sequence[LogEvent]) -> bytes:
    return msgspec.msgpack.encode(events)


def unpack(batches: Iterable[bytes]) -> list[LogEvent]:
    """The events of several batches, in order."""
    return [event for batch in batches for event in _decoder.decode(batch)]


def compress(events: Sequence[LogEvent]) -> bytes:
    """A whole log. A short one stays as it is: setting up a compressor takes longer than all the rest of its ending."""
    packed = pack(events)
    return packed if len(packed) < _SHORT else zlib.compress(packed, 1)


def decompress(log: bytes) -> list[LogEvent]:
    return unpack([zlib.decompress(log) if log.startswith(_ZLIB) else log])


async def compress_aside(events: Sequence[LogEvent]) -> tuple[bytes, str]:
    """The log compressed, and the answer in it; of a long one in a thread, for it takes tens of milliseconds."""
    if len(events) < _LONG:
        return compress(events), answer_text(events)
    return await asyncio.to_thread(lambda: (compress(events), answer_text(events)))


async def decompress_aside(log: bytes) -> list[LogEvent]:
    """The events of a whole log; of a large one in a thread."""
    return decompress(log) if len(log) < _LARGE else await asyncio.to_thread(decompress, log)


def answer_text(events: Iterable[LogEvent]) -> str:
    """The answer that these events hold."""
    return text.decode(event.payload for event in events if event.kind is Kind.TEXT)


def sources(events: Iterable[LogEvent]) -> str | None:
    """What the answer was given to answer from, as JSON; None where that was nothing."""
    return next((event.payload.decode() for event in events if event.kind is Kind.SOURCES), None)


def reasoning_text(events: Iterable[LogEvent]) -> str:
    """What the model thought before it."""
    return text.decode(event.payload for event in events if event.kind is Kind.REASONING)
