"""Lines of a page to its blocks: what is a heading, a paragraph, a list, a table, by where and how large they stand."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from app.parsing.composing import Composer
from app.parsing.formats.pdf_grids import by_rows
from app.parsing.formats.pdf_lines import Line
from app.parsing.formats.pdf_tables import Table, table_of

_ITEM = re.compile(r"(?:[•◦▪‣●○■□▶►·–—*-]|\(?(?:\d{1,3}|[a-z]|[ivx]{1,4})[.)])\s+\S")
_SENTENCE_END = (".", "!", "?", "。", "！", "？", ":", "：", ";", "；")
_CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\u3000-\u303f]")
_MOST_HEADING = 160
"""Characters: what is longer is read, not looked for."""
_LEVELS = ((1.6, 1), (1.3, 2), (1.12, 3))
"""How many times the size of the body a heading of each level has."""
_BOLD = 600
_BOLD_LEVEL = 3
_LEAST_LEADING, _MOST_LEADING = 0.7, 1.4
"""How many heights of a line are between two paragraphs, more than that or wider than is usual on the page."""
_WIDER = 0.3
_INDENT = 0.8


class Layout:
    """Of one document: the size of its body is learned from its pages as they come."""

    def __init__(self) -> None:
        self._sizes: Counter[int] = Counter()

    def compose(self, lines: Sequence[Line], composer: Composer) -> None:
        for line in lines:
            self._sizes[_size(line)] += len(line.text)
        body = self._sizes.most_common(1)[0][0] if self._sizes else 0
        items: list[str] = []
        for part in _parts(by_rows(lines)):
            item = None if isinstance(part, Table) else _item(part, body)
            if item is not None:
                items.append(item)
                continue
            composer.list(items)
            items = []
            if isinstance(part, Table):
                composer.table(part.rows, header=part.has_header)
            else:
                _add(part, body, composer)
        composer.list(items)


def _size(line: Line) -> int:
    """In half points, so that what differs by rounding is the same."""
    return round(line.height * 2)


def _parts(lines: Sequence[Line]) -> Iterator[Table | list[Line]]:
    """Tables, and between them paragraphs, headings and items of lists."""
    block: list[Line] = []
    leading = _leading(lines)
    at = 0
    while at < len(lines):
        if table := table_of(lines, at):
            if block:
                yield block
            yield table
            at, block = at + table.line_count, []
            continue
        if block and not _goes_on(block, lines[at], leading):
            yield block
            block = []
        block.append(lines[at])
        at += 1
    if block:
        yield block


def _leading(lines: Sequence[Line]) -> float:
    """From how many heights of a line on a gap parts paragraphs, on a page that is set more or less wide."""
    gaps = sorted((one.bottom - two.top) / one.height for one, two in pairwise(lines) if one.height > 0)
    within = [gap for gap in gaps if 0 <= gap < 2 * _MOST_LEADING]
    usual = within[len(within) // 2] if within else 0.0
    return min(max(usual + _WIDER, _LEAST_LEADING), _MOST_LEADING)


def _goes_on(block: list[Line], line: Line, leading: float) -> bool:
    """Whether a line belongs to the paragraph that those before it make."""
    last = block[-1]
    if last.hyphenated:
        return True
    height = max(last.height, line.height)
    if _ITEM.match(line.text) or abs(last.height - line.height) > 0.15 * height:
        return False
    if (last.weight >= _BOLD) != (line.weight >= _BOLD) and len(block) == 1:
        return False
    gap = last.bottom - line.top
    if gap > leading * height or (len(block) > 1 and gap > _gap(block) + _WIDER * height):
        return False
    if gap < -1.5 * height:  # the next column, or a box of its own
        return not last.text.endswith(_SENTENCE_END) and len(block) > 1 and not _is_short(block)
    if line.left > last.left + _INDENT * height and last.text.endswith(_SENTENCE_END):
        return False
    return not (last.text.endswith(_SENTENCE_END) and _is_short(block))


def _gap(block: list[Line]) -> float:
    """Between its lines; columns that it runs through do not count."""
    return max((one.bottom - two.top for one, two in pairwise(block)), default=0.0)


def _is_short(block: list[Line]) -> bool:
    """Whether the last line ends well before the others do."""
    widest = max(line.right for line in block)
    return block[-1].right < widest - 4 * block[-1].height


def _item(block: list[Line], body: int) -> str | None:
    """Of a list. What begins with a number and is set as a heading is one."""
    text = _joined(block)
    found = _ITEM.match(text)
    return text if found and not (text[0].isalnum() and _level(block, text, body)) else None


def _add(block: list[Line], body: int, composer: Composer) -> None:
    text = _joined(block)
    if level := _level(block, text, body):
        composer.heading(text, level)
    else:
        composer.paragraph(text)


def _level(block: list[Line], text: str, body: int) -> int | None:
    """Of a heading; None for what is none."""
    if len(text) > _MOST_HEADING or len(block) > 3 or not any(char.isalpha() for char in text):
        return None
    size = max(map(_size, block))
    for times, level in _LEVELS:
        if body and size >= body * times:
            return level
    bold = all(line.weight >= _BOLD for line in block)
    return _BOLD_LEVEL if bold and not text.endswith((".", "。", ",", "，", ";")) else None


def _joined(block: list[Line]) -> str:
    """Words that were parted at a line's end are whole again, and Chinese has no spaces between its lines."""
    text = ""
    hyphenated = False
    for line in block:
        said = line.text
        if hyphenated:
            text += said if said[:1].islower() else f"-{said}"
        elif text and said:
            text += _between(text, said) + said
        else:
            text += said
        hyphenated = line.hyphenated
    return text


def _between(text: str, said: str) -> str:
    return "" if _CJK.match(text[-1]) and _CJK.match(said[0]) else " "
