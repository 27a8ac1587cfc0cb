"""What a search shows of the conversations that it finds."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.chat import Conversation
from app.domain.snippets import Segment


@dataclass(frozen=True, slots=True)
class Match:
    """Why a conversation was found; `message_id` is None where the title alone tells, which is the snippet then."""

    message_id: str | None
    title: Sequence[Segment]
    snippet: Sequence[Segment]


@dataclass(frozen=True, slots=True)
class Listed:
    """A conversation of a list; `match` when something was searched for."""

    conversation: Conversation
    match: Match | None
