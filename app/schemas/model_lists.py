"""How the lists of models at the doors are asked."""

from typing import Annotated

from pydantic import ConfigDict, Field

from app.schemas.doors import EXAMPLE_MODEL, DoorBody, Text


class ModelListQuery(DoorBody):
    """As Anthropic's clients ask; OpenAI's want everything. Names that are not here are passed over."""

    limit: Annotated[int, Field(ge=1, le=1000)] | None = Field(None, description="How many at most; all, without it.")
    after_id: Text | None = Field(None, description="The `last_id` of a page, for the one that follows.")
    before_id: Text | None = Field(None, description="The `first_id` of a page, for the one before.")


class ShowBody(DoorBody):
    """Which model to tell of."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"model": EXAMPLE_MODEL}]})

    model: Text | None = Field(None, description="As `GET /ollama/api/tags` lists it, or as any model is named.")
    name: Text | None = Field(None, description="The same, as older clients call it.")
