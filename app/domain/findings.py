"""What was found for a question in a user's documents, and how sure one is that it answers it."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.documents import FoundChunk


@dataclass(frozen=True, slots=True)
class Quote:
    """The sentence or two of a chunk that speak of a question: `page.text[start:end]`, to the character."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that was found. `score` is from 0 to 1, and good for the order of one question's hits only."""

    found: FoundChunk
    score: float
    quote: Quote


@dataclass(frozen=True, slots=True)
class Findings:
    """The best first. `confidence` is from 0 to 1: that what was found holds the answer; `answerable`, that it is
    enough."""

    hits: Sequence[Hit]
    answerable: bool
    confidence: float
