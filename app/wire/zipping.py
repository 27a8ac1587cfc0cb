"""A zip archive as a stream: what is added comes out at once, compressed, and nothing is kept but the directory."""

import io
import time
import zipfile

from app.domain.archives import Piece


class _Outlet(io.RawIOBase):
    """Where the archive is written to; it cannot be sought, so that nothing written is ever changed."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, part: object) -> int:
        taken = bytes(part)  # type: ignore[call-overload]  # any buffer, as the protocol has it
        self._parts.append(taken)
        return len(taken)

    def take(self) -> bytes:
        """All that was written since."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


class _Archive(zipfile.ZipFile):
    def __del__(self) -> None:
        """Nothing: one that is given up is not to get the end that makes it look whole."""


class ZipStream:
    """Not for two threads at once."""

    def __init__(self) -> None:
        self._outlet = _Outlet()
        self._archive = _Archive(self._outlet, "w", zipfile.ZIP_DEFLATED)
        self._entry: zipfile.ZipInfo | None = None
        self._file: io.BufferedIOBase | None = None

    def add(self, piece: Piece) -> bytes:
        """The bytes that the archive has gained; often none, for what is little is compressed together."""
        if self._entry is None or self._entry.filename != piece.name:
            self._begin(piece.name)
        if self._file is not None:
            self._file.write(piece.spell())
        return self._outlet.take()

    def end(self) -> bytes:
        """The rest. An archive without it is broken, and every reader says so."""
        self._end_file()
        self._archive.close()
        return self._outlet.take()

    def _begin(self, name: str) -> None:
        self._end_file()
        entry = zipfile.ZipInfo(name, time.gmtime()[:6])
        entry.compress_type = zipfile.ZIP_DEFLATED
        self._entry = entry
        self._file = self._archive.open(entry, "w")  # type: ignore[assignment]  # a file to write is just that

    def _end_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
