"""Archives: named files, made piece by piece."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Piece:
    """The next bytes of a file; pieces of one file come one after the other, and a new name begins a new file.

    `spell` makes the bytes, in whatever thread calls it.
    """

    name: str
    spell: Callable[[], bytes]


class Archive(Protocol):
    """What an archive is made of, for whoever sends it."""

    on_break: Callable[[], None]
    """Called when it is not to be finished; it must not raise."""

    def pieces(self) -> AsyncGenerator[Piece, None]: ...

    def release(self) -> None:
        """All is over, however it ended."""
        ...
