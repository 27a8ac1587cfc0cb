"""Chunks that differ from the one before in nothing but their text: known by their bytes, and not parsed again."""

import re
from typing import Self

from app.domain.events import ReasoningDelta, TextDelta
from app.domain.text import is_plain

Written = TextDelta | ReasoningDelta

# In a chunk with none of these a text that had to be altered stands nowhere: altered, it holds one of them.
_ALTERED = re.compile(rb"\\|\x00|\xef\xbf\xbd")
_LONGEST = 4096
"""Bytes of a chunk that is learnt from: what is kept of it stays for the rest of an answer."""
_IGNORED = re.compile(rb'"[^"\\\x00-\x1f\x80-\xff]*+"')


class ChunkTemplate:
    """A chunk around its text, and around the value of one more field if that is different in each, and is not read.

    JSON is read from left to right: where the bytes before a string are the same, a whole string follows and then the
    same bytes again, it says the same but for that string.
    """

    __slots__ = ("_after", "_before", "_between", "_end", "_kind", "_start", "_text_first")

    def __init__(
        self, kind: type[Written], before: bytes, after: bytes, between: bytes = b"", *, text_first: bool = True
    ) -> None:
        self._kind = kind
        self._before = before
        self._after = after
        self._between = between
        self._text_first = text_first
        self._start = len(before)
        self._end = -len(after)

    @classmethod
    def of(cls, chunk: bytes, said: Written, varying: re.Pattern[bytes] | None) -> Self | None:
        """The template of a JSON object that was read as `said`; `varying` finds the field that is not read.

        Its group `value` is the string. None where the chunk does not show for certain which string is the text.
        """
        at = chunk.find(said.raw)
        if len(chunk) > _LONGEST or at < 0 or chunk.rfind(said.raw) != at or _ALTERED.search(chunk):
            return None
        kind = type(said)
        before, after = chunk[:at], chunk[at + len(said.raw) :]
        if varying is None:
            return cls(kind, before, after)
        if found := varying.search(after):
            start, end = found.span("value")
            return cls(kind, before, after[end:], after[:start])
        if found := varying.search(before):
            start, end = found.span("value")
            return cls(kind, before[:start], after, before[end:], text_first=False)
        return cls(kind, before, after)

    def read(self, chunk: bytes) -> Written | None:
        """What this chunk says; None where it has to be parsed to know."""
        if not (chunk.startswith(self._before) and chunk.endswith(self._after)):
            return None
        text = chunk[self._start : self._end]
        if self._between:
            first, _, second = text.partition(self._between)
            text, ignored = (first, second) if self._text_first else (second, first)
            if not _IGNORED.fullmatch(ignored):
                return None
        return self._kind(text) if is_plain(text) else None
