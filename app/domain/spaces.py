"""What spaces of the index are called: by whose they are, where they are, and by which rules they were made.

`<home>-<place>-p1s1`, and behind it `-<embedder>-<dimensions>` where there are vectors of meaning. The home is the
database whose documents they hold, so that two may use one server; the place is the folder or server: what was
carried on elsewhere meanwhile is not taken for what belongs to these rows.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol, Self

from app.domain import packing, sparse
from app.domain.documents import IndexSpace
from app.domain.vectors import Space

_LETTERS = 8


class Named(Protocol):
    """As much of an embedder as names show."""

    @property
    def slug(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Site:
    """Whose spaces, and where. Both are words of eight letters or digits."""

    home: str
    place: str

    @classmethod
    def of(cls, name: str) -> Self:
        """Where the space of this name is."""
        home, _, rest = name.partition("-")
        return cls(home, rest.partition("-")[0])

    def space(self, embedder: Named | None, dimensions: int | None) -> Space:
        """The space here that holds what is made by the rules of today, and by this embedder if there is one."""
        if embedder is None or dimensions is None:
            return Space(f"{self.home}-{self.place}-{_rules()}")
        return Space(f"{self.home}-{self.place}-{_rules()}-{embedder.slug}-{dimensions}", dimensions)

    def holds(self, name: str) -> bool:
        """Whether a space of this name is here."""
        return name.startswith(f"{self.home}-{self.place}-")


def word(text: str) -> str:
    """A short name for what has a long one: eight letters and digits that look like chance."""
    return sha256(text.encode()).hexdigest()[:_LETTERS]


def is_of(space: IndexSpace, embedder: Named) -> bool:
    """Whether the vectors in there are this embedder's."""
    return space.name == Site.of(space.name).space(embedder, space.dimensions).name and space.dimensions is not None


def _rules() -> str:
    return f"p{packing.VERSION}s{sparse.VERSION}"
