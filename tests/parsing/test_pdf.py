"""What is read of PDFs: their text, in order, in blocks; and why nothing is where nothing can be."""

import io
from pathlib import Path

import pypdf
import pytest

from app.parsing.errors import Damaged, Empty, Encrypted, NoText, TooLarge, TooManyPages
from app.parsing.limits import ReadingLimits
from tests.parsing.pdfs import assembled, at, grid, lines, pdf, scanned, stream_of
from tests.parsing.read import pages_of, texts

BODY = lines("The first line of the paragraph goes on and on until the right margin", "and the second ends it.", y=600)


async def test_pages_come_in_order_with_their_text(tmp_path: Path) -> None:
    pages = await pages_of(tmp_path, "", pdf(lines("first page"), lines("second page"), lines("third page")))
    assert [(page.number, page.text, page.flaw) for page in pages] == [
        (1, "first page", None),
        (2, "second page", None),
        (3, "third page", None),
    ]


async def test_lines_of_a_paragraph_are_joined_and_headings_are_told_by_size(tmp_path: Path) -> None:
    [page] = await pages_of(tmp_path, "", pdf(lines("Of Everything", size=24) + BODY + lines("Another one.", y=500)))
    assert texts(page) == [
        ("heading", "Of Everything"),
        ("paragraph", "The first line of the paragraph goes on and on until the right margin and the second ends it."),
        ("paragraph", "Another one."),
    ]
    assert page.blocks[0].level == 1


async def test_paragraphs_of_a_page_that_is_set_wide_are_whole(tmp_path: Path) -> None:
    said = [f"Line number {number} goes on until it comes to the right margin" for number in range(6)]
    body = lines(*said[:3], leading=2, y=700) + lines(*said[3:], leading=2, y=590)
    [page] = await pages_of(tmp_path, "", pdf(body))
    assert texts(page) == [("paragraph", " ".join(said[:3])), ("paragraph", " ".join(said[3:]))]


async def test_a_bold_line_by_itself_is_a_heading(tmp_path: Path) -> None:
    [page] = await pages_of(tmp_path, "", pdf(lines("3. Results", font="F2") + BODY))
    assert texts(page)[0] == ("heading", "3. Results")


async def test_a_table_told_column_by_column_is_read_by_rows(tmp_path: Path) -> None:
    columns = [["Year", "2021", "2022", "2023"], ["Apples", "340", "350", "360"], ["Pears", "120", "130", "140"]]
    said = b"".join(
        at(60 + 160 * column, 600 - 18 * row, cell)
        for column, cells in enumerate(columns)
        for row, cell in enumerate(cells)
    )
    [page] = await pages_of(tmp_path, "", pdf(said))
    assert page.text == "Year | Apples | Pears\n2021 | 340 | 120\n2022 | 350 | 130\n2023 | 360 | 140"


async def test_a_word_parted_at_the_end_of_a_line_is_whole(tmp_path: Path) -> None:
    said = lines("They are more difficult to com-", "pile than others, says the re-", "port of Anglo-", "Saxon origin.")
    [page] = await pages_of(tmp_path, "", pdf(said))
    assert "difficult to compile than" in page.text
    assert "the report of" in page.text
    assert "Anglo-Saxon" in page.text


async def test_a_table_has_its_rows_on_lines(tmp_path: Path) -> None:
    rows = [["Fruit", "Price", "Sold"], ["Apples", "1.20", "340"], ["Pears", "1.80", "120"], ["Plums", "", "77"]]
    [page] = await pages_of(tmp_path, "", pdf(lines("What was sold last year.") + grid(rows, columns=[60, 220, 380])))
    [_, table] = page.blocks
    assert (
        page.text[table.start : table.end]
        == "Fruit | Price | Sold\nApples | 1.20 | 340\nPears | 1.80 | 120\nPlums |  | 77"
    )
    assert table.header_end is not None
    assert page.text[table.start : table.header_end] == "Fruit | Price | Sold"


async def test_items_of_a_list_are_one_block(tmp_path: Path) -> None:
    said = lines("They are three:", y=700) + lines("\u2022 apples", "\u2022 pears", "\u2022 plums", y=670)
    [page] = await pages_of(tmp_path, "", pdf(said))
    assert texts(page)[1] == ("list", "\u2022 apples\n\u2022 pears\n\u2022 plums")


@pytest.mark.parametrize(
    ("turn", "matrix"),
    [(90, b"0 1 -1 0 600 0"), (180, b"-1 0 0 -1 600 800"), (270, b"0 -1 1 0 0 800")],
)
async def test_a_page_that_lies_on_its_side_reads_as_it_is_shown(tmp_path: Path, turn: int, matrix: bytes) -> None:
    shown = matrix + b" cm " + lines("The first line goes on and on until the margin", "and the second ends it.", y=500)
    [page] = await pages_of(tmp_path, "", pdf(shown, more=f"/Rotate {turn}"))
    assert page.text == "The first line goes on and on until the margin and the second ends it."


