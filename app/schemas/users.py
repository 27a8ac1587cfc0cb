"""The bodies of users, as administrators see and change them."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, field_validator
from pydantic.json_schema import SkipJsonSchema

from app.domain.chat import Page
from app.domain.identity import Role, User
from app.schemas.base import Answer, Body
from app.schemas.identity import Name, UserAnswer


class ChangeUserBody(Body):
    """Only what is given changes; `name: null` takes the name off."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"is_active": False}]})

    role: Role | SkipJsonSchema[None] = None
    # Strict: else "off" would be false.
    is_active: Annotated[bool, Field(strict=True)] | SkipJsonSchema[None] = None
    name: Name | None = None

    @field_validator("role", "is_active", mode="before")
    @classmethod
    def _something(cls, given: object) -> object:
        if given is None:
            raise ValueError("must not be null")
        return given


class UsersAnswer(Answer):
    items: list[UserAnswer]
    next_cursor: str | None

    @classmethod
    def of(cls, page: Page[User]) -> Self:
        return cls(items=[UserAnswer.model_validate(each) for each in page.items], next_cursor=page.next_cursor)
