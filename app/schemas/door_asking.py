"""What the bodies of several doors ask for in the same words."""

from collections.abc import Mapping
from typing import Any

from app.core.errors import NotSupported
from app.domain.prompts import ToolChoice

_MODES: Mapping[str, ToolChoice] = {
    "none": ToolChoice("none"),
    "auto": ToolChoice("auto"),
    "required": ToolChoice("required"),
}
_NO_ARGUMENTS: Mapping[str, Any] = {"type": "object", "properties": {}}


def tool_choice(mode: str | None) -> ToolChoice | None:
    """Whether a tool is to be called, where none is named; None as its vendor likes."""
    return None if mode is None else _MODES[mode]


def arguments(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The JSON Schema of a function's arguments, which vendors want of one without any, too."""
    return schema or _NO_ARGUMENTS


def refuse_what_nobody_does(asked: Mapping[str, bool]) -> None:
    """Raises NotSupported for the first field that asks for what is not to be had here."""
    for name, wanted in asked.items():
        if wanted:
            raise NotSupported(name, f"`{name}` is not to be had here.")
