"""The bodies of the audit log, and how it is asked."""

import re
from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from app.domain.audit import Action, AuditEvent, AuditSearch
from app.domain.chat import Page
from app.schemas.base import Answer, EntityId, Id, NextCursor, Text
from app.schemas.lists import LongListQuery


def _written_out(value: object) -> object:
    # pydantic would take a number, also as text, for seconds since 1970.
    if not isinstance(value, str) or "-" not in value[1:]:
        raise ValueError("must be a time in ISO 8601 with its zone")
    # In a query a plus stands for a space, and few who type an offset write %2B.
    return re.sub(r" (\d\d:?\d\d)$", r"+\1", value)


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is too far away") from None


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_in_utc)]


class AuditQuery(LongListQuery):
    """Acts that fit all that is given."""

    action: Action | None = Field(None, description="What was done.")
    actor_id: EntityId | None = Field(None, description="Who acted.")
    target_id: EntityId | None = Field(None, description="Whom or what it was done to.")
    address: Text | None = Field(None, min_length=1, max_length=45, description="The client's, exactly.")
    request_id: Text | None = Field(None, min_length=1, max_length=128, description="The `X-Request-ID` of an answer.")
    since: Moment | None = Field(None, description="From this time on, with an offset or `Z`.")
    until: Moment | None = Field(None, description="Before this time.")

    def search(self) -> AuditSearch:
        return AuditSearch(
            action=self.action,
            actor_id=self.actor_id,
            target_id=self.target_id,
            address=self.address,
            request_id=self.request_id,
            since=self.since,
            until=self.until,
        )


class AuditEventAnswer(Answer):
    """One act. People and credentials are named by id alone, for the record outlives them."""

    id: Id = Field(description="The record's id.")
    created_at: datetime = Field(description="When it was done.")
    action: str = Field(
        description="What was done: one of `Action`, or one that only a newer version knows.",
        examples=[Action.SIGNED_IN],
    )
    actor: str = Field(description="By what somebody acted: `session`, `api_key`, `service_key`, `shell` or `nobody`.")
    actor_id: Id | None = Field(description="Who acted; null where no credential was shown.")
    credential_id: Id | None = Field(description="The session or API key by which the actor came.")
    target_id: Id | None = Field(description="Whom or what it was done to.")
    address: str | None = Field(description="The client's; null where it was done in the server's shell.")
    request_id: str | None = Field(description="The `X-Request-ID` of the answer to the request that did it.")
    detail: dict[str, str | int | bool | None] = Field(
        description="How it was done, where there is more to say; never names, addresses of people or secrets.",
        examples=[{"from": "user", "to": "admin"}],
    )


class AuditAnswer(Answer):
    items: list[AuditEventAnswer] = Field(description="The acts of this page.")
    next_cursor: NextCursor

    @classmethod
    def of(cls, page: Page[AuditEvent]) -> Self:
        return cls(items=[AuditEventAnswer.model_validate(each) for each in page.items], next_cursor=page.next_cursor)
