"""What a place for files can do, wherever it is."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

PIECE = 256 * 1024
"""Bytes that are read or written at once."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A blob that is there, and since when."""

    key: str
    since: datetime


class Blobs(Protocol):
    """Blobs by key (`app.domain.files.blob_key`). A key is written once; what it names is whole, or is not there.

    Nothing here holds up the event loop, and every wait ends: all methods raise StorageUnavailable.
    """

    at_once: int
    """How many may be put at once, in one process, for what each holds in memory."""

    async def put(self, key: str, pieces: AsyncIterator[bytes]) -> None:
        """Keep all pieces, of PIECE bytes but for the last; it survives a loss of power once this returns.

        Whatever `pieces` raises is raised on, and nothing is kept. Raises StorageFull.
        """
        ...

    def read(self, key: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` up to `end`, in pieces. Raises FileUnreadable where it has not got them."""
        ...

    async def holds(self, key: str, size: int) -> bool:
        """Whether there is a blob of this many bytes."""
        ...

    async def delete(self, key: str) -> None:
        """It is gone; that there was none is no error."""
        ...

    async def delete_all_of(self, user_id: str) -> None:
        """The same for every blob of a user."""
        ...

    def every(self) -> AsyncGenerator[list[Kept], None]:
        """All that is kept, in lists of some hundreds; what comes or goes meanwhile may be told or not."""
        ...

    async def tidy(self, before: datetime) -> None:
        """Drop what is left of uploads that were broken off, and have not gone on since then."""
        ...

    async def close(self) -> None: ...
