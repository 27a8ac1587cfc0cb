"""What all JSON bodies share: no unknown fields, ids in one spelling, text that every database can store."""

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


class Body(BaseModel):
    """A body that we read: what it does not know it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Answer(BaseModel):
    """A body that we write, made from a domain value by its attributes."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain NUL characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must not contain lone surrogates") from None
    return text


def _one_spelling(value: object) -> object:
    return str(UUID(value)) if isinstance(value, str) else value


Text = Annotated[str, AfterValidator(_storable)]
EntityId = Annotated[str, BeforeValidator(_one_spelling), Field(json_schema_extra={"format": "uuid"})]
