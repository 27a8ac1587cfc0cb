"""Files that come in: first their bytes are kept, then the row is written that makes them somebody's.

So a crash leaves bytes without a row at worst, which are found and dropped later, and never a row without its bytes.
"""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from weakref import WeakValueDictionary

from app.core.errors import (
    AppError,
    Conflict,
    NotFound,
    Overloaded,
    StorageQuotaExceeded,
    Unauthenticated,
)
from app.database import Database, Transaction
from app.domain.files import StoredFile, blob_key, clean_name
from app.repositories.base import new_id, now
from app.repositories.collections import CollectionTaken
from app.repositories.documents import DocumentTaken
from app.repositories.files import FileTaken
from app.repositories.idempotency import KeyRace
from app.services.idempotency import IdempotencyKey, find_replay, remember
from app.services.intake import Intake, Received
from app.stores.blobs.keeping import Blobs

logger = logging.getLogger(__name__)

_EACH = 8
"""Uploads of one user in one process, and half of all places at the most."""
_PATIENCE = 30.0
"""Seconds that an upload waits for those before it."""
_ROUNDS = 3
LOST_RACES = (KeyRace, FileTaken, CollectionTaken, DocumentTaken)
"""What a transaction fails with when it is committed and another was faster; nothing of it stays."""
_CLEARING = 10.0
"""Seconds for what is not kept to be dropped."""


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """In bytes: of one file, and of all files of a user, if that is limited."""

    file: int
    user: int | None = None


