"""The bodies of sign-in sessions."""

from datetime import datetime
from typing import Self

from pydantic import Field

from app.domain.chat import Page
from app.domain.identity import Session
from app.schemas.base import Answer, Id, NextCursor


class SessionAnswer(Answer):
    id: Id = Field(description="The session's id, to end it by.")
    created_at: datetime = Field(description="When it was signed in.")
    last_used_at: datetime = Field(description="When it was last signed in or refreshed.")
    expires_at: datetime = Field(description="When it ends unless it is refreshed before.")
    user_agent: str | None = Field(description="What signed in, in its own words.")
    address: str | None = Field(description="Where it was last signed in or refreshed from.")
    current: bool = Field(description="Whether this very request came by it.")

    @classmethod
    def of(cls, session: Session, current_id: str | None) -> Self:
        return cls(
            id=session.id,
            created_at=session.created_at,
            last_used_at=session.rotated_at,
            expires_at=session.expires_at,
            user_agent=session.user_agent,
            address=session.address,
            current=session.id == current_id,
        )


class SessionsAnswer(Answer):
    items: list[SessionAnswer] = Field(description="The sessions of this page.")
    next_cursor: NextCursor

    @classmethod
    def of(cls, page: Page[Session], current_id: str | None) -> Self:
        return cls(items=[SessionAnswer.of(each, current_id) for each in page.items], next_cursor=page.next_cursor)
