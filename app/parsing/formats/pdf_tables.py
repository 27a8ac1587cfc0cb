"""Tables of a PDF's page: lines whose words stand in columns, one below the other."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from app.parsing.formats.pdf_lines import Cell, Line

_FEWEST_ROWS = 3
_LONGEST_CELL = 60
"""Characters on average: what is longer is text in two columns."""
_FARTHEST = 2.5
"""Heights of a line between two rows of one table, at most."""
_LONGEST = 2_000


@dataclass(frozen=True, slots=True)
class Table:
    rows: Sequence[Sequence[str]]
    has_header: bool
    line_count: int


def table_of(lines: Sequence[Line], start: int) -> Table | None:
    """The table that begins with the line at `start`."""
    if len(lines[start].cells) < 2:
        return None
    run = _run(lines, start)
    if sum(len(line.cells) > 1 for line in run) < _FEWEST_ROWS:
        return None
    columns = _columns(run)
    texts = [cell.text for line in run for cell in line.cells]
    if len(columns) < 2 or sum(map(len, texts)) > _LONGEST_CELL * len(texts):
        return None
    rows = [_row(line, columns) for line in run]
    return Table(rows, _has_header(rows), len(run))


def _run(lines: Sequence[Line], start: int) -> Sequence[Line]:
    """Lines below each other, most of them in columns, the last one too."""
    end = last = start
    while end + 1 < len(lines) and end + 1 - start < _LONGEST:
        above, line = lines[end], lines[end + 1]
        far = above.bottom - line.top > _FARTHEST * above.height
        if far or line.top > above.top + above.height or (len(line.cells) < 2 and end - last >= 1):
            break
        end += 1
        if len(line.cells) > 1:
            last = end
    return lines[start : last + 1]


def _columns(run: Sequence[Line]) -> Sequence[tuple[float, float]]:
    """From where to where each column goes, by the rows that have as many cells as most have."""
    counts = Counter(len(line.cells) for line in run if len(line.cells) > 1)
    usual = max(counts, key=lambda count: (counts[count], count))
    columns: list[tuple[float, float]] = []
    for cell in sorted((cell for line in run if len(line.cells) == usual for cell in line.cells), key=_left):
        if columns and cell.left < columns[-1][1]:
            columns[-1] = columns[-1][0], max(columns[-1][1], cell.right)
        else:
            columns.append((cell.left, cell.right))
    return columns


def _left(cell: Cell) -> float:
    return cell.left


def _row(line: Line, columns: Sequence[tuple[float, float]]) -> Sequence[str]:
    """Each cell under the column that it has most in common with."""
    row = [""] * len(columns)
    for cell in line.cells:
        best = max(range(len(columns)), key=lambda number: _overlap(cell, columns[number]))
        row[best] = f"{row[best]} {cell.text}".strip()
    return row


def _overlap(cell: Cell, column: tuple[float, float]) -> float:
    """Below 0: by how far they miss each other."""
    return min(cell.right, column[1]) - max(cell.left, column[0])


def _has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether no cell of the first row is a number, and below it numbers stand."""
    first, *others = rows
    numbers = sum(any(map(_is_number, row)) for row in others)
    return all(first[1:]) and not any(map(_is_number, first)) and numbers * 2 >= len(others)


def _is_number(text: str) -> bool:
    digits = sum(char.isdigit() for char in text)
    return digits > 0 and digits * 2 >= sum(char.isalnum() for char in text)
