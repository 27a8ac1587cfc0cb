"""Copies of files that a child process is to read: for as long as it reads, and never longer."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from app.core.errors import FileUnreadable, StorageFull
from app.domain.files import StoredFile
from app.repositories.base import new_id
from app.stores.blobs.keeping import Blobs

_RESERVE = 256 * 1024 * 1024
"""Bytes that stay free, or 5 % of a small disk: the database may lie on the same."""


class Scratch:
    """A folder of this machine. Raises OSError where it cannot be used.

    `reserve` is in bytes, and stays free.
    """

    def __init__(self, folder: Path, blobs: Blobs, *, reserve: int | None = None) -> None:
        self._folder = folder
        self._blobs = blobs
        self._reserve = reserve

    @asynccontextmanager
    async def copy(self, file: StoredFile) -> AsyncIterator[Path]:
        """The content of a file, under a path. Raises FileUnreadable, StorageUnavailable, StorageFull, OSError."""
        if not await self._blobs.holds(file.blob, file.size):
            raise FileUnreadable  # to read on past the end of it may look as if the storage were away
        path = self._folder / new_id()
        try:
            await self._begun(path, file.size)
            async with aclosing(self._blobs.read(file.blob, 0, file.size)) as pieces:
                async for piece in pieces:
                    await asyncio.to_thread(_append, path, piece)
            yield path
        finally:
            self.drop(path)

    def drop(self, path: Path) -> None:
        """Whoever has it open reads on."""
        path.unlink(missing_ok=True)

    async def tidy(self, before: datetime) -> None:
        """Remove what crashes have left, and nobody has written to since then."""
        await asyncio.to_thread(self._tidy, before)

    async def _begun(self, path: Path, size: int) -> None:
        beginning = asyncio.ensure_future(asyncio.to_thread(self._begin, path, size))
        try:
            await asyncio.shield(beginning)
        except asyncio.CancelledError:
            beginning.add_done_callback(lambda begun: self._forget(path, begun))
            raise

    def _forget(self, path: Path, begun: "asyncio.Future[None]") -> None:
        """Whoever wanted it was cancelled while it was made."""
        if not begun.cancelled() and begun.exception() is None:
            self.drop(path)

    def _begin(self, path: Path, size: int) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        disk = shutil.disk_usage(self._folder)
        reserve = min(_RESERVE, disk.total // 20) if self._reserve is None else self._reserve
        if disk.free - size < reserve:
            raise StorageFull
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))

    def _tidy(self, before: datetime) -> None:
        for path in self._folder.iterdir() if self._folder.exists() else ():
            try:
                if datetime.fromtimestamp(path.stat().st_mtime, UTC) < before:
                    path.unlink()
            except FileNotFoundError:
                continue  # whoever had it has done with it


def _append(path: Path, piece: bytes) -> None:
    """All of it: a disk that is nearly full takes a part without a word, and refuses only what comes next.

    Never makes a file anew that was dropped meanwhile.
    """
    with path.open("r+b", buffering=0) as file:
        file.seek(0, os.SEEK_END)
        rest = memoryview(piece)
        while rest:
            rest = rest[file.write(rest) :]
