"""The folder of the embedded index, which one service has at a time."""

import fcntl
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from app.core.config import StartRefused

_PATIENCE = 5.0
"""Seconds for a service that is about to go, and for the engine's process of one that has died."""
_PAUSE = 0.1


class FolderInUse(StartRefused):
    """Another service has it open."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"DATA_DIR: the vector index in {folder} is open in another service; each needs a DATA_DIR of its own, "
            "or all of them QDRANT_URL"
        )


class Folder:
    """The lock is an open file's, and the engine's process has it open too: as long as one of the two lives, nobody
    else gets in."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: int | None = None
        self._one_at_a_time = threading.Lock()

    def claim(self, patience: float = _PATIENCE) -> int:
        """Take it, or have it already; answers the lock's descriptor, for the engine's process.

        Blocks for so many seconds at most. Raises FolderInUse, and OSError where there is no place for a folder.
        """
        with self._one_at_a_time:
            if self._lock is None:
                self._lock = self._take(patience)
            return self._lock

    def name(self) -> str:
        """What tells this folder from every other, once it is claimed; an empty one gets it now."""
        file = self.path / ".name"
        with suppress(FileNotFoundError):
            if name := file.read_text(encoding="ascii", errors="replace").strip():
                return name
        name = uuid4().hex
        file.write_text(name, encoding="ascii")
        return name

    def leave(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take(self, patience: float) -> int:
        self.path.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._wait_for(lock, patience)
        except BaseException:
            os.close(lock)
            raise
        return lock

    def _wait_for(self, lock: int, patience: float) -> None:
        latest = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > latest:
                    raise FolderInUse(self.path) from None
                time.sleep(_PAUSE)
            else:
                return
