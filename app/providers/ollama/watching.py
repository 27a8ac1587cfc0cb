"""What passes from an Ollama server to a client: looked at by the line, held back only where it may be an error."""

import msgspec

from app.domain.events import Usage
from app.domain.failures import GenerationFailure
from app.providers.ndjson import MAX_LINE_BYTES
from app.providers.ollama import errors
from app.providers.ollama.lines import Line, usage_of
from app.providers.raw_json import given, loads
from app.providers.verdicts import FAILED, PROTOCOL

_ERROR = b'"error"'
_decode = msgspec.json.Decoder(Line).decode


def error_line(failure: GenerationFailure) -> bytes:
    """In Ollama's form and in our words: its own hold paths and addresses."""
    return msgspec.json.encode({"error": failure.detail})


class Watch:
    """Of one answer, be it in lines or one value. It passes byte for byte, but for the words of an error."""

    __slots__ = ("_begun", "_line", "_long", "done", "failure", "lines", "reason", "usage")

    def __init__(self) -> None:
        self._line = bytearray()
        """What there is of the present line; nothing of one that is `_long`."""
        self._begun = False
        """Whether a part of it has passed."""
        self._long = False
        self.lines = 0
        """How many have passed: about as many as tokens."""
        self.done = False
        """Whether the line came that makes an answer whole; `reason` is what it says of that."""
        self.reason: str | None = None
        self.usage: Usage | None = None
        self.failure: GenerationFailure | None = None
        """An error that the server told of."""

    @property
    def nothing_asked(self) -> bool:
        """Whether the request was none for an answer: it had a model loaded, or let go of."""
        return self.done and self.reason in ("load", "unload")

    @property
    def within_a_line(self) -> bool:
        return self._begun

    def feed(self, chunk: bytes) -> bytes:
        """What of it, and of what was held back, passes now. Raises GenerationFailure for an error without an end."""
        *whole, rest = chunk.split(b"\n")
        passing = [self._complete(each, b"\n") for each in whole]
        if rest:
            passing.append(self._begin(rest))
        return b"".join(passing)

    def flush(self) -> bytes:
        """What passes at the end of an answer, whose last line needs none."""
        return self._complete(b"", b"") if self._line or self._begun else b""

    def cut(self) -> bytes:
        """What passes where the answer was cut; of an error only a whole one can be told."""
        line = bytes(self._line)
        if self._begun or _is_error(line):
            return b""
        self._begun = bool(line)
        return line

    def _begin(self, rest: bytes) -> bytes:
        if not self._long:
            self._line += rest
        if self._begun:
            if len(self._line) > MAX_LINE_BYTES:
                self._long = True
                self._line.clear()
            return rest
        if _may_be_error(self._line):
            if len(self._line) > MAX_LINE_BYTES:
                raise PROTOCOL.failure()
            return b""
        self._begun = True
        return bytes(self._line)

    def _complete(self, rest: bytes, end: bytes) -> bytes:
        line = bytes(self._line) + rest
        passing = (rest if self._begun else line) + end
        if not self._long and (told := self._read(line)) is not None and not self._begun:
            passing = told + end
        self._line.clear()
        self._begun = self._long = False
        self.lines += 1
        return passing

    def _read(self, line: bytes) -> bytes | None:
        """What is to pass in its place, of an error."""
        if not (b"true" in line or _ERROR in line) or len(line) > MAX_LINE_BYTES:
            return None
        try:
            read = _decode(line)
        except (ValueError, RecursionError):
            return self._told(FAILED.failure()) if _is_error(line) else None
        if given(read.error):
            return self._told(errors.reported(loads(bytes(read.error))))
        if read.done:
            self.done, self.reason, self.usage = True, read.done_reason, usage_of(read)
        return None

    def _told(self, failure: GenerationFailure) -> bytes:
        self.failure = failure
        return error_line(failure)


def _may_be_error(begun: bytes | bytearray) -> bool:
    """Whether a line of which there is this much may go on as an error: that is all there is in it."""
    name = _inside(begun)
    return name[: len(_ERROR)] == _ERROR[: len(name)]


def _is_error(line: bytes) -> bool:
    return _inside(line).startswith(_ERROR)


def _inside(line: bytes | bytearray) -> bytes:
    """What follows the first brace; of a line that begins otherwise something that is no error."""
    text = bytes(line[:256]).lstrip()
    if text and not text.startswith(b"{"):
        return text
    return text[1:].lstrip()
