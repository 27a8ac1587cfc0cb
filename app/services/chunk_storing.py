"""Stored pages packed to chunks, which are rows: in threads, a little at a time, and requests come first."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from time import monotonic

from app.database import Database
from app.domain import packing
from app.domain.documents import Chunk
from app.domain.packing import Packer
from app.domain.passages import Page, Passage
from app.repositories.base import new_id
from app.services.held_job import HeldJob

_PAGES = 20
_CHUNKS = 100


@dataclass(slots=True)
class Packed:
    """How many there are, and of how many characters the pages they were packed of; how many pages have a flaw."""

    chunks: int = 0
    characters: int = 0
    flawed: int = 0


class ChunkStoring:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def store(self, held: HeldJob) -> Packed:
        """All chunks anew, whatever an earlier try has left, and then it is the index's turn. Raises Lost,
        DatabaseUnavailable."""
        await held.packing()
        await held.forget_text(pages=False)
        packer = Packer(held.document.title)
        packed = Packed()
        after = 0
        while pages := await self._database.now.chunks.pages(held.document.id, after=after, limit=_PAGES):
            for page in pages:
                packed.characters += len(page.text)
                packed.flawed += page.flaw is not None
            await self._pack(held, packer, pages, packed)
            after = pages[-1].number
        await held.hand_over(chunk_count=packed.chunks, characters=packed.characters, packing=packing.VERSION)
        return packed

    async def _pack(self, held: HeldJob, packer: Packer, pages: Sequence[Page], packed: Packed) -> None:
        passages = (passage for page in pages for passage in packer.add(page))
        while True:
            began = monotonic()
            chunks = await asyncio.to_thread(_some, passages, held.document.id)
            if not chunks:
                return
            packed.chunks += len(chunks)
            await held.packed(chunks)
            await asyncio.sleep(monotonic() - began)


def _some(passages: Iterator[Passage], document_id: str) -> Sequence[Chunk]:
    return [
        Chunk(
            id=new_id(),
            document_id=document_id,
            number=each.number,
            page=each.page,
            start=each.start,
            end=each.end,
            text=each.text,
            headings=each.headings,
            header=each.header,
        )
        for each in islice(passages, _CHUNKS)
    ]
