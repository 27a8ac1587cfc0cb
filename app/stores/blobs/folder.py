"""Blobs in a folder of this machine, or in one that several share."""

import asyncio
import functools
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import ParamSpec, TypeVar

from app.core.errors import StorageUnavailable
from app.stores.blobs.disk import Disk
from app.stores.blobs.keeping import PIECE, Kept

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_THREADS = 4
_LISTED = 500
_PATIENCE = 30.0
"""Seconds for a single piece, or for one look at the folder; the thread of a disk that hangs is lost meanwhile."""


class FolderBlobs:
    """Works in threads of its own: two small pools, so that who reads does not wait for who syncs."""

    at_once = 24  # each holds less than a megabyte

    def __init__(self, folder: Path, *, patience: float = _PATIENCE) -> None:
        self._disk = Disk(folder)
        self._patience = patience
        self._readers = ThreadPoolExecutor(_THREADS, "files-read")
        self._writers = ThreadPoolExecutor(_THREADS, "files-write")

    async def put(self, key: str, pieces: AsyncIterator[bytes]) -> None:
        path = await self._write(self._disk.begin)
        try:
            async for piece in pieces:
                await self._write(self._disk.append, path, piece)
            await self._write(self._disk.finish, path, key)
        except BaseException:
            await self._drop(path)
            raise

    async def read(self, key: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        while start < end:
            piece = await self._look(self._disk.read, key, start, min(PIECE, end - start))
            start += len(piece)
            yield piece

    async def holds(self, key: str, size: int) -> bool:
        return await self._look(self._disk.size, key) == size

    async def delete(self, key: str) -> None:
        await self._write(self._disk.delete, key)

    async def delete_all_of(self, user_id: str) -> None:
        await self._write(self._disk.delete_all_of, user_id)

    async def every(self) -> AsyncGenerator[list[Kept], None]:
        for user_id in await self._look(self._disk.users):
            kept = await self._look(self._disk.kept_of, user_id)
            for start in range(0, len(kept), _LISTED):
                yield kept[start : start + _LISTED]

    async def tidy(self, before: datetime) -> None:
        await self._write(self._disk.tidy, before)

    async def close(self) -> None:
        """Begin nothing new; what a thread has begun goes on to its end."""
        for pool in (self._readers, self._writers):
            pool.shutdown(wait=False, cancel_futures=True)

    async def _drop(self, path: Path) -> None:
        """Of an upload that has come to nothing. What this cannot remove is tidied later."""
        try:
            await asyncio.shield(self._write(self._disk.drop, path))
        except StorageUnavailable:
            logger.warning("what is left of an upload could not be removed")

    async def _look(self, work: Callable[P, T], /, *args: P.args, **more: P.kwargs) -> T:
        return await self._within(self._readers, work, *args, **more)

    async def _write(self, work: Callable[P, T], /, *args: P.args, **more: P.kwargs) -> T:
        return await self._within(self._writers, work, *args, **more)

    async def _within(self, pool: ThreadPoolExecutor, work: Callable[P, T], /, *args: P.args, **more: P.kwargs) -> T:
        try:
            async with asyncio.timeout(self._patience):
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(pool, functools.partial(work, *args, **more))
        except TimeoutError as error:
            raise StorageUnavailable(retry_after=10) from error
