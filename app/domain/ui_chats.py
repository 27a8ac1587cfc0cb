"""What a page of the AI SDK asks: a chat that it has named itself, what it shows of it, and what is to be answered."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.chat import Turn


@dataclass(frozen=True, slots=True)
class InlaidFile:
    """A file that stands in the message itself: `data` is its content in base64."""

    name: str
    data: str


@dataclass(frozen=True, slots=True)
class PageTurn:
    """`message` and its `files` are the last that the user said; None where the page shows nothing of it.

    `answers` are the ids of the answers that the page shows before it, the newest first: those that it got from us are
    ours, others may be of its own making, as are the ids of all that its user said. `first` when nothing that the user
    said stands before it. `named` is the message that is edited or answered once more, if the page says which. `turn`
    is how it is to be answered.
    """

    chat_id: str
    message: str | None
    files: Sequence[InlaidFile]
    answers: Sequence[str]
    first: bool
    again: bool
    """Whether another answer is asked for, and not a first one."""
    named: str | None
    turn: Turn
