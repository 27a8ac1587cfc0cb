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
    KeyReused,
    NotFound,
    Overloaded,
    StorageQuotaExceeded,
    Unauthenticated,
)
from app.database import Database, Transaction
from app.domain.files import StoredFile, blob_key, clean_name
from app.repositories.base import new_id, now
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
_UNDONE = (KeyRace, KeyReused, FileTaken, NotFound, StorageQuotaExceeded, Unauthenticated)
"""What a transaction fails with that has committed nothing."""
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
        self._user_id = user_id
        self._unclaimed: set[str] = set()

    async def take(self, name: str, chunks: AsyncIterator[bytes]) -> Received:
        """Keep the bytes of a file that is called `name`, which may be anything.

        Raises TooLarge, Invalid (it is empty), StorageFull, StorageUnavailable, and whatever `chunks` raises.
        """
        blob_id = new_id()
        self._unclaimed.add(blob_id)
        intake = Intake(chunks, self._limits.file)
        async with aclosing(intake.pieces()) as pieces:
            await self._blobs.put(self._key(blob_id), pieces)
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
                file = await self._find_or_make(received, key)
            except (KeyRace, FileTaken):
                continue  # another upload of the same was faster
            return file if file.blob_id == received.blob_id else await self._repaired(file, received)
        raise Conflict("This file is being uploaded and deleted elsewhere.")

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
                await self._blobs.delete(self._key(blob_id))
            except AppError as error:
                logger.warning("an upload that came to nothing was not removed", extra={"code": error.code})

    async def _find_or_make(self, received: Received, key: IdempotencyKey | None) -> StoredFile:
        committing = False
        try:
            async with self._database.transaction() as tx:
                if key is not None and (made := await find_replay(tx, self._user_id, key)) is not None:
                    return await own_file(tx, self._user_id, made)
                file = await tx.files.find(self._user_id, received.sha256) or await self._make(tx, received)
                if key is not None:
                    remember(tx, self._user_id, key, file.id)
                committing = True
        except _UNDONE:
            raise
        except BaseException:
            if committing:
                self._unclaimed.discard(received.blob_id)  # it may have been committed; if not, it is found later
            raise
        self._unclaimed.discard(file.blob_id)
        return file

    async def _make(self, tx: Transaction, received: Received) -> StoredFile:
        await self._admit(tx, received.size)
        file = StoredFile(
            id=received.blob_id,
            user_id=self._user_id,
            blob_id=received.blob_id,
            name=received.name,
            media_type=received.kind.media_type,
            size=received.size,
            sha256=received.sha256,
            created_at=now(),
        )
        tx.files.add(file)
        return file

    async def _admit(self, tx: Transaction, size: int) -> None:
        """The account stays, and the room for this file is nobody else's, until this transaction ends."""
        if self._limits.user is None:
            if not await tx.users.hold(self._user_id):
                raise Unauthenticated
            return
        if await tx.users.enter(self._user_id) is None:
            raise Unauthenticated
        if await tx.files.size(self._user_id) + size > self._limits.user:
            raise StorageQuotaExceeded

    async def _repaired(self, file: StoredFile, received: Received) -> StoredFile:
        """The same file. If its bytes were lost, those that have come now take their place."""
        if not await self._blobs.holds(file.blob, file.size):
            logger.warning("the content of a file was lost, and has come again", extra={"file_id": file.id})
            self._unclaimed.discard(received.blob_id)
            async with self._database.transaction() as tx:
                if not await tx.files.repair(self._user_id, file.id, received.blob_id):
                    raise NotFound("This file was deleted a moment ago.")
        return file

    def _key(self, blob_id: str) -> str:
        return blob_key(self._user_id, blob_id)


async def own_file(tx: Transaction, user_id: str, file_id: str) -> StoredFile:
    """Raises NotFound, for what is somebody else's, too."""
    file = await tx.files.get(user_id, file_id)
    if file is None:
        raise NotFound("There is no such file.")
    return file
