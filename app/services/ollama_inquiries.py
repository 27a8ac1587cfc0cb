"""What has to be known of a request that is passed on to an Ollama server as it came."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Raw

from app.core.errors import Invalid, Malformed
from app.domain.tokens import estimate
from app.providers import shipped
from app.providers.catalogue import MAX_NAME_CHARS

_LARGE = 256 * 1024
"""Bytes; to read more takes milliseconds, which the event loop has not."""


class _Message(msgspec.Struct):
    content: Any = None


@dataclass(frozen=True, slots=True)
class Inquiry:
    """`model` is what the request calls it; `input_tokens` an estimate."""

    model: str
    input_tokens: int


def names_of(model: str) -> Sequence[str]:
    """All that a model is called, as `provider/id`: without a tag it is the `latest`."""
    name = f"ollama/{shipped.canonical('ollama', model)}"
    return (name,) if ":" in name.rpartition("/")[2] else (name, f"{name}:latest")


async def read_inquiry(content: bytes) -> Inquiry:
    """Raises Malformed and Invalid: what is passed on must leave no doubt which model the server reads in it."""
    return await asyncio.to_thread(_read, content) if len(content) > _LARGE else _read(content)


def _read(content: bytes) -> Inquiry:
    try:
        fields = msgspec.json.decode(content, type=dict[str, Raw])
    except (ValueError, RecursionError) as error:
        raise Malformed("The body must be a JSON object.") from error
    # The server does not tell capitals from small letters in names, and of several takes the last.
    if any(name != "model" and name.casefold() == "model" for name in fields):
        raise Invalid("must be called so, in small letters", field="model")
    model = _model(fields.get("model"))
    return Inquiry(model, estimate(_said(fields)))


def _model(raw: Raw | None) -> str:
    try:
        model = msgspec.json.decode(raw, type=str) if raw is not None else ""
    except ValueError:
        model = ""
    if not model:
        raise Invalid("model is required", field="model")
    if len(model) > MAX_NAME_CHARS or not model.isprintable():
        raise Invalid("is no name of a model", field="model")
    return model


def _said(fields: dict[str, Raw]) -> str:
    """All the text of the request that a model reads, as far as it is where it should be."""
    said = [_decoded(fields[name], str) for name in ("system", "prompt", "suffix") if name in fields]
    if "messages" in fields:
        said += [message.content for message in _decoded(fields["messages"], list[_Message]) or ()]
    return "\n".join(each for each in said if isinstance(each, str))


def _decoded(raw: Raw, kind: Any) -> Any:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (ValueError, RecursionError):
        return None
