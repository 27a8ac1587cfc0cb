"""One request for vectors, as an embedder makes it of whichever server or library it has."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from app.domain.embedding import Vector


class Kind(StrEnum):
    """What a text is: many models make another vector of a question than of a passage."""

    PASSAGE = "passage"
    QUESTION = "question"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, with nothing looked at but its form; `tokens` are what the server counted, None if nothing."""

    vectors: Sequence[Vector]
    tokens: int | None


class TooMuch(Exception):
    """The server refuses a request for what is in it: more texts, or a longer one, than it takes; or anything else."""


class Source(Protocol):
    """No retry, and no look at the vectors: that is the embedder's business."""

    @property
    def at_once(self) -> int:
        """Texts of one request, at most."""
        ...

    async def ask(self, texts: Sequence[str], kind: Kind) -> Reply:
        """The vectors of at least one text. Ends within its time. Raises GenerationFailure and TooMuch."""
        ...

    async def aclose(self) -> None: ...
