"""The bodies of collections."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field

from app.domain.collection_names import LONGEST, flaw_of
from app.schemas.base import Answer, Body, Id, NextCursor, Text


def _name(given: str) -> str:
    if (flaw := flaw_of(given)) is not None:
        raise ValueError(flaw)
    return given


CollectionName = Annotated[Text, Field(min_length=1, max_length=LONGEST), AfterValidator(_name)]


class CollectionBody(Body):
    """A new collection."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "手册 Handbooks"}]})

    name: CollectionName = Field(
        description="How it is called and addressed: without slashes, control characters and spaces around it."
    )
    description: Text | None = Field(None, max_length=2000, description="What is in it, for people.")


class CollectionAnswer(Answer):
    id: Id = Field(description="The collection's id; it is addressed by its name.")
    name: str = Field(description="What it is called.")
    description: str | None = Field(description="What is in it, for people.")
    documents: int = Field(description="How many documents it has, however they stand.")
    created_at: datetime = Field(description="When it was made.")


class CollectionsAnswer(Answer):
    items: list[CollectionAnswer] = Field(description="The collections of this page.")
    next_cursor: NextCursor
