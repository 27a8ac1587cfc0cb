"""The bodies of users, as administrators see and change them."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, field_validator
from pydantic.json_schema import SkipJsonSchema

from app.domain.chat import Page
from app.domain.identity import Role, User
from app.schemas.base import Answer, Body, NextCursor, Text
from app.schemas.identity import Name, UserAnswer
from app.schemas.lists import ListQuery


class UsersQuery(ListQuery):
    """Users who fit all that is given."""

    q: Text | None = Field(None, max_length=200, description="A part of the address or the name, in whatever case.")
    role: Role | None = Field(None, description="Only those with this role.")
    is_active: bool | None = Field(None, description="Only those who may come in, or who may not.")


class ChangeUserBody(Body):
    """Only what is given changes; `name: null` takes the name off."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"is_active": False}]})

    role: Role | SkipJsonSchema[None] = Field(None, description="Whether the user may do what administrators may.")
    # Strict: else "off" would be false.
    is_active: Annotated[bool, Field(strict=True)] | SkipJsonSchema[None] = Field(
        None, description="Whether the user may come in."
    )
    name: Name | None = Field(None, description="What people call the user.")

    @field_validator("role", "is_active", mode="before")
    @classmethod
    def _something(cls, given: object) -> object:
        if given is None:
            raise ValueError("must not be null")
        return given


class UsersAnswer(Answer):
    items: list[UserAnswer] = Field(description="The users of this page.")
    next_cursor: NextCursor

    @classmethod
    def of(cls, page: Page[User]) -> Self:
        return cls(items=[UserAnswer.model_validate(each) for each in page.items], next_cursor=page.next_cursor)
