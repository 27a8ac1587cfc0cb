"""Rows of cells, as sheets and CSV files have them: which of them belong together, and which is the header."""

from collections.abc import Iterable, Iterator, Sequence

from app.parsing.composing import Composer

Row = Sequence[str]


def add_tables(rows: Iterable[Row], composer: Composer) -> None:
    """Tables are parted by empty rows; single cells above one are its title, and a paragraph."""
    for table in _parted(rows):
        start = 0
        while start < len(table) and sum(map(bool, table[start])) == 1 and len(table) > start + 1:
            if not any(sum(map(bool, row)) > 1 for row in table[start + 1 : start + 3]):
                break
            composer.paragraph(" ".join(table[start]))
            start += 1
        composer.table(table[start:], header=has_header(table[start:]))


def has_header(rows: Sequence[Row]) -> bool:
    """Whether the first row has no number in it, and a word over each column of the second."""
    if len(rows) < 2:
        return False
    first = rows[0]
    named = all(first[: max((at + 1 for at, cell in enumerate(rows[1]) if cell), default=0)][1:])
    return named and sum(map(bool, first)) > 1 and not any(map(_is_number, first))


def _parted(rows: Iterable[Row]) -> Iterator[list[Row]]:
    table: list[Row] = []
    for row in rows:
        if any(row):
            table.append(row)
        elif table:
            yield table
            table = []
    if table:
        yield table


def _is_number(text: str) -> bool:
    digits = sum(char.isdigit() for char in text)
    return digits > 0 and digits * 2 >= sum(char.isalnum() for char in text) and not _is_year(text)


def _is_year(text: str) -> bool:
    return len(text) == 4 and text.isdecimal() and text[:2] in {"19", "20"}
