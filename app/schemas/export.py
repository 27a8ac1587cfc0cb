"""The documents of an export, for which the API has no list of its own."""

from pydantic import Field

from app.schemas.conversations import ConversationAnswer


class ConversationHeadAnswer(ConversationAnswer):
    """A conversation without its messages."""

    system_prompt: str | None = Field(description="What the model is told before all that is said.")
