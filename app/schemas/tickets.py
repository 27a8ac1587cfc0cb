"""The body of a ticket."""

from pydantic import Field

from app.schemas.base import Answer


class TicketAnswer(Answer):
    ticket: str = Field(repr=False, description="For `?ticket=` of the GET streams, once.")
    expires_in: int = Field(description="In how many seconds it must have been used.")
