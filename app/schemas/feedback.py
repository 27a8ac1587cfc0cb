"""What one thinks of an answer."""

from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field

from app.domain.chat import Feedback, Rating
from app.schemas.base import Answer, Body, Text


def _exactly(rating: object) -> object:
    # Python has `true` and 1.0 equal 1.
    if type(rating) is not int:
        raise ValueError("must be -1 or 1")
    return rating


class FeedbackBody(Body):
    """A rating, in place of an earlier one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"rating": 1, "comment": "正合我意 Just what I needed"}]})

    rating: Annotated[Rating, BeforeValidator(_exactly)] = Field(description="1 for a good answer, -1 for a bad one.")
    comment: Text | None = Field(None, max_length=10_000, description="And why; empty says nothing.")

    def feedback(self) -> Feedback:
        return Feedback(self.rating, self.comment or None)


class FeedbackAnswer(Answer):
    rating: int = Field(description="1 for a good answer, -1 for a bad one.")
    comment: str | None = Field(description="And why; null where nothing was said.")
