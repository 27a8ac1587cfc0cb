"""Users' files: what there is, what is in them, and that they go."""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial

from app.core.errors import FileUnreadable, NotFound, StorageFull, StorageUnavailable, TooManyDownloads
from app.database import Database
from app.domain.chat import Page
from app.domain.downloads import Piece
from app.domain.files import Span, StoredFile
from app.services.document_clearing import bury
from app.services.downloads import Carried, Downloads
from app.services.uploads import own_file
from app.stores.blobs.keeping import Blobs

logger = logging.getLogger(__name__)

_AT_ONCE = 256
"""In one process; each holds a piece or two."""
_EACH = 32


class FileService:
    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs
        self._downloads = Downloads(at_once=_AT_ONCE, each=_EACH, refusal=TooManyDownloads)

    async def page(self, user_id: str, *, limit: int, cursor: str | None) -> Page[StoredFile]:
        """The user's files, the newest first. Raises InvalidCursor."""
        return await self._database.now.files.page(user_id, limit=limit, cursor=cursor)

    async def get(self, user_id: str, file_id: str) -> StoredFile:
        """Raises NotFound."""
        return await own_file(self._database.now, user_id, file_id)

    async def read(self, file: StoredFile, span: Span) -> Carried:
        """A part of its content, of which the first bytes are there.

        Raises FileUnreadable, StorageUnavailable, Draining, TooManyDownloads, Overloaded; the pieces raise the first
        two of them, too.
        """
        place = self._downloads.take(file.user_id)
        pieces = self.pieces(file, file.id, span)
        try:
            first = await anext(pieces)
        except BaseException:
            place.release()
            raise
        return Carried(place, partial(_from, [first], pieces))

    async def pieces(self, file: StoredFile, name: str, span: Span | None = None) -> AsyncGenerator[Piece, None]:
        """Its content, or a part of it, under a name of whoever asks. Raises FileUnreadable, StorageUnavailable."""
        part = span or Span(0, file.size)
        try:
            async with aclosing(self._blobs.read(file.blob, part.start, part.end)) as found:
                async for piece in found:
                    yield Piece(name, piece.__bytes__)
        except FileUnreadable:
            logger.warning("the content of a file cannot be read", extra={"file_id": file.id})
            raise

    async def exists(self, file: StoredFile) -> bool:
        """Whether it was not deleted meanwhile."""
        return await self._database.now.files.get(file.user_id, file.id) is not None

    async def delete(self, user_id: str, file_id: str) -> None:
        """The file, for good, with what was read of it for messages that it is attached to. Raises NotFound. If its
        bytes cannot be removed now, they are found later."""
        async with self._database.transaction() as tx:
            await tx.users.enter(user_id)  # so that whoever deletes a document of it takes turns
            file = await own_file(tx, user_id, file_id)
            gone = False
            for document_id in await tx.documents.attached(user_id, file_id):
                document = await tx.documents.enter(user_id, document_id)
                gone = document is not None and await bury(tx, document) is not None
            if not gone and not await tx.files.delete(user_id, file_id):
                raise NotFound("There is no such file.")
        try:
            await self._blobs.delete(file.blob)
        except (StorageUnavailable, StorageFull):
            logger.warning("the content of a deleted file was not removed yet", extra={"file_id": file_id})

    async def drain(self, seconds: float) -> None:
        """Begin to send nothing new, let what is under way finish for so long, then break the rest off."""
        await self._downloads.drain(seconds)


async def _from(first: list[Piece], rest: AsyncGenerator[Piece, None]) -> AsyncGenerator[Piece, None]:
    async with aclosing(rest):
        yield first.pop()  # so that nothing holds it for as long as the rest takes
        async for piece in rest:
            yield piece
