"""How conversations are carried off and forked."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from app.domain.chat import Rating
from app.domain.downloads import Format
from app.schemas.base import Body, EntityId

_RATINGS = {"1": 1, "-1": -1}


def _number(given: object) -> object:
    return _RATINGS.get(given, given) if isinstance(given, str) else given


class _Query(BaseModel):
    """Unknown names are ignored, and an empty value is one that a form left out."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, given: object) -> object:
        return {name: value for name, value in given.items() if value != ""} if isinstance(given, dict) else given

    rating: Annotated[Rating, BeforeValidator(_number)] = Field(
        1, description="Of `jsonl`: which answers are wanted, and learnt from."
    )


class ExportQuery(_Query):
    format: Format = Field(
        Format.JSON,
        description="`json` can be imported again; `markdown` is to be read; `jsonl` has its rated answers as examples "
        "to train a model with.",
    )
    leaf: EntityId | None = Field(
        None, description="The message in which the path ends that counts as the active one: none, as it is now."
    )


class ExamplesQuery(_Query):
    format: Literal[Format.JSONL] = Field(Format.JSONL, description="There is no other.")


class ForkBody(Body):
    """How far the copy is to go; nothing is needed."""

    message_id: EntityId | None = Field(
        None, description="The copy ends with this message: none, with the active path."
    )
