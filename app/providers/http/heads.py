"""Heads of requests as bytes, with nothing in them that a server could take for another line."""

import re
from collections.abc import Iterable

import httpx2

_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(rb"[!-~]+")
_LINE_END = re.compile(rb"[\0\r\n]")
# Said here: of the address, and of the bytes that are really sent.
_OURS = frozenset({b"host", b"connection", b"content-length", b"transfer-encoding"})

CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
"""The lines that frame a body whose length nobody knows yet, and the empty one."""


def request_line(method: str, target: bytes) -> bytes:
    """Raises ValueError for what cannot stand there."""
    verb = method.encode("ascii")
    if not (_NAME.fullmatch(verb) and _TARGET.fullmatch(target)):
        raise ValueError("no such request can be made")
    return b"%b %b HTTP/1.1\r\n" % (verb, target)


def header_lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Without those that are not the caller's to say. Raises ValueError for what would end a line."""
    return b"".join(_line(name, value) for name, value in headers if name.lower() not in _OURS)


def encoded(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """As bytes of Latin-1. Raises ValueError for any other text."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def host_line(url: httpx2.URL) -> bytes:
    return b"Host: %b\r\n" % url.netloc


def end(method: str, content: bytes) -> bytes:
    """The lines that frame the body, and the empty one."""
    if not content and method in ("GET", "HEAD", "DELETE"):
        return b"\r\n"
    return b"Content-Length: %d\r\n\r\n" % len(content)


def _line(name: bytes, value: bytes) -> bytes:
    if not _NAME.fullmatch(name) or _LINE_END.search(value):
        raise ValueError("a header that no request can hold")
    return b"%b: %b\r\n" % (name, value)
