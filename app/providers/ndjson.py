"""The vendors' side of newline-delimited JSON: bytes as they arrive in, one line after the other out."""

from app.domain.failures import FailureCode, GenerationFailure

MAX_LINE_BYTES = 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class LineSplitter:
    """Splits one stream at its line ends (LF or CRLF), whatever the packets; blank lines are skipped.

    The work is linear in the bytes: a line that is not complete waits in a buffer that grows in place.
    """

    __slots__ = ("_first", "_tail")

    def __init__(self) -> None:
        self._tail = bytearray()
        self._first = True

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that `chunk` completes. Raises GenerationFailure for one of more than 1 MiB."""
        if b"\n" not in chunk:
            self._tail += chunk
            _bound(len(self._tail))
            return []
        if self._tail:
            self._tail += chunk
            chunk = bytes(self._tail)
            self._tail.clear()
        lines = chunk.split(b"\n")
        self._tail += lines.pop()
        _bound(max(len(self._tail), *map(len, lines)))
        return self._plain(lines)

    def flush(self) -> list[bytes]:
        """The last line, where the stream's end is its own; none where the stream was cut within it."""
        line = bytes(self._tail)
        self._tail.clear()
        return self._plain([line]) if line.rstrip().endswith(b"}") else []

    def _plain(self, lines: list[bytes]) -> list[bytes]:
        if self._first:
            self._first = False
            lines[0] = lines[0].removeprefix(_BOM)
        # What JSON counts as space around a value need not be taken off, but a line of nothing else is none.
        return [line for line in lines if line and not line.isspace()]


def _bound(size: int) -> None:
    if size > MAX_LINE_BYTES:
        detail = "The provider sent a line that is too large."
        raise GenerationFailure(FailureCode.UPSTREAM_PROTOCOL, detail, retryable=True)
