"""Pages packed into passages: whole blocks, as many as suit the script, so that one passage answers a question.

A passage stays on its page and does not go on across a heading of the first two levels. A block that is too long is
cut behind its sentences, and the last one of a passage is the first of the next again; a table between its rows.
Everything of a page but the white space between passages is in one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from app.domain.cutting import ROOM, cut, paragraphs, reach, trimmed
from app.domain.passages import Block, BlockKind, Page, Passage
from app.domain.scripts import width

VERSION = 1
"""Of these rules. Passages of another version have other places and numbers."""

_HEADING_AT_MOST = 240
"""Longer, a heading is a paragraph."""
_PARTING_LEVEL = 2
_DEEPEST = 6
_REPEATED_AT_MOST = ROOM / 4
_HEADER_AT_MOST = ROOM / 3


@dataclass(frozen=True, slots=True)
class _Piece:
    """What is never parted: a block or, of a long one, a sentence, row or line."""

    start: int
    end: int
    size: float
    headings: Sequence[str]
    """Those above it."""
    level: int = 0
    """Of a heading, else 0."""
    repeats: bool = False
    """A sentence of a long block behind its first: it may say the one before again."""
    header: str = ""
    """What a row is read under that stands elsewhere."""


def pack(pages: Iterable[Page], title: str = "") -> Iterator[Passage]:
    """The passages of a document, numbered from 1; one page's at a time is in memory.

    A heading that only says the title again is not among the `headings` of what is under it.
    """
    packer = Packer(title)
    for page in pages:
        yield from packer.add(page)


class Packer:
    """The same for a document whose pages come one by one, in their order."""

    def __init__(self, title: str = "") -> None:
        self._path = _Path(title)
        self._number = 0

    def add(self, page: Page) -> Iterator[Passage]:
        """The passages of the next page, to be taken before the one after it is added."""
        for group in _groups(_pieces(page, self._path)):
            self._number += 1
            first = group[0]
            start, end = first.start, group[-1].end
            yield Passage(self._number, page.number, start, end, page.text[start:end], first.headings, first.header)


class _Path:
    """The headings that the text stands under; they go on over pages."""

    def __init__(self, title: str) -> None:
        self._title = _folded(title)
        self._open: list[tuple[int, str]] = []

    def above(self, level: int) -> Sequence[str]:
        """Closes what a heading of that level ends."""
        self._open = [each for each in self._open if each[0] < level]
        return self.headings

    def enter(self, level: int, heading: str) -> None:
        if _folded(heading) != self._title:
            self._open.append((level, " ".join(heading.split())))

    @property
    def headings(self) -> Sequence[str]:
        return tuple(heading for _, heading in self._open)


def _folded(heading: str) -> str:
    return " ".join(heading.split()).casefold()


def _groups(pieces: Iterable[_Piece]) -> Iterator[Sequence[_Piece]]:
    """Pieces of one passage each."""
    held = _Held()
    for piece in pieces:
        if held.pieces and held.is_parted_by(piece):
            yield held.pieces
            held = _Held()
        elif held.pieces and not held.takes(piece):
            headings = held.trailing_headings(piece)
            yield held.pieces[: len(held.pieces) - len(headings)]
            held = _Held(headings or held.repeated(piece))
        held.add(piece)
    if held.pieces:
        yield held.pieces


class _Held:
    """What the passage that is being packed holds; each question costs the same however much that is."""

    def __init__(self, pieces: Sequence[_Piece] = ()) -> None:
        self.pieces: list[_Piece] = []
        self._size = 0.0
        self._says_something = False
        """Besides headings."""
        for piece in pieces:
            self.add(piece)

    def add(self, piece: _Piece) -> None:
        self._size = self._with(piece)
        self._says_something = self._says_something or not piece.level
        self.pieces.append(piece)

    def takes(self, piece: _Piece) -> bool:
        return self._with(piece) <= ROOM

    def is_parted_by(self, piece: _Piece) -> bool:
        """Whether a chapter begins. Its heading goes with headings that nothing but it has followed."""
        return 0 < piece.level <= _PARTING_LEVEL and self._says_something

    def trailing_headings(self, piece: _Piece) -> Sequence[_Piece]:
        """Those at the end that belong to this piece, which is not taken; none where nothing would be left."""
        first = len(self.pieces)
        while first > 0 and self.pieces[first - 1].level:
            first -= 1
        headings = self.pieces[first:]
        return headings if first > 0 and headings and _Held(headings).takes(piece) else ()

    def repeated(self, piece: _Piece) -> Sequence[_Piece]:
        """The sentence before this one, if it is short enough to be said again."""
        before = self.pieces[-1]
        fits = piece.repeats and before.size <= _REPEATED_AT_MOST and _Held([before]).takes(piece)
        return [before] if fits else ()

    def _with(self, piece: _Piece) -> float:
        if not self.pieces:
            return width(piece.header) + piece.size
        return self._size + (piece.start - self.pieces[-1].end) + piece.size


def _pieces(page: Page, path: _Path) -> Iterator[_Piece]:
    for block in _blocks(page):
        text = page.text[block.start : block.end]
        if block.kind is BlockKind.HEADING and len(text) <= _HEADING_AT_MOST:
            level = min(max(block.level, 1), _DEEPEST)
            yield _Piece(block.start, block.end, width(text), path.above(level), level)
            path.enter(level, text)
        elif block.kind is BlockKind.TABLE:
            yield from _rows(page.text, block, path.headings)
        else:
            yield from _cuts(page.text, block, path.headings)


def _cuts(text: str, block: Block, headings: Sequence[str]) -> Iterator[_Piece]:
    speaks = block.kind not in (BlockKind.CODE, BlockKind.LIST)
    for number, (start, end) in enumerate(cut(text, block.start, block.end, block.kind)):
        yield _Piece(start, end, width(text[start:end]), headings, repeats=speaks and number > 0)


def _rows(text: str, block: Block, headings: Sequence[str]) -> Iterator[_Piece]:
    header = _header(text, block)
    for start, end in cut(text, block.start, block.end, block.kind):
        elsewhere = block.header_end is not None and start >= block.header_end
        yield _Piece(start, end, width(text[start:end]), headings, header=header if elsewhere else "")


def _header(text: str, block: Block) -> str:
    if block.header_end is None or block.header_end <= block.start:
        return ""
    span = trimmed(text, block.start, min(block.header_end, block.end))
    return text[span[0] : reach(text, *span, _HEADER_AT_MOST)] if span else ""


def _blocks(page: Page) -> Iterator[Block]:
    """The page's own, trimmed, in order and apart whatever they claim; text in none of them is paragraphs."""
    place = 0
    for block in page.blocks:
        start, end = max(place, block.start), min(block.end, len(page.text))
        if start < end:
            yield from _loose(page.text, place, start)
            if span := trimmed(page.text, start, end):
                yield Block(block.kind, *span, block.level, block.header_end)
            place = end
    yield from _loose(page.text, place, len(page.text))


def _loose(text: str, start: int, end: int) -> Iterator[Block]:
    return (Block(BlockKind.PARAGRAPH, *span) for span in paragraphs(text, start, end))
