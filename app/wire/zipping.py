"""A zip archive as a stream: what is added comes out at once, compressed, and nothing is kept but the directory."""

import io
import time
import zipfile
from collections.abc import Iterator

from app.domain.downloads import Piece
from app.wire.zip_directory import ZipDirectory


class _Outlet(io.RawIOBase):
    """Where the archive is written to; it cannot be sought, so that nothing written is ever changed."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.written = 0

    def writable(self) -> bool:
        return True

    def write(self, part: object) -> int:
        taken = bytes(part)  # type: ignore[call-overload]  # any buffer, as the protocol has it
        self._parts.append(taken)
        self.written += len(taken)
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
        self._directory = ZipDirectory()
        self._entry: zipfile.ZipInfo | None = None
        self._file: io.BufferedIOBase | None = None

    def add(self, piece: Piece) -> bytes:
        """The bytes that the archive has gained; often none, for what is little is compressed together."""
        if self._entry is None or self._entry.filename != piece.name:
            self._begin(piece.name)
        if self._file is not None:
            self._file.write(piece.spell())
        return self._outlet.take()

    def end(self) -> Iterator[bytes]:
        """The rest, in parts. An archive without all of it is broken, and every reader says so."""
        self._end_file()
        yield self._outlet.take()
        yield from self._directory.parts(self._outlet.written)

    def _begin(self, name: str) -> None:
        self._end_file()
        entry = zipfile.ZipInfo(name, time.gmtime()[:6])
        entry.compress_type = zipfile.ZIP_DEFLATED
        self._entry = entry
        # How large it will be nobody knows: without room for 64 bits its end would fail beyond 2 GiB.
        self._file = self._archive.open(entry, "w", force_zip64=True)  # type: ignore[assignment]  # it is just that

    def _end_file(self) -> None:
        if self._file is None or self._entry is None:
            return
        self._file.close()
        self._file = None
        self._directory.add(self._entry)
        self._archive.filelist.clear()
        self._archive.NameToInfo.clear()
