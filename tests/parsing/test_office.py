"""Word documents, presentations and workbooks, as their own libraries write them."""

import datetime
import io
from pathlib import Path

import docx
import pptx
import pytest
import xlsxwriter
from docx.enum.text import WD_BREAK
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from pptx.util import Inches

from app.parsing.errors import Empty, Encrypted, NoText, TooLarge, Unsupported
from app.parsing.limits import ReadingLimits
from tests.parsing.read import pages_of, texts


def word(document: "docx.document.Document") -> bytes:
    made = io.BytesIO()
    document.save(made)
    return made.getvalue()


async def test_a_word_document_is_read_in_the_order_of_its_body(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_heading("Of fruit", 0)
    document.add_paragraph("Apples are red.")
    document.add_heading("Prices", 2)
    document.add_paragraph("apples", style="List Bullet")
    document.add_paragraph("pears", style="List Bullet")
    table = document.add_table(rows=2, cols=2, style="Table Grid")
    for cell, said in zip(table._cells, ["Fruit", "Price", "Apples", "1.20"], strict=True):
        cell.text = said
    document.add_paragraph("价格如上。")
    document.sections[0].footer.paragraphs[0].text = "for internal use"
    [page] = await pages_of(tmp_path, "", word(document))
    assert texts(page) == [
        ("heading", "Of fruit"),
        ("paragraph", "Apples are red."),
        ("heading", "Prices"),
        ("list", "apples\npears"),
        ("table", "Fruit | Price\nApples | 1.20"),
        ("paragraph", "价格如上。"),
        ("paragraph", "for internal use"),
    ]
    assert [block.level for block in page.blocks[:3]] == [1, 0, 2]
    assert page.blocks[4].header_end == page.text.index("\nApples | ")


async def test_pages_of_a_word_document_are_those_that_it_tells(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_paragraph("first").add_run().add_break(WD_BREAK.PAGE)
    document.add_paragraph("second")
    pages = await pages_of(tmp_path, "", word(document))
    assert [page.text for page in pages] == ["first", "second"]
    rendered = parse_xml(
        f"<w:p {nsdecls('w')}><w:r><w:t>more</w:t><w:lastRenderedPageBreak/><w:t>third</w:t></w:r></w:p>"
    )
    document.element.body.insert(2, rendered)
    pages = await pages_of(tmp_path, "", word(document))
    assert [page.text for page in pages] == ["first\n\nsecond\n\nmore", "third"]


async def test_what_is_inserted_controlled_or_in_a_box_is_read_and_what_is_deleted_is_not(tmp_path: Path) -> None:
    document = docx.Document()
    body = document.element.body
    space = nsdecls("w")
    for number, inner in enumerate(
        [
            f"<w:p {space}><w:ins><w:r><w:t>inserted</w:t></w:r></w:ins>"
            "<w:del><w:r><w:delText>gone</w:delText></w:r></w:del></w:p>",
            f"<w:sdt {space}><w:sdtContent><w:p><w:r><w:t>controlled</w:t></w:r></w:p></w:sdtContent></w:sdt>",
            f"<w:p {space}><w:r><w:pict><w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p>"
            "</w:txbxContent></w:pict></w:r></w:p>",
        ]
    ):
        body.insert(number, parse_xml(inner))
    [page] = await pages_of(tmp_path, "", word(document))
    assert page.text == "inserted\n\ncontrolled\n\nboxed"


async def test_a_word_document_without_words_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoText):
        await pages_of(tmp_path, "", word(docx.Document()))


async def test_a_slide_is_a_page_with_its_title_first_and_its_notes_last(tmp_path: Path) -> None:
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[1])
    slide.shapes[1].text_frame.text = "apples\npears"
    slide.shapes.title.text_frame.text = "Fruit"
    table = slide.shapes.add_table(2, 2, Inches(1), Inches(3), Inches(4), Inches(1)).table
    for at, said in enumerate(["Fruit", "Price", "Apples", "1.20"]):
        table.cell(at // 2, at % 2).text = said
    group = slide.shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, Inches(1), Inches(1)).text_frame.text = "in a group"
    slide.notes_slide.notes_text_frame.text = "say it slowly"
    show.slides.add_slide(show.slide_layouts[6])
    made = io.BytesIO()
    show.save(made)
    [page, blank] = await pages_of(tmp_path, "", made.getvalue())
    assert texts(page) == [
        ("heading", "Fruit"),
        ("list", "apples\npears"),
        ("table", "Fruit | Price\nApples | 1.20"),
        ("paragraph", "in a group"),
        ("paragraph", "say it slowly"),
    ]
    assert (blank.number, blank.text, blank.flaw) == (2, "", None)


