"""Trying again what may succeed at once: the one place for embedders."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

from app.domain.failures import GenerationFailure
from app.providers.embedders.source import Kind

_T = TypeVar("_T")


class _Patience(NamedTuple):
    """Seconds before each further try, and how long a server may ask for at most."""

    pauses: tuple[float, ...]
    most: float


_OF = {Kind.QUESTION: _Patience((0.05,), 1.0), Kind.PASSAGE: _Patience((0.5, 2.0), 15.0)}
"""Who waits for a question's vector goes on with terms after a few seconds; passages have nobody waiting."""


async def patiently(ask: Callable[[], Awaitable[_T]], kind: Kind, given_up: Callable[[], bool]) -> _T:
    """What `ask` returns, or its last GenerationFailure; what it raises beside those is not tried again."""
    for pause in _OF[kind].pauses:
        try:
            return await ask()
        except GenerationFailure as failure:
            wait = max(pause, failure.retry_after or 0.0)
            if given_up() or not failure.transient or wait > _OF[kind].most:
                raise
        await asyncio.sleep(wait)
    return await ask()
