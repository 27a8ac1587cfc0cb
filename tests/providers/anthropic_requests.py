"""Requests in short, and what a Claude is asked by them."""

from typing import Any

from app.domain.prompts import ModelMessage, ModelRequest, Part, Text
from app.providers import shipped
from app.providers.anthropic.requests import messages_call


def asking(*messages: ModelMessage, model: str = "claude-sonnet-4-6", **fields: Any) -> ModelRequest:
    asked = {"system_prompt": None, "max_tokens": 4096, "temperature": None} | fields
    return ModelRequest(shipped.card("anthropic", model), messages or [user("hi")], **asked)


def body(*messages: ModelMessage, model: str = "claude-sonnet-4-6", **fields: Any) -> dict[str, Any]:
    return dict(messages_call(asking(*messages, model=model, **fields)).body)


def user(*parts: Part | str) -> ModelMessage:
    return _message("user", parts)


def assistant(*parts: Part | str) -> ModelMessage:
    return _message("assistant", parts)


def system(*parts: Part | str) -> ModelMessage:
    return _message("system", parts)


def _message(role: Any, parts: tuple[Part | str, ...]) -> ModelMessage:
    if len(parts) == 1 and isinstance(parts[0], str):
        return ModelMessage(role, parts[0])
    return ModelMessage(role, [Text(part) if isinstance(part, str) else part for part in parts])
