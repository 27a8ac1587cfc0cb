"""The bodies of accounts and of signing in."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AliasChoices, BeforeValidator, ConfigDict, Field, model_validator

from app.core import password_rules
from app.core.passwords import Passwords
from app.domain.addresses import LONGEST, address
from app.domain.identity import Role
from app.schemas.base import Answer, Body, Id, Text, storable


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
    email: Address = Field(description="Where the account signs in; upper and lower case are the same.")
    password: Password = Field(repr=False, description="The longer the better; the most common ones are refused.")
    name: Name | None = Field(None, description="What people call you.")


class RefreshBody(Body):
    refresh_token: Text = Field(repr=False, description="The refresh token of the last answer; it is spent by this.")


class ChangeMeBody(Body):
    """Only what is given changes; `name: null` takes the name off."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Ada Lovelace"}]})

    name: Name | None = Field(None, description="What people call you.")
    email: Address | None = Field(None, description="Another address to sign in with.")
    password: Password | None = Field(
        default=None,
        repr=False,
        validation_alias=AliasChoices("password", "new_password"),
        description="Another password; it ends every other session.",
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
    id: Id = Field(description="The user's id.")
    email: str = Field(
        description="The address to sign in with; the service account, that of API_KEYS, has the word `service`.",
        examples=["ada@example.com"],
    )
    name: str | None = Field(description="What people call the user.")
    role: Role = Field(description="Whether the user may do what administrators may.")
    is_active: bool = Field(description="Whether the user may come in.")
    created_at: datetime = Field(description="When the account was opened.")


class TokenAnswer(Answer):
    access_token: str = Field(repr=False, description="For `Authorization: Bearer …`.")
    refresh_token: str = Field(repr=False, description="Good for one new pair, at `POST /auth/refresh`.")
    token_type: Literal["bearer"] = Field("bearer", description="The name of the scheme.")
    expires_in: int = Field(description="How many seconds the access token is good for.")
