"""What all JSON bodies at the doors share: null is as absent, unknown fields are passed over, one fault is enough."""

from collections.abc import Iterable
from math import isfinite
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from app.schemas.base import storable

Item = TypeVar("Item")
Given = TypeVar("Given")
_DEEPEST = 100
"""Levels: deeper than that some vendors' clients give up, and not with a word."""


class DoorBody(BaseModel):
    """A body of a protocol that is not ours, or a part of one: clients send fields that we need not know.

    A field that is sent as null takes its default, so that `x: int | None = None` is all that a route has to say; one
    without a default is then missing. Within a JsonObject null stays what it is.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, given: object) -> object:
        if isinstance(given, dict) and None in given.values():
            return {name: value for name, value in given.items() if value is not None}
        return given


def _storable_within(given: Given) -> Given:
    """Level by level."""
    level: list[object] = [given]
    depth = 0
    while level:
        if depth > _DEEPEST:
            raise ValueError("must not be nested so deeply")
        level = [inner for each in level for inner in _within(each)]
        depth += 1
    return given


def _within(value: object) -> Iterable[object]:
    if isinstance(value, str):
        storable(value)
    elif isinstance(value, float) and not isfinite(value):
        raise ValueError("must not contain numbers that are not finite")
    elif isinstance(value, dict):
        return (*value, *value.values())
    elif isinstance(value, list):
        return value
    return ()


Text = Annotated[str, AfterValidator(storable)]
"""What every string at a door is: NUL and half surrogate pairs are refused, with the field's name."""
JsonObject = Annotated[dict[str, Any], AfterValidator(_storable_within)]
"""Somebody else's object, kept as it is: a schema, a tool's arguments, metadata."""
JsonValue = Annotated[Any, AfterValidator(_storable_within)]
"""The same of anything."""
EXAMPLE_MODEL = "offline/responder"
"""Every server has it, so that what the API reference shows works as it stands."""
MOST_ITEMS = 10_000
"""Of a conversation: to make objects of more, and to let go of them again, keeps everything else waiting."""
Items = Annotated[list[Item], Field(fail_fast=True)]
"""A list, `Items[Message]`, of which only the first fault is told: 100,000 of them would take a second to report."""
