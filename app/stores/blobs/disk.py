"""A folder of files, as a thread works on it: <folder>/<user>/<blob>, and in <folder>/.incoming what is not whole yet.

Each call opens what it needs and closes it again: nobody holds a descriptor while a client takes its time, and what is
done for one who has left in the middle harms nothing.
"""

import errno
import os
import re
import shutil
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from app.core.errors import FileUnreadable, StorageFull, StorageUnavailable
from app.stores.blobs.keeping import Kept

_ID = re.compile("[0-9a-f-]{36}")
_INCOMING = ".incoming"
# The last is a limit of the process or of the file system on a single file.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SYNCED_EACH = 16 * 1024 * 1024
"""Bytes. All at once in the end would take seconds, in which the database waits for the same disk."""
_LOOKED_EACH = 4 * 1024 * 1024
"""Bytes of a file after which the disk is looked at: two dozen uploads between two looks do not use up the reserve."""
_RESERVE = 256 * 1024 * 1024
"""Bytes that stay free: the database may lie on the same disk, and no upload may take the last room from it."""


class Disk:
    """All methods block, and raise StorageUnavailable."""

    def __init__(self, folder: Path, *, reserve: int | None = None) -> None:
        """`reserve` is in bytes; by itself 256 MB, or 5 % of a small disk."""
        self._folder = folder
        self._reserve = reserve

    def begin(self) -> Path:
        """A new, empty file for what is to come. Raises StorageFull."""
        with _writing():
            incoming = self._folder / _INCOMING
            incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._check_room()
            path = incoming / str(uuid.uuid4())
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            return path

    def append(self, path: Path, piece: bytes) -> None:
        """Raises StorageFull. Never makes a file anew that was dropped meanwhile."""
        with _writing(), path.open("r+b", buffering=0) as file:
            before = file.seek(0, os.SEEK_END)
            rest = memoryview(piece)
            while rest:
                rest = rest[file.write(rest) :]
            if before // _LOOKED_EACH != file.tell() // _LOOKED_EACH:
                self._check_room()
            if before // _SYNCED_EACH != file.tell() // _SYNCED_EACH:
                os.fsync(file.fileno())

    def finish(self, path: Path, key: str) -> None:
        """Let it be seen under its key, whole. Raises StorageFull."""
        target = self._path(key)
        with _writing():
            with path.open("r+b", buffering=0) as file:
                os.fsync(file.fileno())
            if not target.parent.exists():
                target.parent.mkdir(mode=0o700, exist_ok=True)
                _sync_folder(self._folder)
            path.replace(target)
            _sync_folder(target.parent)

    def drop(self, path: Path) -> None:
        with _writing():
            path.unlink(missing_ok=True)

    def read(self, key: str, start: int, size: int) -> bytes:
        """So many bytes, all of them. Raises FileUnreadable."""
        try:
            with self._path(key).open("rb") as file:
                file.seek(start)
                piece = file.read(size)
        except OSError as error:
            raise FileUnreadable from error
        if len(piece) < size:
            raise FileUnreadable
        return piece

    def size(self, key: str) -> int | None:
        """None where there is none."""
        with _writing():
            try:
                return self._path(key).stat().st_size
            except FileNotFoundError:
                return None

    def delete(self, key: str) -> None:
        self.drop(self._path(key))

    def delete_all_of(self, user_id: str) -> None:
        folder = self._path_of(user_id)
        with _writing(), suppress(FileNotFoundError):
            for entry in list(folder.iterdir()):
                entry.unlink(missing_ok=True)
            folder.rmdir()

    def users(self) -> list[str]:
        """Those of whom there is anything."""
        with _writing(), suppress(FileNotFoundError):
            return sorted(entry.name for entry in self._folder.iterdir() if _ID.fullmatch(entry.name))
        return []

    def kept_of(self, user_id: str) -> list[Kept]:
        with _writing(), suppress(FileNotFoundError):
            found = [entry for entry in self._path_of(user_id).iterdir() if _ID.fullmatch(entry.name)]
            return [Kept(f"{user_id}/{entry.name}", since) for entry in found if (since := _since(entry))]
        return []

    def tidy(self, before: datetime) -> None:
        with _writing(), suppress(FileNotFoundError):
            for entry in list((self._folder / _INCOMING).iterdir()):
                if (since := _since(entry)) and since < before:
                    entry.unlink(missing_ok=True)

    def _check_room(self) -> None:
        disk = shutil.disk_usage(self._folder)
        reserve = min(_RESERVE, disk.total // 20) if self._reserve is None else self._reserve
        if disk.free < reserve:
            raise StorageFull

    def _path(self, key: str) -> Path:
        user_id, _, blob_id = key.partition("/")
        if not _ID.fullmatch(blob_id):
            raise ValueError("not the key of a blob")
        return self._path_of(user_id) / blob_id

    def _path_of(self, user_id: str) -> Path:
        if not _ID.fullmatch(user_id):
            raise ValueError("not the id of a user")
        return self._folder / user_id


@contextmanager
def _writing() -> Iterator[None]:
    """What goes wrong, by our names."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull from error
        raise StorageUnavailable(retry_after=10) from error


def _since(entry: Path) -> datetime | None:
    """When it was last written to; None when it has gone."""
    try:
        return datetime.fromtimestamp(entry.stat().st_mtime, UTC)
    except FileNotFoundError:
        return None


def _sync_folder(folder: Path) -> None:
    """So that a name in it survives a loss of power."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some file systems of networks have no such thing
            raise
    finally:
        os.close(descriptor)
