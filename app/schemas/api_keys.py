"""The bodies of API keys."""

from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, ConfigDict, Field

from app.domain.chat import Page
from app.domain.identity import ApiKey
from app.schemas.base import Answer, Body, Id, NextCursor
from app.schemas.identity import Name

_MOST_SCOPES = 50
_SCOPE = r"^(chat|files|rag|admin|models:.{1,200})$"
_SCOPES_SAY = (
    "None: all that you may but `admin`, also what is added later. `models:<pattern>`: chat, with these models."
)


def _written_out(value: object) -> object:
    # pydantic would take a number, also as text, for seconds since 1970.
    if not isinstance(value, str) or "-" not in value[1:]:
        raise ValueError("must be a time in ISO 8601 with its zone")
    return value


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is no time that there is in UTC") from None


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must consist of printable characters")
    return text


def _good_for_something(scopes: list[str]) -> list[str]:
    if not scopes:
        raise ValueError("is empty: such a key would be good for nothing; leave it out for all but admin")
    return list(dict.fromkeys(scopes))


ScopeName = Annotated[str, Field(pattern=_SCOPE), AfterValidator(_printable)]
Scopes = Annotated[
    list[ScopeName],
    Field(max_length=_MOST_SCOPES, json_schema_extra={"minItems": 1}),
    AfterValidator(_good_for_something),
]
Moment = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_in_utc)]

_EXAMPLE: dict[str, Any] = {"name": "My notebook", "scopes": ["chat", "models:openai/*"]}


class NewKeyBody(Body):
    """Only `name` is needed."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: Name = Field(description="What you recognise it by.")
    scopes: Scopes | None = Field(None, description=_SCOPES_SAY)
    expires_at: Moment | None = Field(
        None, description="A time in the future, with its zone; none: it does not expire."
    )


class KeyAnswer(Answer):
    id: Id = Field(description="The key's id, to delete it by.")
    name: str = Field(description="What its maker recognises it by.")
    prefix: str = Field(description="How the key begins.")
    scopes: list[str] | None = Field(description=_SCOPES_SAY)
    created_at: datetime = Field(description="When it was made.")
    expires_at: datetime | None = Field(description="From when on it is refused; null: it does not expire.")
    last_used_at: datetime | None = Field(description="To the minute; null when it never was.")


class NewKeyAnswer(KeyAnswer):
    key: str = Field(repr=False, description="The key itself. It is shown this once.")

    @classmethod
    def of(cls, about: ApiKey, key: str) -> Self:
        return cls(**KeyAnswer.model_validate(about).model_dump(), key=key)


class KeysAnswer(Answer):
    items: list[KeyAnswer] = Field(description="The keys of this page.")
    next_cursor: NextCursor

    @classmethod
    def of(cls, page: Page[ApiKey]) -> Self:
        return cls(items=[KeyAnswer.model_validate(each) for each in page.items], next_cursor=page.next_cursor)
