"""The Idempotency-Key header."""

import asyncio
import hashlib
from dataclasses import replace
from typing import Annotated

from fastapi import Header, Request
from pydantic import BaseModel

from app.core.errors import Invalid
from app.services.idempotency import IdempotencyKey

_LONGEST_KEY = 255

IdempotencyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Repeating it within 24 hours gets the first outcome, never a second.",
        json_schema_extra={"pattern": f"^[ -~]{{1,{_LONGEST_KEY}}}$"},
    ),
]


def idempotency_key(request: Request, key: str | None, body: BaseModel) -> IdempotencyKey | None:
    """The client's own name for this request. Raises Invalid for one that is empty, too long or not printable ASCII."""
    named = unread_key(request, key)
    if named is None:
        return None
    return replace(named, fingerprint=hashlib.sha256(body.model_dump_json().encode()).hexdigest())


async def door_key(
    request: Request, key: str | None, body: BaseModel, conversation: str | None = None
) -> IdempotencyKey | None:
    """The same at a door, where bodies are large, and to join another `conversation` is to ask for something else."""
    if key is None:
        return None
    named = await asyncio.to_thread(idempotency_key, request, key, body)
    if named is None or conversation is None:
        return named
    return replace(named, fingerprint=hashlib.sha256(f"{named.fingerprint} {conversation}".encode()).hexdigest())


def unread_key(request: Request, key: str | None) -> IdempotencyKey | None:
    """The same while the body is not read yet, of which the fingerprint is to be."""
    if key is None:
        return None
    if not (key.isascii() and key.isprintable() and 0 < len(key) <= _LONGEST_KEY):
        raise Invalid(f"An Idempotency-Key has 1 to {_LONGEST_KEY} printable ASCII characters.")
    return IdempotencyKey(f"{request.method} {request.scope['path']}", key, fingerprint="")
