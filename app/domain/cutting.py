"""Where a long block may be cut: behind sentences, rows, lines, and where nothing else is, anywhere.

Every rule takes a time that grows with the text alone, whatever the text.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence

from app.domain.passages import BlockKind
from app.domain.scripts import width

Span = tuple[int, int]

ROOM = 800
"""The size of a passage, in the width of Latin characters: 320 Chinese ones. Of 500 questions to long documents 476 are
answered by the first five passages, with 900 as many for a tenth more of a prompt, and with 1,050 fewer; of Chinese
questions 99.6 % by the first passage, with 900 98.8 %."""
_STRETCH = ROOM // 4
"""Of what has no sentences, rows or words, so that what is said twice where two passages meet stays short."""
_MARKS_AT_MOST = 20

_CLOSING = "[\"'”’»)\\]}」』）】》〉]"
_SENTENCES = re.compile(rf"(?<![.!?…])[.!?…؟۔।]++{_CLOSING}*+(?=\s)|[。！？；｡]++{_CLOSING}*+|\n[^\S\n]*+\n")
_CLAUSES = re.compile(r"[,;:](?=\s)|[，、：､]|\n")
_LINES = re.compile("\n")
_PARAGRAPHS = re.compile(r"\n[^\S\n]*+\n")

Rules = Sequence[re.Pattern[str]]
_OF_KIND: dict[BlockKind, Rules] = {
    BlockKind.HEADING: (_SENTENCES, _CLAUSES),
    BlockKind.PARAGRAPH: (_SENTENCES, _CLAUSES),
    BlockKind.LIST: (_LINES, _SENTENCES, _CLAUSES),
    BlockKind.TABLE: (_LINES, _CLAUSES),
    BlockKind.CODE: (_PARAGRAPHS, _LINES),
}
"""What ends a part, the coarsest first: what is still too long is cut by the next."""


def cut(text: str, start: int, end: int, kind: BlockKind) -> Iterator[Span]:
    """The block itself if it fits, else its parts in order, each without the white space around it."""
    return _cut(text, start, end, _OF_KIND[kind])


def paragraphs(text: str, start: int, end: int) -> Iterator[Span]:
    """What blank lines part."""
    return (span for part in _parts(text, start, end, _PARAGRAPHS) if (span := trimmed(text, *part)))


def sentences(text: str, most: int) -> Iterator[Span]:
    """In order; of one that is longer than so many characters its lines or clauses, or stretches of that length."""
    parts = _parts(text, 0, len(text), _SENTENCES)
    return (span for part in parts for span in _up_to(most, text, *part, (_LINES, _CLAUSES)))


def trimmed(text: str, start: int, end: int) -> Span | None:
    """Without the white space at both ends; None where nothing else is."""
    piece = text[start:end]
    end = start + len(piece.rstrip())
    start += len(piece) - len(piece.lstrip())
    return (start, end) if start < end else None


def reach(text: str, start: int, end: int, room: float) -> int:
    """Where text of that width ends that begins at `start`: behind a character at least, within none with marks."""
    until = min(end, start + max(1, int(room)))
    while until > start + 1 and width(text[start:until]) > room:
        until = start + max(1, min(until - start - 1, int((until - start) * room / width(text[start:until]))))
    for at in range(until, max(start, until - _MARKS_AT_MOST), -1):
        if at == end or not _clings(text[at]):
            return at
    return until


def _cut(text: str, start: int, end: int, rules: Rules) -> Iterator[Span]:
    span = trimmed(text, start, end)
    if span is None:
        return
    if span[1] - span[0] <= ROOM and width(text[slice(*span)]) <= ROOM:
        yield span
    elif rules:
        for part in _parts(text, *span, rules[0]):
            yield from _cut(text, *part, rules[1:])
    else:
        yield from _stretches(text, *span)


def _up_to(most: int, text: str, start: int, end: int, rules: Rules) -> Iterator[Span]:
    span = trimmed(text, start, end)
    if span is None:
        return
    if span[1] - span[0] <= most:
        yield span
    elif rules:
        for part in _parts(text, *span, rules[0]):
            yield from _up_to(most, text, *part, rules[1:])
    else:
        while span is not None:
            until = reach(text, *span, most)
            yield span[0], until
            span = trimmed(text, until, span[1])


def _parts(text: str, start: int, end: int, ends: re.Pattern[str]) -> Iterator[Span]:
    for found in ends.finditer(text, start, end):
        yield start, found.end()
        start = found.end()
    yield start, end


def _stretches(text: str, start: int, end: int) -> Iterator[Span]:
    """Between words where there are any."""
    while start < end:
        until = reach(text, start, end, _STRETCH)
        if until < end:
            middle = (start + until) // 2
            until = next((at for at in range(until, middle, -1) if text[at - 1].isspace()), until)
        if span := trimmed(text, start, until):
            yield span
        start = until


def _clings(character: str) -> bool:
    return character in "\u200c\u200d\ufe0f" or unicodedata.category(character).startswith("M")
