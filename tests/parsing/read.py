"""Reading in tests: bytes to pages, by the file's own kind."""

import os
import tempfile
from contextlib import aclosing
from pathlib import Path
from time import monotonic, sleep

from app.domain.passages import Block, Page
from app.parsing.kinds import HEAD, TAIL, sniff
from app.parsing.limits import ReadingLimits
from app.parsing.reading import read

LIMITS = ReadingLimits(ocr=False)


def folders() -> set[str]:
    """In which children begin, of this process and of others that read beside it."""
    return {name for name in os.listdir(tempfile.gettempdir()) if name.startswith("reading-")}


def left_over(before: set[str]) -> set[str]:
    """Those that came since and stay: others' are there for moments only."""
    left = folders() - before
    until = monotonic() + 10
    while left and monotonic() < until:
        sleep(0.05)
        left &= folders()
    return left


async def pages_of(folder: Path, name: str, data: bytes, limits: ReadingLimits = LIMITS) -> list[Page]:
    file = folder / "upload"  # its name is not its own
    file.write_bytes(data)
    async with (
        read(file, sniff(data[:HEAD], data[-TAIL:], name), limits) as reading,
        aclosing(reading.pages()) as pages,
    ):
        return [page async for page in pages]


def texts(page: Page, blocks: list[Block] | None = None) -> list[tuple[str, str]]:
    """Kind and text of each block."""
    return [(block.kind.value, page.text[block.start : block.end]) for block in blocks or page.blocks]
