"""Finding one's conversations by what stands in them."""

import asyncio
from collections.abc import Mapping, Sequence

from app.database import Database
from app.domain.chat import Page
from app.domain.entries import PIECE
from app.domain.matches import Listed, Match
from app.domain.snippets import Words, asked_for, marked, snippet
from app.repositories.base import decode_cursor
from app.repositories.search import Found, Piece

_LONG = 4000
"""Characters whose terms are looked at where others wait meanwhile."""


class SearchService:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, user_id: str, *, q: str | None, limit: int, cursor: str | None) -> Page[Listed]:
        """The user's conversations that hold all words of `q`, or all of them; the last used first.

        Raises InvalidCursor.
        """
        if q is None:
            async with self._database.snapshot() as tx:
                page = await tx.conversations.page(user_id, limit=limit, cursor=cursor)
            return Page([Listed(each, None) for each in page.items], page.next_cursor)
        return await self._found(user_id, asked_for(q), limit, cursor)

    async def _found(self, user_id: str, words: Words, limit: int, cursor: str | None) -> Page[Listed]:
        if not words:
            if cursor is not None:
                decode_cursor(cursor)
            return Page([], None)
        async with self._database.snapshot() as tx:
            page = await tx.search.find(user_id, words, limit=limit, cursor=cursor)
            numbers = [each.entry for each in page.items if each.entry is not None]
            pieces = await tx.search.pieces(numbers) if numbers else {}
        if sum(len(each.text) for each in pieces.values()) <= _LONG:
            return Page(_listed(page.items, pieces, words), page.next_cursor)
        return Page(await asyncio.to_thread(_listed, page.items, pieces, words), page.next_cursor)


def _listed(items: Sequence[Found], pieces: Mapping[int, Piece], words: Words) -> Sequence[Listed]:
    return [Listed(each.conversation, _match(each, pieces, words)) for each in items]


def _match(found: Found, pieces: Mapping[int, Piece], words: Words) -> Match:
    title = marked(found.conversation.title, words)
    piece = pieces.get(found.entry) if found.entry is not None else None
    if piece is None:
        return Match(None, title, title)
    text, more = piece.text[:PIECE], len(piece.text) > PIECE
    return Match(piece.message_id, title, snippet(text, words, begins=piece.start == 0, ends=not more))
