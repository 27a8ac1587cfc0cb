"""How a list is asked: how much of it, and from where on."""

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.schemas.base import EntityId

_LONGEST_CURSOR = 200


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


class LongListQuery(ListQuery):
    """Of a list that is read in longer pages."""

    limit: int = Field(100, ge=1, le=500, description="How many at most.")


class MessagesQuery(LongListQuery):
    leaf: EntityId | None = Field(None, description="Only the branch that ends in this message, and all of it.")


class ModelsQuery(ListQuery):
    limit: int = Field(1000, ge=1, le=1000, description="How many at most.")
