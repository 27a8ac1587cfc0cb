"""A call at a door that joins a conversation of ours."""

from uuid import UUID

from app.core.errors import Invalid, NotFound
from app.domain.chat import Turn
from app.domain.prompts import CacheMark, ModelRequest, Text

NEW = "new"
"""In place of a conversation's id: begin one."""


def turn_of(request: ModelRequest, conversation_id: str, model: str | None) -> Turn:
    """The newest message as a turn of that conversation, which itself knows what was said before. Raises Invalid.

    A conversation of ours is made of texts: a call with tools stays outside of it.
    """
    if request.tools:
        raise Invalid("What tools are called is not stored: leave out `tools`, or X-Conversation-ID.", field="tools")
    last = request.messages[-1]
    if last.role != "user" or any(not isinstance(part, Text | CacheMark) for part in last.parts):
        raise Invalid(
            "The last message is to be a text of the user's: that is what is added to a conversation.",
            field="messages",
        )
    return Turn(
        message=last.text,
        conversation_id=None if conversation_id == NEW else conversation_id,
        model=model,
        system_prompt=request.system_prompt,
        max_tokens=request.max_tokens,
        temperature=request.temperature,
        effort=request.effort,
        options=request.options,
    )


def conversation_of(header: str | None) -> str | None:
    """The value of X-Conversation-ID: an id in its one spelling, or `new`. Raises NotFound for what is none."""
    if not header:
        return None
    if header == NEW:
        return NEW
    try:
        return str(UUID(header))
    except ValueError:
        raise NotFound("There is no such conversation.") from None
