"""Downloads: files that are sent while they are made, piece by piece."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Format(StrEnum):
    """What a conversation is carried off as."""

    JSON = "json"
    MARKDOWN = "markdown"
    JSONL = "jsonl"


@dataclass(frozen=True, slots=True)
class Piece:
    """The next bytes of a file; pieces of one file come one after the other.

    In an archive, a new name begins a new file; a download that is one file itself has one name throughout.

    `spell` makes the bytes, in whatever thread calls it.
    """

    name: str
    spell: Callable[[], bytes]


class Download(Protocol):
    """What is to be sent, for whoever sends it."""

    on_break: Callable[[], None]
    """Called when it is not to be finished; it must not raise."""

    def pieces(self) -> AsyncGenerator[Piece, None]: ...

    def release(self) -> None:
        """All is over, however it ended."""
        ...
