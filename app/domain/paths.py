"""The way from the root of a conversation to one of its messages, as stretches of branches."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.domain.chat import Spot


@dataclass(frozen=True, slots=True)
class Stretch:
    """The messages of a branch up to a position."""

    branch_id: str
    upto: int


@dataclass(frozen=True, slots=True)
class Path:
    """Root first, and the message that it leads to. Positions grow along it."""

    stretches: Sequence[Stretch]
    leaf: Spot

    def holds(self, branch_id: str, position: int) -> bool:
        """Whether it goes through the message that stands there."""
        return any(each.branch_id == branch_id and position <= each.upto for each in self.stretches)

    def upto(self, position: int) -> "Path":
        """The part of it up to a position."""
        return replace(self, stretches=[replace(each, upto=min(each.upto, position)) for each in self.stretches])
