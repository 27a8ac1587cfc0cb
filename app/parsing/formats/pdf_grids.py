"""Tables that a PDF tells column by column, told row by row."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from app.parsing.formats.pdf_lines import Line
from app.parsing.formats.pdf_tables import table_of

_SHORT = 48
"""Characters of a line that may be a cell."""
_FEWEST = 6
_MOST = 2_000
_OVERLAP = 0.5


def by_rows(lines: Sequence[Line]) -> list[Line]:
    """The lines as they are, but for runs of short ones that make a table when those of one height are joined."""
    told: list[Line] = []
    for run, short in _runs(lines):
        rows = _joined(run) if short and len(run) >= _FEWEST and _climbs(run) else []
        told.extend(rows if _is_table(rows) else run)
    return told


def _runs(lines: Sequence[Line]) -> Iterator[tuple[Sequence[Line], bool]]:
    start = 0
    for at in range(1, len(lines) + 1):
        whole = at == len(lines) or at - start == _MOST
        if whole or _is_short(lines[at]) != _is_short(lines[start]):
            yield lines[start:at], _is_short(lines[start])
            start = at


def _is_short(line: Line) -> bool:
    return not line.hyphenated and all(len(cell.text) <= _SHORT for cell in line.cells)


def _climbs(run: Sequence[Line]) -> bool:
    """Whether a line stands above the one before it, as at the top of another column."""
    return any(line.bottom > before.top for before, line in pairwise(run))


def _joined(run: Sequence[Line]) -> list[Line]:
    """From top to bottom, with what stands side by side in one line."""
    rows: list[list[Line]] = []
    for line in sorted(run, key=lambda line: -line.top):
        if rows and _beside(rows[-1][0], line):
            rows[-1].append(line)
        else:
            rows.append([line])
    return [_line(row) for row in rows]


def _beside(one: Line, other: Line) -> bool:
    shared = min(one.top, other.top) - max(one.bottom, other.bottom)
    return shared > _OVERLAP * min(one.height, other.height)


def _line(row: Sequence[Line]) -> Line:
    cells = sorted((cell for line in row for cell in line.cells), key=lambda cell: cell.left)
    return Line(tuple(cells), row[0].bottom, row[0].top, min(line.weight for line in row))


def _is_table(rows: Sequence[Line]) -> bool:
    """Whether most of the rows are one."""
    for start in range(min(3, len(rows))):
        table = table_of(rows, start)
        if table is not None:
            return table.line_count * 4 >= len(rows) * 3
    return False
