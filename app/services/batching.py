"""Pages gathered to batches that are worth a transaction each."""

import asyncio
from collections.abc import AsyncGenerator

from app.domain.passages import Page

_PAGES = 50
_CHARACTERS = 200_000
_SECONDS = 2.0
"""How long a page waits for others."""


async def batches(pages: AsyncGenerator[Page, None]) -> AsyncGenerator[list[Page], None]:
    """All of them in their order; the next page is on its way while a batch is looked at."""
    loop = asyncio.get_running_loop()
    held: list[Page] = []
    characters, since = 0, 0.0
    upcoming = asyncio.ensure_future(_next(pages))
    try:
        while True:
            await asyncio.wait({upcoming}, timeout=max(0.0, since + _SECONDS - loop.time()) if held else None)
            page = upcoming.result() if upcoming.done() else None
            over = page is None and upcoming.done()
            if page is not None:
                since = since if held else loop.time()
                held.append(page)
                characters += len(page.text)
                upcoming = asyncio.ensure_future(_next(pages))
            if held and (page is None or len(held) >= _PAGES or characters >= _CHARACTERS):
                batch, held, characters = held, [], 0
                yield batch
            if over:
                return
    finally:
        upcoming.cancel()
        await asyncio.gather(upcoming, return_exceptions=True)


async def _next(pages: AsyncGenerator[Page, None]) -> Page | None:
    return await anext(pages, None)
