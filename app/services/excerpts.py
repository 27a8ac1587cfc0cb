"""What a model is shown of a document where no passage of it is asked for: all of it, or pages from all over it."""

import asyncio

from app.database import Database
from app.domain.documents import Document
from app.domain.tokens import estimate
from app.services.context import CHARACTERS
from app.services.transcripts import head

_PAGES_AT_ONCE = 50
_THRIFT = 3.0
"""Characters that a token of an excerpt is taken to have; Chinese has fewer, and then ends sooner."""
_LEAST = 20
"""Tokens that a piece of a page is worth."""


async def whole(database: Database, document: Document, tokens: int) -> str | None:
    """All that was read of it; None where that is more than so many tokens. Raises DatabaseUnavailable."""
    if document.characters > tokens * CHARACTERS:
        return None
    texts: list[str] = []
    after: int | None = 0
    while after is not None:
        async with database.snapshot() as tx:
            pages = await tx.chunks.pages(document.id, after=after, limit=_PAGES_AT_ONCE)
        texts += [page.text for page in pages if page.text]
        after = pages[-1].number if len(pages) == _PAGES_AT_ONCE else None
    text = "\n\n".join(texts)
    return text if await asyncio.to_thread(estimate, text) <= tokens else None


async def excerpts(database: Database, document: Document, tokens: int) -> str:
    """The beginning, and pages from all over it, each under its number. Raises DatabaseUnavailable."""
    pages = document.page_count or 1
    fitting = max(1, int(pages * tokens * _THRIFT / max(document.characters, 1)))
    step = max(1, -(-pages // fitting))
    texts: list[str] = []
    left = tokens
    for first in range(1, pages + 1, step * _PAGES_AT_ONCE):
        numbers = list(range(first, min(first + step * _PAGES_AT_ONCE, pages + 1), step))
        async with database.snapshot() as tx:
            found = await tx.chunks.page_texts(document.id, numbers)
        for number in numbers:
            text, taken = await asyncio.to_thread(_page, number, found.get(number, ""), left)
            texts.append(text)
            left -= taken
            if left < _LEAST:
                return "\n\n".join(texts)
    return "\n\n".join(texts)


def _page(number: int, text: str, tokens: int) -> tuple[str, int]:
    """As much of a page as so many tokens hold, under its number, and how many it takes."""
    shown = head(f"[page {number}]\n{text}", tokens)
    return shown, estimate(shown)
