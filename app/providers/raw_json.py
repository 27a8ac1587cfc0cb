"""Fields of a vendor's JSON that stay encoded until they are needed, and what vendors send that is hardly JSON."""

import json
from typing import Any

import msgspec
from msgspec import Raw

from app.domain.text import TextJoiner
from app.providers.verdicts import PROTOCOL

NULL = Raw(b"null")

_MAX_TOKENS = 2**31 - 1
_NOTHING = (b"null", b'""')


def given(raw: Raw) -> bool:
    """Whether the field says anything: neither null nor an empty string."""
    return raw is not NULL and bytes(raw) not in _NOTHING


def piece(joiner: TextJoiner, raw: Raw) -> bytes | None:
    """A chunk of text, safe to splice; None while there is nothing to say. Raises GenerationFailure for no text."""
    if raw is NULL or (text := bytes(raw)) in _NOTHING:
        return None
    if text[0] != 0x22:
        raise PROTOCOL.failure()
    return joiner.splice(text) or joiner.join(loads(text))


def loads(data: bytes) -> Any:
    """Also half a surrogate pair, invalid UTF-8 and raw control characters, which msgspec refuses."""
    try:
        return json.loads(data.decode(errors="replace"), strict=False)
    except (ValueError, RecursionError) as error:
        raise PROTOCOL.failure() from error


def dumps(value: object) -> Raw:
    """The other way round, for what `loads` gave."""
    return Raw(json.dumps(value).encode())


def count(raw: Raw) -> int | None:
    """A number of tokens, made sane; None where there is no number."""
    try:
        value = msgspec.json.decode(raw, type=int | None)
    except (ValueError, RecursionError):
        return None
    return None if value is None else min(max(value, 0), _MAX_TOKENS)
