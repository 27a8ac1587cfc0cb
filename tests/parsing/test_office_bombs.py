"""Office files that are small and unpack to more than anybody reads, honestly or not, of each kind."""

import io
import struct
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from time import monotonic

import docx
import pptx
import pytest
import xlsxwriter

from app.parsing.errors import TooLarge, Unreadable
from tests.parsing.read import pages_of

MIB = 1024 * 1024
PATIENCE = 60.0


def letter() -> bytes:
    made = io.BytesIO()
    document = docx.Document()
    document.add_paragraph("words")
    document.save(made)
    return made.getvalue()


def slides() -> bytes:
    made = io.BytesIO()
    shown = pptx.Presentation()
    slide = shown.slides.add_slide(shown.slide_layouts[0])
    slide.shapes.title.text = "words"
    shown.save(made)
    return made.getvalue()


def workbook() -> bytes:
    made = io.BytesIO()
    with xlsxwriter.Workbook(made, {"in_memory": True}) as book:
        book.add_worksheet().write(0, 0, "words")
    return made.getvalue()


PARTS = {
    "word/document.xml": letter,
    "ppt/slides/slide1.xml": slides,
    "xl/worksheets/sheet1.xml": workbook,
    "xl/sharedStrings.xml": workbook,
}


@cache
def blown_up(made: Callable[[], bytes], part: str, size: int) -> bytes:
    """With so many bytes more in this part, in front of its last one."""
    written = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(made())) as old,
        zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            data = old.read(name)
            if name != part:
                new.writestr(name, data)
                continue
            with new.open(name, "w") as blown:
                blown.write(data[:-1])
                for _ in range(size // MIB):
                    blown.write(b" " * MIB)
                blown.write(data[-1:])
    return written.getvalue()


@pytest.mark.parametrize("part", PARTS)
async def test_what_unpacks_to_more_than_is_read_is_refused_before_it_is_unpacked(tmp_path: Path, part: str) -> None:
    data = blown_up(PARTS[part], part, 400 * MIB)
    assert len(data) < MIB
    began = monotonic()
    with pytest.raises(TooLarge):
        await pages_of(tmp_path, "", data)
    assert monotonic() - began < PATIENCE


@pytest.mark.parametrize("part", PARTS)
async def test_what_lies_about_that_ends_in_a_refusal_or_in_what_it_told(tmp_path: Path, part: str) -> None:
    data = blown_up(PARTS[part], part, 400 * MIB)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        size = archive.getinfo(part).file_size
    assert data.count(struct.pack("<I", size)) >= 1
    data = data.replace(struct.pack("<I", size), struct.pack("<I", 1000))
    began = monotonic()
    try:
        pages = await pages_of(tmp_path, "", data)
    except Unreadable:
        pass
    else:
        assert sum(len(page.text) for page in pages) < 1000
    assert monotonic() - began < PATIENCE
