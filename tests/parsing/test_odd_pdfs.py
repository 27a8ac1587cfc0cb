"""PDFs that are well made and hard to read: from right to left, and in fonts that say nothing of their letters."""

from pathlib import Path

import pytest

from app.parsing.errors import NoText
from tests.parsing.pdfs import lines, pdf, stream_of
from tests.parsing.read import pages_of

HEBREW = "שלום עולם"
ARABIC = "مرحبا بالعالم"


def font(*, maps: bool) -> dict[int, bytes]:
    """In place of the bold one: each glyph has the number of its character; a reader is told so, or not."""
    told = b"/ToUnicode 903 0 R" if maps else b""
    table = (
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def /CMapType 2 def\n"
        b"1 begincodespacerange <0000> <ffff> endcodespacerange\n"
        b"3 beginbfrange <0000> <00ff> <0000> <0500> <05ff> <0500> <0600> <06ff> <0600> endbfrange\n"
        b"endcmap CMapName currentdict /CMap defineresource pop end end"
    )
    return {
        4: b"<< /Type /Font /Subtype /Type0 /BaseFont /Odd /Encoding /Identity-H /DescendantFonts [901 0 R] %b >>"
        % told,
        901: b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Odd /CIDToGIDMap /Identity /DW 600 "
        b"/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> /FontDescriptor 902 0 R >>",
        902: b"<< /Type /FontDescriptor /FontName /Odd /Flags 4 /FontBBox [0 -200 600 900] /ItalicAngle 0 "
        b"/Ascent 900 /Descent -200 /CapHeight 700 /StemV 80 >>",
        903: stream_of(table),
    }


def drawn(text: str, *, y: int = 700) -> bytes:
    """As it stands on paper, from the left."""
    return f"BT /F2 12 Tf 50 {y} Td <{text.encode('utf-16-be').hex()}> Tj ET ".encode()


@pytest.mark.parametrize("said", [HEBREW, ARABIC])
async def test_what_is_written_from_right_to_left_is_told_as_it_is_spoken(tmp_path: Path, said: str) -> None:
    data = pdf(drawn(said[::-1]) + lines("and a line in English", y=600), objects=font(maps=True))
    [page] = await pages_of(tmp_path, "", data)
    assert said in page.text
    assert "and a line in English" in page.text


GLYPHS = "\x01\x02\x03\x04"
"""As many programs number them: in the order in which they are used."""


async def test_a_document_in_a_font_without_a_map_says_that_it_has_no_text(tmp_path: Path) -> None:
    with pytest.raises(NoText):
        await pages_of(tmp_path, "", pdf(drawn(GLYPHS), objects=font(maps=False)))


async def test_a_font_without_a_map_costs_its_page_alone(tmp_path: Path) -> None:
    data = pdf(lines("first"), drawn(GLYPHS), lines("third"), objects=font(maps=False))
    first, _, third = await pages_of(tmp_path, "", data)
    assert (first.text, third.text) == ("first", "third")
