"""What is said of a conversation that a search has found."""

from pydantic import Field

from app.schemas.base import Answer, Id


class SegmentAnswer(Answer):
    text: str = Field(description="As it was written, but on one line. It may hold HTML: show it as text.")
    hit: bool = Field(description="Whether it was searched for, and is to be marked.")


class MatchAnswer(Answer):
    """In segments, not with offsets or markup: languages count characters differently, and messages may hold markup."""

    message_id: Id | None = Field(description="The message of the snippet; null where the title alone tells.")
    title: list[SegmentAnswer] = Field(description="The whole title.")
    snippet: list[SegmentAnswer] = Field(
        description="About 160 characters of the newest message that holds the words: of one that holds all of them, "
        "if there is one; of the title where no message holds any."
    )
