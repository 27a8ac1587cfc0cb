"""A SQLite database that somebody else is writing to."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


@asynccontextmanager
async def held(file: Path | str) -> AsyncIterator[None]:
    """Meanwhile nobody else can write. What was written before has ended.

    It is waited for in a thread: a service of this event loop may be in the middle of a transaction.
    """
    holder = sqlite3.connect(file, timeout=20, isolation_level=None, check_same_thread=False)
    try:
        await asyncio.to_thread(holder.execute, "BEGIN IMMEDIATE")
        yield
    finally:
        holder.close()
