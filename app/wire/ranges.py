"""Which part of a file is asked for (RFC 9110, 14): one range of bytes, or all of it."""

import re

from app.core.errors import RangeNotSatisfiable
from app.domain.files import Span

_ONE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)
_LONGEST = 100


def asked_span(header: str | None, size: int) -> Span | None:
    """The range that a header names of a file of `size` bytes; None for all of it, as when it names several, or nothing
    that can be understood: to send all is always right, and never more work. Raises RangeNotSatisfiable.
    """
    found = _ONE.fullmatch(header) if header is not None and len(header) <= _LONGEST else None
    first, last = (found[1], found[2]) if found else ("", "")
    if first:
        span = Span(int(first), min(int(last) + 1 if last else size, size))
        if last and int(last) < int(first):
            return None
    elif last:
        span = Span(size - min(int(last), size), size)
    else:
        return None
    if span.size <= 0:
        raise RangeNotSatisfiable(size=size)
    return span
