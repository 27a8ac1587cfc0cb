"""The documents of an export, for which the API has no list of its own."""

from app.schemas.conversations import ConversationAnswer


class ConversationHeadAnswer(ConversationAnswer):
    """A conversation without its messages."""

    system_prompt: str | None
