"""What the parent and its child say to each other: one request, then answers, each behind its length."""

from typing import BinaryIO

import msgspec

from app.domain.passages import Page
from app.parsing.kinds import FileKind
from app.parsing.limits import ReadingLimits

MOST = 64 * 1024 * 1024
"""Bytes of one message."""
LENGTH_BYTES = 4


class Read(msgspec.Struct, frozen=True, tag=True):
    """Tell of the document behind a descriptor its pages, from `first` on."""

    descriptor: int
    kind: FileKind
    limits: ReadingLimits
    first: int = 1


class Render(msgspec.Struct, frozen=True, tag=True):
    """Draw a page of the PDF behind a descriptor."""

    descriptor: int
    limits: ReadingLimits
    page: int
    max_pixels: int


class Opened(msgspec.Struct, frozen=True, tag=True):
    pages: int


class Turned(msgspec.Struct, frozen=True, tag=True):
    page: Page


class Drawn(msgspec.Struct, frozen=True, tag=True):
    png: bytes


class Refused(msgspec.Struct, frozen=True, tag=True):
    code: str
    detail: str


Request = Read | Render
Answer = Opened | Turned | Drawn | Refused

requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def framed(message: Request | Answer) -> bytes:
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def receive(line: BinaryIO) -> Request:
    """The request, in the child."""
    length = int.from_bytes(line.read(LENGTH_BYTES), "big")
    return requests.decode(line.read(length))
