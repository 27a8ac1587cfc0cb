"""How well PDFs are read, against what poppler read of the same files, and what it takes of the processor.

    DATA=<folder> python -m tests.eval.pdf_text

The folder holds `pdfs/dev/*.pdf` with `pdfs/manifest_dev.json.gz` (`name`, `chars` and `page_text` of each), and
`tables/dev/*.pdf` with `tables/manifest_dev.json.gz` (`file`, and `tables` of `cells` with row `r`..`r2` and `text`).
"""

import asyncio
import gzip
import os
import re
import resource
import sys
import unicodedata
from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

import msgspec

from app.domain.passages import BlockKind, Page
from app.parsing.cleaning import clean
from app.parsing.errors import Unreadable
from app.parsing.kinds import FileKind
from app.parsing.limits import ReadingLimits
from app.parsing.reading import read

_TOKEN = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]|[^\\W_]+|[^\\w\\s]")
_DIRECTIONS = re.compile("[\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
_ENOUGH = 0.9
_NOTHING = re.compile(r"\W+")


class Expected(msgspec.Struct):
    name: str
    chars: int
    page_text: list[str]


class TableCell(msgspec.Struct):
    r: int
    r2: int
    text: str


class ExpectedTable(msgspec.Struct):
    cells: list[TableCell]


class WithTables(msgspec.Struct):
    file: str
    tables: list[ExpectedTable]


async def measure(data: Path) -> None:
    """Prints what it finds. What is missing in the folder is left out."""
    if (folder := data / "pdfs").is_dir():
        await _measure_text(folder)
    if (folder := data / "tables").is_dir():
        await _measure_tables(folder)


async def _measure_text(folder: Path) -> None:
    files = msgspec.json.decode(gzip.decompress((folder / "manifest_dev.json.gz").read_bytes()), type=list[Expected])
    outcomes: Counter[str] = Counter()
    good = with_text = 0
    for file in files:
        pages, outcome = await _read(folder / "dev" / file.name)
        outcomes[outcome] += 1
        if file.chars:
            with_text += 1
            good += _f1("\n".join(page.text for page in pages), "\n".join(file.page_text)) >= _ENOUGH
    print(f"PDF text: F1 of {_ENOUGH} or more on {good} of {with_text} files; {dict(outcomes)}")  # noqa: T201


async def _measure_tables(folder: Path) -> None:
    files = msgspec.json.decode(gzip.decompress((folder / "manifest_dev.json.gz").read_bytes()), type=list[WithTables])
    found = rows = read_pages = 0
    before = _cpu()
    for file in files:
        pages, _ = await _read(folder / "dev" / file.file)
        read_pages += len(pages)
        told = [set(map(_bare, line.split(" | "))) for line in _table_lines(pages)]
        for row in _rows(file.tables):
            rows += 1
            found += any(row <= cells for cells in told)
    speed = read_pages / (_cpu() - before)
    print(f"PDF tables: {found} of {rows} rows whole; {speed:.0f} pages a CPU second, a process a file")  # noqa: T201


async def _read(file: Path) -> tuple[Sequence[Page], str]:
    pages: list[Page] = []
    try:
        async with read(file, FileKind.PDF, ReadingLimits(ocr=False)) as reading, aclosing(reading.pages()) as told:
            pages.extend([page async for page in told])
    except Unreadable as refused:
        return pages, refused.code
    return pages, "read"


def _table_lines(pages: Sequence[Page]) -> list[str]:
    tables = [(page, block) for page in pages for block in page.blocks if block.kind is BlockKind.TABLE]
    return [line for page, block in tables for line in page.text[block.start : block.end].split("\n")]


def _rows(tables: Sequence[ExpectedTable]) -> list[set[str]]:
    """The cells of each row of two or more that stand in no other row."""
    rows = []
    for table in tables:
        by_number: dict[int, set[str]] = {}
        for cell in table.cells:
            if cell.r == cell.r2 and _bare(cell.text):
                by_number.setdefault(cell.r, set()).add(_bare(cell.text))
        rows += [cells for cells in by_number.values() if len(cells) > 1]
    return rows


def _bare(text: str) -> str:
    return _NOTHING.sub("", text).lower()


def _f1(one: str, other: str) -> float:
    ours, theirs = _tokens(one), _tokens(other)
    return 2 * (ours & theirs).total() / max(1, ours.total() + theirs.total())


def _tokens(text: str) -> Counter[str]:
    """Words, and Chinese characters each by itself; what parts the cells of a table is not text."""
    plain = _DIRECTIONS.sub("", unicodedata.normalize("NFKC", clean(text))).casefold()
    return Counter(_TOKEN.findall(plain.replace(" | ", " ")))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    if "DATA" not in os.environ:
        sys.exit("DATA=<folder> python -m tests.eval.pdf_text")
    asyncio.run(measure(Path(os.environ["DATA"])))
