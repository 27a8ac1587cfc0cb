"""The bodies of accounts and of signing in."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AliasChoices, BeforeValidator, ConfigDict, Field, model_validator

from app.core import password_rules
from app.core.passwords import Passwords
from app.domain.addresses import LONGEST, address
from app.domain.identity import Role
from app.schemas.base import Answer, Body, Text, storable


def _address(text: str) -> str:
    known = address(text)
    if known is None:
        raise ValueError("must be an e-mail address")
    return known


def _stripped(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


Address = Annotated[
    str,
    Field(max_length=LONGEST, examples=["ada@example.com"], json_schema_extra={"format": "email"}),
    AfterValidator(_address),
]
# Lengths stand before `storable`: after it pydantic would call characters items.
Password = Annotated[
    str,
    Field(min_length=password_rules.SHORTEST, max_length=password_rules.LONGEST, examples=["correct horse battery"]),
    AfterValidator(storable),
]
Name = Annotated[
    str,
    BeforeValidator(_stripped),
    Field(min_length=1, max_length=200, examples=["Ada Lovelace"], json_schema_extra={"pattern": r"\S"}),
    AfterValidator(storable),
]


class RegisterBody(Body):
    email: Address
    password: Password = Field(repr=False)
    name: Name | None = None


class RefreshBody(Body):
    refresh_token: Text = Field(repr=False, description="The refresh token of the last answer; it is spent by this.")


class ChangeMeBody(Body):
    """Only what is given changes; `name: null` takes the name off."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Ada Lovelace"}]})

    name: Name | None = None
    email: Address | None = None
    password: Password | None = Field(
        default=None, repr=False, validation_alias=AliasChoices("password", "new_password")
    )
    current_password: Text | None = Field(
        default=None,
        repr=False,
        max_length=Passwords.LONGEST,
        description="Needed to change the address or the password.",
    )

    @model_validator(mode="after")
    def _confirmed(self) -> Self:
        if (self.email is not None or self.password is not None) and self.current_password is None:
            raise ValueError("current_password is required to change the address or the password")
        return self


class UserAnswer(Answer):
    id: str
    email: str
    name: str | None
    role: Role
    is_active: bool
    created_at: datetime


class TokenAnswer(Answer):
    access_token: str = Field(repr=False)
    refresh_token: str = Field(repr=False)
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the name of the scheme
    expires_in: int = Field(description="How many seconds the access token is good for.")
