"""What of a passage is indexed: its text with what it stands under, as terms and as a text for an embedder."""

from collections.abc import Sequence
from typing import Protocol

from app.domain import sparse
from app.domain.vectors import SparseVector


class Shown(Protocol):
    """A passage, or the row that was made of it."""

    @property
    def text(self) -> str: ...

    @property
    def headings(self) -> Sequence[str]: ...

    @property
    def header(self) -> str: ...


def terms(title: str, passage: Shown) -> SparseVector:
    """The terms of a passage in the document of this title."""
    return sparse.passage_vector(passage.text, passage.headings, title, passage.header)


def whole_text(title: str, passage: Shown) -> str:
    """What a model is given to tell what a passage means."""
    return "\n".join(filter(None, (title, *passage.headings, passage.header, passage.text)))
