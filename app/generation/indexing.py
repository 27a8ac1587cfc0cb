"""Search entries, made where that keeps nobody waiting."""

import asyncio
from collections.abc import Sequence

from app.domain.entries import Entry, entries

_LONG = 4000
"""Characters: some milliseconds."""


async def entries_aside(user_id: str, text: str) -> Sequence[Entry]:
    """A user's text as entries; of a long one in a thread."""
    if len(text) <= _LONG:
        return entries(user_id, text)
    return await asyncio.to_thread(entries, user_id, text)
