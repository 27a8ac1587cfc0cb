"""What all JSON bodies share: no unknown fields, ids in one spelling, text that every database can store."""

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

_MOST_FIELDS = 100


class Body(BaseModel):
    """A body that we read: what it does not know it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_a_flood(cls, given: object) -> object:
        # Each unknown field is an error of its own to report: 190,000 of them took a second of the loop.
        if isinstance(given, dict) and len(given) > _MOST_FIELDS:
            raise ValueError("has too many fields")
        return given


class Answer(BaseModel):
    """A body that we write, made from a domain value by its attributes."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


def storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain NUL characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must not contain lone surrogates") from None
    return text


def _one_spelling(value: object) -> object:
    return str(UUID(value)) if isinstance(value, str) else value


Text = Annotated[str, AfterValidator(storable)]
Id = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
"""In an answer."""
EntityId = Annotated[Id, BeforeValidator(_one_spelling)]
"""In a request, however it is spelled there."""
NextCursor = Annotated[str | None, Field(description="For `cursor`, to get the next page; null: this is the last.")]
