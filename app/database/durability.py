"""When what was committed to a SQLite file survives a loss of power."""

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import SimpleQueue

_sync: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)  # macOS has only the latter

_Waiting = Sequence["asyncio.Future[None]"]


class WriteAheadLog:
    """Group commit: one sync of the log serves all that was committed before it began.

    A commit with `synchronous=FULL` syncs by itself, while everybody else waits for the one writer: 2.5 ms each on a
    common cloud disk (measured). With `NORMAL` a commit is safe from a crash of the process at once, and from a loss of
    power from the next sync on, which this does beside it.
    """

    def __init__(self, sync: Callable[[int], None] = _sync) -> None:
        self._path: str | None = None
        self._sync = sync
        self._waiting: list[asyncio.Future[None]] = []
        self._syncing = False
        self._rounds: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._file: int | None = None

    def opened(self, database: str) -> None:
        """A connection to this file was made, which has a log."""
        self._path = f"{database}-wal"

    def settle(self) -> "asyncio.Future[None]":
        """Done when all that is committed by now is on the disk; raises OSError."""
        settled = asyncio.get_running_loop().create_future()
        self._waiting.append(settled)
        if not self._syncing:
            self._next_round()
        return settled

    def close(self) -> None:
        """Wait for what is under way."""
        if self._thread is not None:
            self._rounds.put(None)
            self._thread.join()
            self._thread = None
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _next_round(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="sqlite-sync", daemon=True)
            self._thread.start()
        self._syncing = True
        self._rounds.put(self._waiting)
        self._waiting = []

    def _serve(self) -> None:
        while served := self._rounds.get():
            error: OSError | None = None
            try:
                self._to_disk()
            except OSError as failed:
                error = failed
            with suppress(RuntimeError):  # the loop has gone, and nobody waits
                served[0].get_loop().call_soon_threadsafe(self._settled, served, error)

    def _settled(self, served: _Waiting, error: OSError | None) -> None:
        for each in served:
            if each.done():
                continue  # whoever waited has gone
            if error is None:
                each.set_result(None)
            else:
                each.set_exception(error)
        self._syncing = False
        if self._waiting:
            self._next_round()

    def _to_disk(self) -> None:
        if self._path is None:
            return
        if self._file is not None and not os.fstat(self._file).st_nlink:
            # The last connection went and took the log with it; another has made a new one.
            os.close(self._file)
            self._file = None
        if self._file is None:
            try:
                self._file = os.open(self._path, os.O_RDONLY)
            except FileNotFoundError:
                return  # nothing was written since the last connection of all closed, which syncs
        self._sync(self._file)