def workbook(**sheets: list[list[object]]) -> bytes:
    made = io.BytesIO()
    book = xlsxwriter.Workbook(made, {"default_date_format": "yyyy-mm-dd"})
    for name, rows in sheets.items():
        sheet = book.add_worksheet(name)
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
    book.close()
    return made.getvalue()


async def test_a_sheet_is_a_page_with_its_rows_as_people_write_them(tmp_path: Path) -> None:
    day = datetime.date(2026, 1, 31)
    rows: list[list[object]] = [
        ["Sales of 2026"],
        ["Fruit", "Price", "Sold", "Day"],
        ["苹果", 1.2, 340, day],
        ["Pears", 0.1 + 0.2, 12, ""],
    ]
    [page, empty, second] = await pages_of(
        tmp_path, "", workbook(Sales=rows, Empty=[], More=[["a", 1], [], ["b", True]])
    )
    assert texts(page) == [
        ("heading", "Sales"),
        ("paragraph", "Sales of 2026"),
        ("table", "Fruit | Price | Sold | Day\n苹果 | 1.2 | 340 | 2026-01-31\nPears | 0.3 | 12"),
    ]
    table = page.blocks[2]
    assert page.text[table.start : table.header_end] == "Fruit | Price | Sold | Day"
    assert (empty.text, empty.flaw) == ("", None)
    assert texts(second) == [("heading", "More"), ("table", "a | 1"), ("table", "b | TRUE")]


async def test_a_workbook_without_values_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoText):
        await pages_of(tmp_path, "", workbook(Empty=[]))


async def test_a_sheet_with_a_cell_in_its_farthest_corner_is_read_or_refused(tmp_path: Path) -> None:
    made = io.BytesIO()
    book = xlsxwriter.Workbook(made)
    sheet = book.add_worksheet()
    sheet.write(0, 0, "first")
    sheet.write(1_048_575, 16_383, "last")
    book.close()
    with pytest.raises(TooLarge):
        await pages_of(tmp_path, "", made.getvalue())


async def test_a_long_sheet_is_bounded_by_its_text(tmp_path: Path) -> None:
    data = workbook(Long=[["word", number] for number in range(5000)])
    with pytest.raises(TooLarge):
        await pages_of(tmp_path, "", data, ReadingLimits(characters=10_000, ocr=False))


async def test_old_and_locked_office_files_are_told_apart(tmp_path: Path) -> None:
    """By their directory, wherever in the file that is."""
    head = (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
        + bytes(16)
        + b"\x3e\0\x03\0\xfe\xff\x09\0"
        + bytes(16)
        + (500).to_bytes(4, "little")
    )
    names = {"WordDocument": Unsupported, "EncryptedPackage": Encrypted}
    for name, error in names.items():
        directory = name.encode("utf-16-le").ljust(512, b"\0")
        data = head.ljust(512, b"\0") + bytes(500 * 512) + directory + bytes(200_000)
        with pytest.raises(error):
            await pages_of(tmp_path, "a.doc", data)


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x1a\n....", b"\x7fELF....\0", b"PK\5\6" + bytes(18)])
async def test_what_is_no_document_is_unsupported(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(Unsupported):
        await pages_of(tmp_path, "a.pdf", data)
    with pytest.raises(Empty):
        await pages_of(tmp_path, "a.docx", b"")
