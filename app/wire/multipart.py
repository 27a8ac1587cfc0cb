"""A form with files (multipart/form-data, RFC 7578), read as it comes: nothing is kept, and nothing is read in advance.

The framework's own reader puts files into memory and temporary files before a route sees the first byte.
"""

import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.core.errors import Invalid, MalformedForm, NotAForm, TooLarge

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_LONGEST_TYPE = 1000
_LONGEST_HEADER = 16 * 1024
"""Bytes of a part's: room for a name of 5,000 characters. One of 60 KB that is all semicolons took 43 ms to read."""
_ORDINARY_HEAD = 1024
_MORE_HEADS = 64 * 1024
"""Bytes that all heads of a form may have together, beyond an ordinary one for each part."""
_MOST_HEADERS = 16
_MOST_PARTS = 100
_LONGEST_SILENCE = 128 * 1024
"""Bytes in which no part begins, ends or goes on: what stands before the first one, heads, blanks after a delimiter."""
_SKIPPED = 1024 * 1024
"""Bytes of parts that nobody wants."""

# It would tell what every stranger has sent.
_silent = logging.Logger("multipart", logging.CRITICAL + 1)


@dataclass(slots=True)
class Part:
    """A field of the form; a file's has a `filename`. `data` can be read once, before the next part is asked for."""

    name: str
    filename: str | None
    data: AsyncGenerator[bytes, None]

    async def text(self, most: int) -> str:
        """All of a field that is no file, of `most` bytes. Raises TooLarge, Invalid."""
        gathered = bytearray()
        async with aclosing(self.data) as data:
            async for chunk in data:
                gathered += chunk
                if len(gathered) > most:
                    raise TooLarge("A field of the form is too long.")
        try:
            text = gathered.decode()
        except UnicodeDecodeError:
            raise Invalid("must be in UTF-8", field=self.name) from None
        if "\x00" in text:
            raise Invalid("must not contain NUL characters", field=self.name)
        return text


async def parts(content_type: str, chunks: AsyncIterator[bytes]) -> AsyncGenerator[Part, None]:
    """The parts of a form in their order, to its very end; what is not read of one is passed over.

    Raises NotAForm, MalformedForm (one that breaks off, too), TooLarge, and whatever `chunks` raises.
    """
    events = _Events(_boundary(content_type), chunks)
    while (head := await events.next_head()) is not None:
        async with aclosing(events.data()) as data:
            yield Part(head.name, head.filename, data)
        await events.skip()


def _boundary(content_type: str) -> bytes:
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        raise NotAForm
    if len(content_type) > _LONGEST_TYPE:
        raise MalformedForm
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not boundary:
        raise MalformedForm("The form does not say what stands between its parts.")
    return boundary


@dataclass(slots=True)
class _Head:
    """What stands before a part's data."""

    name: str = ""
    filename: str | None = None
    told: bool = False
    """Whether a header has said this; what another one of the same part says is not looked at."""


@dataclass(slots=True)
class _Header:
    name: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)


class _Ended:
    """A part has ended."""


class _Events:
    """The form as what happens in it, a chunk at a time."""

    def __init__(self, boundary: bytes, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._waiting: deque[_Head | bytes | _Ended] = deque()
        self._delimiter = b"\r\n--" + boundary
        self._seen = 0
        self._silence = 0
        self._heads_left = _MORE_HEADS
        self._skipped = 0
        self._over = False
        self._within = False
        """Whether a part's data is what comes next."""
        self._head = _Head()
        self._header = _Header()
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin,
            "on_header_begin": self._begin_header,
            "on_header_field": lambda data, start, end: self._header.name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header.value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": lambda: self._waiting.append(self._head),
            "on_part_data": lambda data, start, end: self._waiting.append(data[start:end]),
            "on_part_end": lambda: self._waiting.append(_Ended()),
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(
                boundary, callbacks, max_header_count=_MOST_HEADERS, max_header_size=_LONGEST_HEADER
            )
        except FormParserError as error:
            raise MalformedForm from error
        self._parser.logger = _silent

    async def next_head(self) -> _Head | None:
        """None where the form has ended."""
        event = await self._next()
        if event is None:
            return None
        if not isinstance(event, _Head):
            raise MalformedForm
        self._within = True
        return event

    async def data(self) -> AsyncGenerator[bytes, None]:
        """The rest of this part's data."""
        while self._within:
            event = await self._next()
            if isinstance(event, bytes):
                yield event
            elif isinstance(event, _Ended):
                self._within = False
            else:
                raise MalformedForm

    async def skip(self) -> None:
        """Pass over what was not read of this part."""
        async with aclosing(self.data()) as rest:
            async for chunk in rest:
                self._skipped += len(chunk)
                if self._skipped > _SKIPPED:
                    raise TooLarge("The form has much that is not asked for.")

    async def _next(self) -> "_Head | bytes | _Ended | None":
        while not self._waiting:
            if self._over:
                return None
            chunk = await anext(self._chunks, None)
            if chunk is None:
                raise MalformedForm("The form breaks off.")
            self._feed(chunk)
        return self._waiting.popleft()

    def _feed(self, chunk: bytes) -> None:
        # What looks like a delimiter and is none costs the parser a walk each time: they are counted before.
        self._seen += chunk.count(self._delimiter)
        if self._seen > _MOST_PARTS:
            raise MalformedForm("The form has too many parts.")
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise MalformedForm from error
        self._silence = 0 if self._waiting else self._silence + len(chunk)
        if self._silence > _LONGEST_SILENCE:
            raise MalformedForm("The form has much that is no part of it.")

    def _begin(self) -> None:
        self._head = _Head()
        self._heads_left += _ORDINARY_HEAD

    def _begin_header(self) -> None:
        self._header = _Header()

    def _end_header(self) -> None:
        self._heads_left -= len(self._header.name) + len(self._header.value)
        if self._heads_left < 0:
            raise MalformedForm("The heads of the form's parts are too long.")
        if self._head.told or bytes(self._header.name).lower() != b"content-disposition":
            return
        self._head.told = True
        _, options = parse_options_header(bytes(self._header.value))
        self._head.name = options.get(b"name", b"").decode(errors="replace")
        filename = options.get(b"filename")
        self._head.filename = filename.decode(errors="replace") if filename else None

    def _end(self) -> None:
        self._over = True
