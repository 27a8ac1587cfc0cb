"""The vendors' side of server-sent events: bytes as they arrive in, the `data` of each event out."""

from app.domain.failures import FailureCode, GenerationFailure

MAX_FRAME_BYTES = 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class EventSplitter:
    """Splits one event stream, whatever the packets: LF, CRLF and CR end lines, comments and other fields are skipped.

    The work is linear in the bytes: a line that is not complete waits in a buffer that grows in place.
    """

    __slots__ = ("_data", "_first", "_most", "_size", "_skip_lf", "_tail")

    def __init__(self, most: int = MAX_FRAME_BYTES) -> None:
        """`most` bounds the bytes of an event."""
        self._most = most
        self._tail = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        self._first = True
        self._skip_lf = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The `data` of each event that `chunk` completes. Raises GenerationFailure for one beyond the bound."""
        # Most packets are one event of one line, perhaps behind its name.
        start, end = chunk.find(b"\n") + 1 if chunk.startswith(b"event: ") else 0, len(chunk) - 2
        if (
            chunk.startswith(b"data: ", start)
            and chunk.find(b"\n", start) == end <= self._most
            and chunk.endswith(b"\n")
            and b"\r" not in chunk
            and not (self._tail or self._data or self._skip_lf)
        ):
            self._first = False
            return [chunk[start + 6 : end]]
        return self._split(chunk)

    def _split(self, chunk: bytes) -> list[bytes]:
        if self._skip_lf and chunk:
            self._skip_lf = False
            chunk = chunk.removeprefix(b"\n")
        if b"\r" in chunk:
            # Half of a CRLF may be in the next packet: the CR ends the line now, its LF is dropped then.
            self._skip_lf = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if b"\n" not in chunk:
            self._tail += chunk
            self._bound(len(self._tail))
            return []
        if self._tail:
            self._tail += chunk
            chunk = bytes(self._tail)
            self._tail.clear()
        lines = chunk.split(b"\n")
        self._tail += lines.pop()
        if self._first:
            self._first = False
            lines[0] = lines[0].removeprefix(_BOM)
        return self._events(lines)

    def flush(self) -> list[bytes]:
        """Nothing: an event that no blank line ended was cut, says the standard."""
        return []

    def _events(self, lines: list[bytes]) -> list[bytes]:
        events = []
        data = self._data
        for line in lines:
            if not line:
                if data:
                    events.append(data[0] if len(data) == 1 else b"\n".join(data))
                    data.clear()
                    self._size = 0
            elif line.startswith(b"data:"):
                data.append(line[6:] if line[5:6] == b" " else line[5:])
                self._size += len(line)
                self._bound(self._size)
            elif line == b"data":
                data.append(b"")
        self._bound(self._size + len(self._tail))
        return events

    def _bound(self, size: int) -> None:
        if size > self._most:
            detail = "The provider sent an event that is too large."
            raise GenerationFailure(FailureCode.UPSTREAM_PROTOCOL, detail, retryable=True)
