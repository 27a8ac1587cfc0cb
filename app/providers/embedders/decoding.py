"""Answers that are full of numbers, decoded where that holds nobody up."""

import asyncio
from typing import TypeVar

import msgspec

from app.providers.verdicts import PROTOCOL

_LARGE = 64 * 1024
"""Bytes, beyond which it takes a millisecond."""
_T = TypeVar("_T")


async def decoded(content: bytes, decoder: msgspec.json.Decoder[_T]) -> _T:
    """Raises GenerationFailure for anything else than its kind, as for NaN, which JSON has not."""
    if len(content) < _LARGE:
        return _decoded(content, decoder)
    return await asyncio.to_thread(_decoded, content, decoder)


def _decoded(content: bytes, decoder: msgspec.json.Decoder[_T]) -> _T:
    try:
        return decoder.decode(content)
    except (ValueError, RecursionError) as error:
        raise PROTOCOL.failure() from error
