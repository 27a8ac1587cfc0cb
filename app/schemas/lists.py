"""How a list is asked: how much of it, and from where on."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from app.schemas.base import EntityId, Text

_LONGEST_CURSOR = 200
_LONGEST_SEARCH = 500


class Order(StrEnum):
    """By creation."""

    ASC = "asc"
    DESC = "desc"


class ListQuery(BaseModel):
    """What every list is asked, and beside it whatever one list alone is. Unknown names are ignored."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, given: object) -> object:
        # An empty value is one that a form left out.
        return {name: value for name, value in given.items() if value != ""} if isinstance(given, dict) else given

    limit: int = Field(20, ge=1, le=100, description="How many at most.")
    cursor: str | None = Field(
        None, max_length=_LONGEST_CURSOR, description="The `next_cursor` of the page before; none begins the list."
    )


class ConversationsQuery(ListQuery):
    q: Text | None = Field(
        None,
        max_length=_LONGEST_SEARCH,
        description="Only conversations in whose title and messages all of these words occur, in any order.",
        examples=["天气 weather"],
    )

    @field_validator("q")
    @classmethod
    def _blank_is_none(cls, q: str | None) -> str | None:
        return q if q is not None and q.strip() else None


class LongListQuery(ListQuery):
    """Of a list that is read in longer pages."""

    limit: int = Field(100, ge=1, le=500, description="How many at most.")


class MessagesQuery(LongListQuery):
    leaf: EntityId | None = Field(None, description="Only the path that ends in this message.")
    order: Order = Field(Order.ASC, description="`desc` begins with the newest, as one opens a long conversation.")


class ModelsQuery(ListQuery):
    limit: int = Field(1000, ge=1, le=1000, description="How many at most.")
