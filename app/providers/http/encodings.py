"""Compressed bodies, undone a piece at a time: a few bytes may stand for gigabytes."""

import zlib
from typing import Protocol

_PIECE_BYTES = 64 * 1024
_STEP_BYTES = 8 * 1024
_GZIP = 31
_ZLIB = 15
_RAW = -15


class Inflater:
    """Bytes as they arrive in, what they stand for out, 64 KiB at most at once. Raises zlib.error."""

    def __init__(self, encoding: str) -> None:
        self._gzip = encoding in ("gzip", "x-gzip")
        self._stream: _Stream | None = None
        self._waiting = b""
        self._start = 0

    @staticmethod
    def knows(encoding: str) -> bool:
        return encoding in ("gzip", "x-gzip", "deflate")

    @property
    def whole(self) -> bool:
        """Whether the body may end here."""
        return self._stream is None

    def feed(self, data: bytes) -> None:
        self._waiting = self._waiting[self._start :] + data
        self._start = 0

    def read(self) -> bytes:
        """The next piece; empty when more has to arrive."""
        while True:
            step = self._waiting[self._start : self._start + _STEP_BYTES]
            if self._stream is None:
                if not step:
                    return b""
                self._stream = self._begun(step[0])
            piece = self._stream.decompress(step, _PIECE_BYTES)
            self._start += len(step) - len(self._stream.unconsumed_tail) - len(self._stream.unused_data)
            if self._stream.eof:
                self._stream = None  # of gzip, another may follow
            if piece:
                return piece
            if not step:
                return b""

    def _begun(self, first: int) -> "_Stream":
        if self._gzip:
            return zlib.decompressobj(_GZIP)
        # "deflate" is zlib's format, says RFC 9110 (8.4.1.2), and bare to some.
        return zlib.decompressobj(_ZLIB if first & 0x0F == 8 else _RAW)


class _Stream(Protocol):
    """zlib's, which has no name of its own."""

    @property
    def eof(self) -> bool: ...

    @property
    def unconsumed_tail(self) -> bytes: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...
