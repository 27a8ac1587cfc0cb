"""The lines of a PDF's page, with where their words stand, as PDFium has them: in the order of reading."""

import ctypes
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pypdfium2
import pypdfium2.raw as pdfium

from app.parsing.cleaning import clean, letters

_HYPHEN = "\ufffe"
"""What PDFium tells for a hyphen at a line's end; the next line follows at once."""
_LINE = re.compile("[^\r\n\ufffe]+")
_WORD = re.compile(r"\S+")
_BOLD = 700
_MOST_CHARACTERS = 2_000_000
_GAP = 1.0
"""How many times a line's height is between two words that stand in different columns; a space is a third of it."""


class Overfull(Exception):
    """There are more characters on the page than anyone could read there."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Words that stand together, `left` to `right` in points."""

    text: str
    left: float
    right: float


@dataclass(frozen=True, slots=True)
class Line:
    """`top` is above `bottom`, which is the smaller number; `weight` that of the font, 400 where it is not bold."""

    cells: tuple[Cell, ...]
    bottom: float
    top: float
    weight: int
    hyphenated: bool = False
    """Whether its last word goes on in the next line."""

    @property
    def text(self) -> str:
        return " ".join(cell.text for cell in self.cells)

    @property
    def left(self) -> float:
        return self.cells[0].left

    @property
    def right(self) -> float:
        return max(cell.right for cell in self.cells)

    @property
    def height(self) -> float:
        return self.top - self.bottom


def lines_of(page: pypdfium2.PdfPage) -> list[Line]:
    """Of what lies within the page: what a reader of it cannot see is not told. Raises Overfull."""
    text_page = page.get_textpage()
    try:
        return list(_Reader(page, text_page).lines())
    finally:
        text_page.close()


class _Reader:
    def __init__(self, page: pypdfium2.PdfPage, text_page: pypdfium2.PdfTextPage) -> None:
        self._text_page = text_page.raw
        self._text = _characters(text_page)
        self._turn = page.get_rotation()
        self._bounds = self._turned(*page.get_bbox())
        self._box = pdfium.FS_RECTF()
        self._name = ctypes.create_string_buffer(128)

    def lines(self) -> Iterator[Line]:
        for found in _LINE.finditer(self._text):
            cells, bottom, top = self._cells(found.start(), found.end())
            if cells and self._is_seen(cells, bottom, top):
                weight = min(self._weight(found.start()), self._weight(found.end() - 1))
                hyphenated = self._text[found.end() : found.end() + 1] == _HYPHEN
                yield Line(tuple(cells), bottom, top, weight, hyphenated)

    def _cells(self, start: int, end: int) -> tuple[list[Cell], float, float]:
        """With the bottom and the top of its usual words: a footnote's number is smaller, and stands higher."""
        cells: list[Cell] = []
        words: list[str] = []
        heights: list[tuple[float, float, float]] = []
        left = right = 0.0
        for word in _WORD.finditer(self._text, start, end):
            first, last = self._place(word.start()), self._place(word.end() - 1)
            begins, ends, height = min(first[0], last[0]), max(first[2], last[2]), first[3] - first[1]
            heights.append((height, first[1], first[3]))
            if words and (begins - right > _GAP * height or left - ends > _GAP * height):
                cells.append(Cell(_said(words), left, right))
                words = []
            left, right = (min(left, begins), max(right, ends)) if words else (begins, ends)
            words.append(word[0])
        if words:
            cells.append(Cell(_said(words), left, right))
        _, bottom, top = sorted(heights)[len(heights) // 2] if heights else (0.0, 0.0, 0.0)
        return [cell for cell in cells if cell.text], bottom, top

    def _weight(self, index: int) -> int:
        """By the font's name where it tells; PDFium knows none of fonts that are not in the file."""
        length = pdfium.FPDFText_GetFontInfo(self._text_page, index, self._name, len(self._name), None)
        if 0 < length <= len(self._name) and b"bold" in self._name.value.lower():
            return _BOLD
        return int(pdfium.FPDFText_GetFontWeight(self._text_page, index))

    def _place(self, index: int) -> tuple[float, float, float, float]:
        """Left, bottom, right, top of a character, as its font has it and the page is turned."""
        box = self._box
        if not pdfium.FPDFText_GetLooseCharBox(self._text_page, index, box):
            return 0.0, 0.0, 0.0, 0.0
        return self._turned(box.left, box.bottom, box.right, box.top)

    def _turned(self, left: float, bottom: float, right: float, top: float) -> tuple[float, float, float, float]:
        match self._turn:
            case 90:
                return bottom, -right, top, -left
            case 180:
                return -right, -top, -left, -bottom
            case 270:
                return -top, left, -bottom, right
            case _:
                return left, bottom, right, top

    def _is_seen(self, cells: list[Cell], bottom: float, top: float) -> bool:
        left, low, right, high = self._bounds
        across = min(cell.left for cell in cells) < right and max(cell.right for cell in cells) > left
        return across and bottom < high and top > low


def _said(words: list[str]) -> str:
    return letters(clean(" ".join(words))).strip()


def _characters(text_page: pypdfium2.PdfTextPage) -> str:
    """One for each that PDFium counts; those beyond the basic plane may be two halves."""
    count = text_page.count_chars()
    if count > _MOST_CHARACTERS:
        raise Overfull
    buffer = (ctypes.c_ushort * (count + 1))()
    told = pdfium.FPDFText_GetText(text_page.raw, 0, count, buffer) - 1
    if told == count:
        return "".join(map(chr, buffer[:count]))
    # Some characters were left out or put in: one by one then, for places are asked for by number.
    return "".join(chr(pdfium.FPDFText_GetUnicode(text_page.raw, index)) for index in range(count))
