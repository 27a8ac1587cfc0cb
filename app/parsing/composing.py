"""A page put together of its blocks, with an empty line between them."""

import re
from collections.abc import Iterable, Sequence

from app.domain.passages import Block, BlockKind, Page
from app.parsing.cleaning import clean
from app.parsing.errors import TooLarge

_BETWEEN = "\n\n"
_SPACES = re.compile(r"\s+")
_INNER_SPACES = re.compile(r"[^\S\n]+")


class Room:
    """How many characters of text may still be read of a document."""

    def __init__(self, characters: int) -> None:
        self._left = characters

    def take(self, characters: int) -> None:
        self._left -= characters
        if self._left < 0:
            raise TooLarge("The document holds more text than is read.")


class Composer:
    """Collects the blocks of one page. Blocks without text are left out."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._texts: list[str] = []
        self._blocks: list[Block] = []
        self._end = 0

    @property
    def empty(self) -> bool:
        return not self._blocks

    def heading(self, text: str, level: int) -> None:
        self._add(BlockKind.HEADING, _SPACES.sub(" ", clean(text)).strip(), level=min(max(level, 1), 6))

    def paragraph(self, text: str) -> None:
        self._add(BlockKind.PARAGRAPH, _lines(text))

    def list(self, items: Iterable[str]) -> None:
        self._add(BlockKind.LIST, "\n".join(item for item in map(_lines, items) if item))

    def code(self, text: str) -> None:
        self._add(BlockKind.CODE, clean(text).strip("\n").rstrip())

    def table(self, rows: Iterable[Sequence[str]], *, header: bool) -> None:
        """`header`: whether the first row names what stands in the columns of the others."""
        lines = []
        for row in rows:
            if line := _row(row):
                self._room.take(len(line))
                lines.append(line)
        self._room.take(-sum(map(len, lines)))
        header_end = len(lines[0]) if header and len(lines) > 1 else None
        self._add(BlockKind.TABLE, "\n".join(lines), header_length=header_end)

    def page(self, number: int) -> Page:
        return Page(number, _BETWEEN.join(self._texts), tuple(self._blocks))

    def _add(self, kind: BlockKind, text: str, *, level: int = 0, header_length: int | None = None) -> None:
        if not text:
            return
        self._room.take(len(text))
        start = self._end + len(_BETWEEN) if self._blocks else 0
        self._end = start + len(text)
        self._texts.append(text)
        header_end = None if header_length is None else start + header_length
        self._blocks.append(Block(kind, start, self._end, level, header_end))


def _lines(text: str) -> str:
    """Each line without the spaces around it and with one between words; lines without words gone."""
    return "\n".join(
        line for line in (_INNER_SPACES.sub(" ", part).strip() for part in clean(text).split("\n")) if line
    )


def _row(cells: Sequence[str]) -> str:
    """Cells on one line; empty ones at the end are left out."""
    texts = [_SPACES.sub(" ", clean(cell)).strip() for cell in cells]
    while texts and not texts[-1]:
        texts.pop()
    return " | ".join(texts).strip() if any(texts) else ""
