"""JSON of many megabytes, decoded in small steps: for a thread that is not to keep the event loop waiting.

Any decoder in C holds the interpreter from the first byte to the last, in whatever thread: 32 MiB took 30 to 400 ms,
and 2 s where somebody meant harm. This one goes from token to token in Python, with C for runs of numbers, small
objects and pieces of long strings, and pauses every few milliseconds.
"""

import json
import re
import time
from typing import Any, NoReturn

from app.core.errors import Malformed, TooLarge

MOST_VALUES = 250_000
_COST = 4
"""Of a value beside that of a number in a list: those come by the hundred thousand, as tokens and as vectors."""
_DEEPEST = 200
_TOKEN = re.compile(
    rb'([\[\]{},:"]|true|false|null|-?(?:0|[1-9][0-9]{0,399})(?:\.[0-9]{1,400})?(?:[eE][+-]?[0-9]{1,5})?)'
)
_SPACES = re.compile(rb"[ \t\n\r]{1,65536}")
_NUMBERS = re.compile(rb"[0-9eE+\-., \t\n\r]{1,16384},")
_SMALL_OBJECT = re.compile(rb"\{[^\[\]{}\\]{0,4096}\}")
_WHOLE = re.compile(rb'[^"\\\x00-\x1f]{0,4096}"')
_PIECE = re.compile(
    rb'(?:[^"\\\x00-\x1f]{1,256}'
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # never cut between the halves of a pair
    rb'|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4}){1,2048}'
)
_PLAIN = 64 * 1024
_SHORT = 512
_CONTROL = bytes(range(32))
_WORDS = {b"true": True, b"false": False, b"null": None}
_PAUSE = 0.0001
_STRETCH = 200_000
"""From one pause to the next, in bytes; a token counts as many as take as long."""
_TOKEN_COST = 100


def _refuse(_: str) -> NoReturn:
    """NaN and its like, which are no JSON."""
    raise ValueError


_SMALL = json.JSONDecoder(parse_constant=_refuse)


def decode(body: bytes) -> Any:
    """What `body` says. Raises Malformed, and TooLarge for more than MOST_VALUES, or four times that in numbers."""
    try:
        return _Decoding(body).document()
    except ValueError as error:  # not UTF-8
        raise Malformed from error


class _Decoding:
    __slots__ = ("_at", "_body", "_stretch", "_values")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0
        self._values = 0
        self._stretch = 0

    def document(self) -> Any:
        value = self._value(self._next(), 0)
        self._skip_spaces()
        if self._at != len(self._body):
            raise Malformed
        return value

    def _value(self, token: bytes, depth: int) -> Any:
        self._count(_COST)
        if token == b'"':
            return self._string()
        if token == b"{":
            return self._object(depth)
        if token == b"[":
            return self._list(depth)
        if token in _WORDS:
            return _WORDS[token]
        if token in b"]},:":
            raise Malformed
        return int(token) if token.lstrip(b"-").isdigit() else float(token)

    def _list(self, depth: int) -> list[Any]:
        items: list[Any] = []
        self._go_deeper(depth)
        while True:
            while numbers := _NUMBERS.match(self._body, self._at):
                items += self._numbers(numbers[0])
                self._at = numbers.end()
            token = self._next()
            if token == b"]" and not items:
                return items
            items.append(self._value(token, depth + 1))
            token = self._next()
            if token == b"]":
                return items
            if token != b",":
                raise Malformed

    def _numbers(self, run: bytes) -> list[Any]:
        """Of `1, 2, 3,`."""
        self._pause(len(run) * 2)
        found: list[Any] = json.loads(b"[%b]" % run[:-1])
        if len(found) != run.count(b","):
            raise Malformed
        self._count(len(found))
        return found

    def _object(self, depth: int) -> dict[str, Any]:
        if (small := self._small_object()) is not None:
            return small
        found: dict[str, Any] = {}
        self._go_deeper(depth)
        while True:
            token = self._next()
            if token == b"}" and not found:
                return found
            if token != b'"':
                raise Malformed
            name = self._string()
            if self._next() != b":":
                raise Malformed
            found[name] = self._value(self._next(), depth + 1)
            token = self._next()
            if token == b"}":
                return found
            if token != b",":
                raise Malformed

    def _small_object(self) -> dict[str, Any] | None:
        """One with nothing within but plain values; None where that cannot be told so soon."""
        match = _SMALL_OBJECT.match(self._body, self._at - 1)
        if match is None:
            return None
        try:
            found, end = _SMALL.raw_decode(text := match[0].decode())
        except ValueError:
            return None  # its last brace stood in a string, perhaps
        if end != len(text):
            return None
        self._at = match.end()
        self._pause(len(match[0]))
        self._count(len(found) * _COST)
        return found  # type: ignore[no-any-return]  # it begins with a brace

    def _string(self) -> str:
        """From behind its first quote."""
        if match := _WHOLE.match(self._body, self._at):
            self._at = match.end()
            return match[0][:-1].decode()
        pieces: list[str] = []
        while self._at < (end := self._end_of_piece()):
            piece = self._body[self._at : end].decode()
            pieces.append(json.loads(f'"{piece}"') if "\\" in piece else piece)
            self._pause(end - self._at)
            self._at = end
        if self._body[self._at : self._at + 1] != b'"':
            raise Malformed
        self._at += 1
        return "".join(pieces)

    def _end_of_piece(self) -> int:
        """Where to cut a string next; here, where it ends."""
        end = self._end_of_plain()
        if end - self._at < _SHORT:
            match = _PIECE.match(self._body, self._at)
            end = match.end() if match else self._at
        while self._at < end < len(self._body) and self._body[end] & 0xC0 == 0x80:
            end -= 1  # in the midst of a character
        return end

    def _end_of_plain(self) -> int:
        """The same for a piece with nothing to unescape, five times as fast."""
        body, at = self._body, self._at
        end = min(at + _PLAIN, len(body))
        for stop in (b'"', b"\\"):
            found = body.find(stop, at, end)
            end = end if found < 0 else found
        plain = body[at:end]
        return end if len(plain.translate(None, _CONTROL)) == len(plain) else at

    def _next(self) -> bytes:
        match = _TOKEN.match(self._body, self._at)
        if match is None:
            self._skip_spaces()
            match = _TOKEN.match(self._body, self._at)
            if match is None:
                raise Malformed
        self._at = match.end()
        self._pause(_TOKEN_COST)
        return match[0]

    def _skip_spaces(self) -> None:
        while match := _SPACES.match(self._body, self._at):
            self._at = match.end()
            self._pause(match.end() - match.start())

    def _go_deeper(self, depth: int) -> None:
        if depth >= _DEEPEST:
            raise Malformed

    def _count(self, values: int) -> None:
        self._values += values
        if self._values > MOST_VALUES * _COST:
            raise TooLarge(f"A body may hold at most {MOST_VALUES:,} values.")

    def _pause(self, cost: int) -> None:
        self._stretch += cost
        if self._stretch > _STRETCH:
            self._stretch = 0
            time.sleep(_PAUSE)