async def test_what_lies_outside_the_page_is_not_told(tmp_path: Path) -> None:
    [page] = await pages_of(tmp_path, "", pdf(at(50, 700, "seen") + at(50, 1500, "unseen") + at(2000, 600, "unseen")))
    assert page.text == "seen"


async def test_a_page_without_anything_is_empty_and_a_scan_is_flawed(tmp_path: Path) -> None:
    pages = await pages_of(tmp_path, "", scanned(lines("a caption")))
    assert [page.flaw for page in pages] == [None]
    pages = await pages_of(tmp_path, "", pdf(lines("words"), b"", objects={}))
    assert [(page.text, page.flaw) for page in pages] == [("words", None), ("", None)]


async def test_a_document_of_scans_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoText, match="pictures"):
        await pages_of(tmp_path, "", scanned(b"", b""))


async def test_a_document_without_text_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoText):
        await pages_of(tmp_path, "", pdf(b"0 0 m 10 10 l S"))


def encrypted(password: str, algorithm: str) -> bytes:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf(lines("secret words"))))
    writer.encrypt(user_password=password, owner_password="owner", algorithm=algorithm)
    made = io.BytesIO()
    writer.write(made)
    return made.getvalue()


@pytest.mark.parametrize("algorithm", ["RC4-40", "RC4-128", "AES-128", "AES-256"])
async def test_an_empty_password_opens_and_any_other_does_not(tmp_path: Path, algorithm: str) -> None:
    [page] = await pages_of(tmp_path, "", encrypted("", algorithm))
    assert page.text == "secret words"
    with pytest.raises(Encrypted):
        await pages_of(tmp_path, "", encrypted("1234", algorithm))


async def test_a_file_cut_short_is_read_as_far_as_it_goes_or_damaged(tmp_path: Path) -> None:
    whole = pdf(lines("words"))
    with pytest.raises((Damaged, NoText)):
        await pages_of(tmp_path, "", whole[:40])
    [page] = await pages_of(tmp_path, "", whole[: whole.index(b"startxref")])
    assert page.text == "words"


async def test_an_empty_file_is_empty(tmp_path: Path) -> None:
    with pytest.raises(Empty):
        await pages_of(tmp_path, "a.pdf", b"")


async def test_too_many_pages_and_too_much_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TooManyPages):
        await pages_of(tmp_path, "", pdf(*[b""] * 11), ReadingLimits(pages=10, ocr=False))
    with pytest.raises(TooLarge):
        await pages_of(tmp_path, "", pdf(*[lines("x" * 60)] * 10), ReadingLimits(characters=500, ocr=False))


async def test_letters_are_letters(tmp_path: Path) -> None:
    """Ligatures, soft hyphens, NUL and halves of pairs, as a font's own table tells them."""
    table = (
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def /CMapType 2 def\n"
        b"1 begincodespacerange <00> <FF> endcodespacerange\n"
        b"6 beginbfchar <41> <FB01> <42> <0000> <43> <D800> <44> <00AD> <45> <FEFB> <46> <D840DC0B> endbfchar\n"
        b"endcmap CMapName currentdict /CMap defineresource pop end end"
    )
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /ToUnicode 901 0 R >>"
    [page] = await pages_of(tmp_path, "", pdf(lines("xAxBxCxDx E", "F"), objects={3: font, 901: stream_of(table)}))
    assert page.text.startswith("xfix")
    assert not set(page.text) & {"\0", "\ufb01", "\ufefb", "\u00ad", *map(chr, range(0xD800, 0xE000))}
    assert "𠀋" in page.text
    page.text.encode()


async def test_a_page_that_is_none_costs_itself_alone(tmp_path: Path) -> None:
    data = pdf(lines("first"), lines("second"), lines("third")).replace(
        b"1002 0 obj\n<< /Type /Page ", b"1002 0 obj\n[ /Type /Page "
    )
    pages = await pages_of(tmp_path, "", data)
    assert [page.text for page in pages if page.text] == ["first", "third"]


async def test_a_document_of_no_pages_is_refused(tmp_path: Path) -> None:
    with pytest.raises((Damaged, Empty)):
        await pages_of(
            tmp_path,
            "",
            assembled({1: b"<< /Type /Catalog /Pages 2 0 R >>", 2: b"<< /Type /Pages /Kids [] /Count 0 >>"}),
        )