class Uploads:
    def __init__(self, database: Database, blobs: Blobs, limits: UploadLimits, *, patience: float = _PATIENCE) -> None:
        self._database = database
        self._blobs = blobs
        self._limits = limits
        self._places = asyncio.Semaphore(blobs.at_once)
        self._patience = patience
        self._each = min(_EACH, max(1, blobs.at_once // 2))
        self._places_of: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def receiving(self, user_id: str) -> AsyncIterator["Receiving"]:
        """To take files while they come; those that are not kept by the end are gone. Raises Overloaded."""
        own = self._places_of.setdefault(user_id, asyncio.Semaphore(self._each))
        async with _place(own, self._patience), _place(self._places, self._patience):
            receiving = Receiving(self._database, self._blobs, self._limits, user_id)
            try:
                yield receiving
            finally:
                await receiving.clear()


@asynccontextmanager
async def _place(among: asyncio.Semaphore, patience: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(patience):
            await among.acquire()
    except TimeoutError:
        raise Overloaded("Other files are being uploaded; try again in a moment.", retry_after=10) from None
    try:
        yield
    finally:
        among.release()


class Receiving:
    """The files of one request."""

    def __init__(self, database: Database, blobs: Blobs, limits: UploadLimits, user_id: str) -> None:
        self._database = database
        self._blobs = blobs
        self._limits = limits
        self._unclaimed: set[str] = set()
        self.user_id = user_id

    async def take(self, name: str, chunks: AsyncIterator[bytes]) -> Received:
        """Keep the bytes of a file that is called `name`, which may be anything.

        Raises TooLarge, Invalid (it is empty), StorageFull, StorageUnavailable, and whatever `chunks` raises.
        """
        blob_id = new_id()
        self._unclaimed.add(blob_id)
        intake = Intake(chunks, self._limits.file)
        async with aclosing(intake.pieces()) as pieces:
            await self._blobs.put(blob_key(self.user_id, blob_id), pieces)
        return await intake.received(blob_id, clean_name(name))

    async def keep(self, received: Received, key: IdempotencyKey | None = None) -> StoredFile:
        """Make it the user's; or answer the file of theirs that has this content already.

        Raises StorageQuotaExceeded, KeyReused, Unauthenticated (the account is closed), DatabaseUnavailable, and
        NotFound where the file that an equal request has made was deleted. The key's fingerprint is found here.
        """
        if key is not None:
            told = f"{received.sha256} {received.name}"
            key = replace(key, fingerprint=hashlib.sha256(told.encode()).hexdigest())
        for _ in range(_ROUNDS):
            try:
                async with self.keeping() as keeping:
                    file = await _find_or_make(keeping, received, key)
            except (KeyRace, FileTaken):
                continue  # another upload of the same was faster
            if await self.mended(file, received):
                return file
        raise Conflict("This file is being uploaded and deleted elsewhere.")

    @asynccontextmanager
    async def keeping(self) -> AsyncIterator["Keeping"]:
        """A transaction in which files that were taken become the user's; its other writes may fail with LOST_RACES."""
        committing = False
        taken: set[str] = set()
        try:
            async with self._database.transaction() as tx:
                yield Keeping(tx, self._limits, self.user_id, taken)
                committing = True
        except LOST_RACES:
            raise
        except BaseException:
            if committing:
                self._unclaimed -= taken  # it may have been committed; if not, it is found later
            raise
        self._unclaimed -= taken

    async def mended(self, file: StoredFile, received: Received) -> bool:
        """Whether the bytes of the file that it was kept as are there. If they were lost, those that have come now take
        their place; false where it was deleted meanwhile, and keeping it has to be tried once more."""
        if file.blob_id == received.blob_id or await self._blobs.holds(file.blob, file.size):
            return True
        self._unclaimed.discard(received.blob_id)
        async with self._database.transaction() as tx:
            mended = await tx.files.repair(self.user_id, file.id, received.blob_id)
        if mended:
            logger.warning("the content of a file was lost, and has come again", extra={"file_id": file.id})
        else:
            self._unclaimed.add(received.blob_id)
        return mended

    async def clear(self) -> None:
        """Drop what was not kept. What cannot be dropped now is found later."""
        if not self._unclaimed:
            return
        # However the request ends: its client may have left, or the process may be about to.
        dropping = asyncio.ensure_future(self._drop([*self._unclaimed]))
        self._unclaimed.clear()
        await asyncio.shield(asyncio.wait({dropping}, timeout=_CLEARING))

    async def _drop(self, blob_ids: list[str]) -> None:
        for blob_id in blob_ids:
            try:
                await self._blobs.delete(blob_key(self.user_id, blob_id))
            except AppError as error:
                logger.warning("an upload that came to nothing was not removed", extra={"code": error.code})


class Keeping:
    """A transaction with what has come in one request; `taken` are the blobs that belong to a file once it is
    committed."""

    def __init__(self, tx: Transaction, limits: UploadLimits, user_id: str, taken: set[str]) -> None:
        self.tx = tx
        self.user_id = user_id
        self._limits = limits
        self._taken = taken

    async def enter(self) -> None:
        """What a user does with files and documents is done in turns: else those that add what others delete would
        wait for each other. Raises Unauthenticated (the account is closed)."""
        if await self.tx.users.enter(self.user_id) is None:
            raise Unauthenticated

    async def keep(self, received: Received, *, uploaded: bool) -> StoredFile:
        """The file of this content. `uploaded` is whether it is for itself, or for what is made of it.

        Raises StorageQuotaExceeded, Unauthenticated (the account is closed).
        """
        found = await self.tx.files.find(self.user_id, received.sha256)
        if found is None:
            return await self._make(received, uploaded)
        if uploaded and not found.uploaded and not await self.tx.files.publish(self.user_id, found.id):
            raise FileTaken  # the last document that was made of it has just gone, and it with that
        return found

    async def _make(self, received: Received, uploaded: bool) -> StoredFile:
        await self._admit(received.size)
        file = StoredFile(
            id=received.blob_id,
            user_id=self.user_id,
            blob_id=received.blob_id,
            name=received.name,
            media_type=received.kind.media_type,
            size=received.size,
            sha256=received.sha256,
            created_at=now(),
            uploaded=uploaded,
        )
        self.tx.files.add(file)
        self._taken.add(file.blob_id)
        return file

    async def _admit(self, size: int) -> None:
        """The account stays, and the room for this file is nobody else's, until this transaction ends."""
        await self.enter()
        if self._limits.user is not None and await self.tx.files.size(self.user_id) + size > self._limits.user:
            raise StorageQuotaExceeded


async def _find_or_make(keeping: Keeping, received: Received, key: IdempotencyKey | None) -> StoredFile:
    tx, user_id = keeping.tx, keeping.user_id
    if key is not None and (made := await find_replay(tx, user_id, key)) is not None:
        return await own_file(tx, user_id, made)
    file = await keeping.keep(received, uploaded=True)
    if key is not None:
        remember(tx, user_id, key, file.id)
    return file


async def own_file(tx: Transaction, user_id: str, file_id: str) -> StoredFile:
    """Raises NotFound, for what is somebody else's, too."""
    file = await tx.files.get(user_id, file_id)
    if file is None:
        raise NotFound("There is no such file.")
    return file
