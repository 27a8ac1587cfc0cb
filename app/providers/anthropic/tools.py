"""Tools in the words of Anthropic's Messages API, and whether one of them is to be called."""

from collections.abc import Mapping
from typing import Any

from app.domain.prompts import CacheMark, ModelRequest, Tool
from app.providers.claude import Claude

_CHOICES: Mapping[str, str] = {"auto": "auto", "none": "none", "required": "any", "named": "tool"}


def tools(request: ModelRequest) -> dict[str, Any]:
    """`tools` and `tool_choice` of a request; nothing where there are none."""
    if not request.tools:
        return {}
    claude = Claude.named(request.model.id)
    strictly = claude is None or claude.keeps_to_schemas
    body: dict[str, Any] = {"tools": [_tool(tool, strictly) for tool in request.tools]}
    if choice := _choice(request):
        body["tool_choice"] = choice
    return body


def cache_control(mark: CacheMark) -> dict[str, str]:
    return {"type": "ephemeral"} | ({"ttl": mark.ttl} if mark.ttl else {})


def _tool(tool: Tool, strictly: bool) -> dict[str, Any]:
    # A schema without a type, as other vendors take one for a function without arguments, is refused.
    spelled: dict[str, Any] = {"name": tool.name, "input_schema": {"type": "object"} | dict(tool.parameters)}
    if tool.description:
        spelled["description"] = tool.description
    if tool.strict and strictly:
        spelled["strict"] = True
    if tool.cache:
        spelled["cache_control"] = cache_control(tool.cache)
    return spelled


def _choice(request: ModelRequest) -> dict[str, Any]:
    choice, one_at_a_time = request.tool_choice, request.parallel_calls is False
    if choice is None:
        return {"type": "auto", "disable_parallel_tool_use": True} if one_at_a_time else {}
    spelled: dict[str, Any] = {"type": _CHOICES[choice.mode]}
    if choice.mode == "named":
        spelled["name"] = choice.name
    if one_at_a_time and choice.mode != "none":
        spelled["disable_parallel_tool_use"] = True
    return spelled
