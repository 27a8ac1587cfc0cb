"""Archives: named files, made piece by piece."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """The next bytes of a file; pieces of one file come one after the other, and a new name begins a new file.

    `spell` makes the bytes, in whatever thread calls it.
    """

    name: str
    spell: Callable[[], bytes]
