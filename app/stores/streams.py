"""What instances share of the event logs of live generations: a stream each, with one writer at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class Batch:
    """What a log gained: the events after number `after` up to `last_seq`, encoded. None of them: only ask.

    `fence` numbers the writers of a log; `ending` says that nothing follows.
    """

    generation_id: str
    fence: int
    after: int
    last_seq: int
    events: bytes
    ending: bool = False


class Outcome(IntEnum):
    """What became of a batch."""

    THERE = 0
    """The stream has it, by this call or an earlier one."""
    GAP = 1
    """Events before it are not there (any more): the log has to be written anew."""
    FENCED = 2
    """A later writer has taken over."""


class Entry(NamedTuple):
    """One batch as it stands in a stream; `place` is where to go on reading. `events` may be empty."""

    place: str
    events: bytes


BEGINNING = "0-0"
"""The place before every entry."""


MOST_ENTRIES = 32
"""Of one stream that one call reads."""


class Streams(Protocol):
    """All of them raise `app.stores.breaker.Away`."""

    @property
    def away(self) -> bool:
        """Whether nobody need wait for it at present."""
        ...

    async def append(self, batches: Sequence[Batch]) -> Sequence[Outcome]:
        """Add each to the stream of its generation, all in one call. Harmless when repeated."""
        ...

    async def read(self, places: Mapping[str, str]) -> Mapping[str, Sequence[Entry]]:
        """What follows in the streams of these generations after these places; at most MOST_ENTRIES of each."""
        ...

    async def seize(self, generation_id: str, fence: int) -> None:
        """Refuse every writer with a lower fence from now on."""
        ...

    async def era(self) -> str:
        """A word that changes when all was lost that had been written."""
        ...
