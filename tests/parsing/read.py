"""Reading in tests: bytes to pages, by the file's own kind."""

from contextlib import aclosing
from pathlib import Path

from app.domain.passages import Block, Page
from app.parsing.kinds import HEAD, TAIL, sniff
from app.parsing.limits import ReadingLimits
from app.parsing.reading import read

LIMITS = ReadingLimits(ocr=False)


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
