"""CSV: one table."""

import csv
import io
from collections.abc import Iterator

from app.parsing.composing import Composer, Room
from app.parsing.document import Document, Source, Whole
from app.parsing.errors import Empty
from app.parsing.formats.decoding import decode
from app.parsing.formats.rows import has_header

_SAMPLE = 16 * 1024
_DELIMITERS = ",;\t|"
_LONGEST_FIELD = 1_000_000


def open_document(source: Source) -> Document:
    text = decode(source.all())
    csv.field_size_limit(_LONGEST_FIELD)
    composer = Composer(Room(source.limits.characters))
    rows = list(_rows(text))
    composer.table(rows, header=has_header(rows[:2]))
    if composer.empty:
        raise Empty
    return Whole([composer.page(1)])


def _rows(text: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text), delimiter=_delimiter(text[:_SAMPLE]))
    return ([cell.strip() for cell in row] for row in reader if any(row))


def _delimiter(sample: str) -> str:
    """The one that parts the first lines most evenly; a comma where none does."""
    lines = [line for line in sample.split("\n")[:50] if line]
    counts = {one: sorted(line.count(one) for line in lines) for one in _DELIMITERS}
    best = max(_DELIMITERS, key=lambda one: counts[one][len(lines) // 2] if lines else 0)
    return best if lines and counts[best][len(lines) // 2] else ","
