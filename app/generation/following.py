"""Reads the shared streams of logs, and goes on from there with what was stored in the end."""

import logging
from collections.abc import Iterable, Sequence

import msgspec

from app.domain.chat import Failure, Generation, Status
from app.domain.events import LogEvent
from app.domain.failures import FailureCode
from app.generation import codec
from app.generation.log import EventLog
from app.generation.payloads import last_events
from app.stores.streams import BEGINNING, Entry, Streams

logger = logging.getLogger(__name__)

_TAKEN_BACK = Failure(
    FailureCode.INSTANCE_LOST, "What followed was lost with the server that wrote it.", retryable=True
)


async def read_whole(streams: Streams, generation_id: str) -> list[LogEvent]:
    """All that a stream holds, from the first event on. Raises Away."""
    log, place = EventLog(), BEGINNING
    while entries := (await streams.read({generation_id: place})).get(generation_id):
        place = entries[-1].place
        take(log, entries)
    return list(log.after(0))


def take(log: EventLog, entries: Iterable[Entry]) -> bool:
    """Go on in a log with what is new in these entries; whether all of it was sound and followed on."""
    for entry in entries:
        if not entry.events:
            continue
        try:
            events = codec.unpack([entry.events])
        except msgspec.MsgspecError:
            logger.warning("what is kept in redis of a log is none")
            return False
        if not _follows_on(log, events):
            return False
        log.extend([event for event in events if event.seq > log.written_seq])
        log.publish()
    return True


def _follows_on(log: EventLog, events: Sequence[LogEvent]) -> bool:
    """Whether nothing is missing before these, and what the log has of them already is the same."""
    known = log.written_seq
    if not events or events[-1].seq < known:
        return True
    at = known - events[0].seq
    return at == -1 or (at >= 0 and events[at] == log.written(known - 1)[0])


def end_as_stored(log: EventLog, generation: Generation, stored: Sequence[LogEvent]) -> None:
    """End a log of which readers have seen the beginning; where more was seen than has survived, they are told so."""
    seen = log.after(0)
    if len(stored) > len(seen) and list(stored[: len(seen)][-1:]) == list(seen[-1:]):
        log.end_as(stored)
    else:
        log.end_as([*seen, *last_events(generation, len(seen), Status.FAILED, failure=_TAKEN_BACK)])
