"""Files made to hurt: each ends in pages or in a typed refusal, within bounds, and leaves nothing behind."""

import io
import os
import resource
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import docx
import pytest

from app.domain.passages import Page
from app.parsing.errors import Damaged, TooLarge, TooManyPages, Unreadable
from app.parsing.limits import ReadingLimits
from tests.parsing.pdfs import assembled, lines, pdf, stream_of
from tests.parsing.read import folders, left_over, pages_of

LIMITS = ReadingLimits(page_seconds=5, seconds=30, restarts=2, ocr=False)
PATIENCE = 120.0
"""Seconds, on a busy machine: each page may be given up, and a child begun behind it."""


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    before = folders()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert not left_over(before)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 200 * 1024


def flate_chain() -> bytes:
    """Fifty megabytes, five times packed."""
    data = b" " * 50_000_000
    for _ in range(5):
        data = zlib.compress(data, 9)
    return pdf(b"", objects={1001: stream_of(data, f"/Filter [{' '.join(['/FlateDecode'] * 5)}]")})


def flate_bomb() -> bytes:
    """Two gigabytes in two megabytes: what is compressed on its own can be repeated."""
    packer = zlib.compressobj(9)
    begun = packer.compress(b" " * 1_000_000) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(b" " * 1_000_000) + packer.flush(zlib.Z_FULL_FLUSH)
    return pdf(b"", objects={1001: stream_of(begun + again * 2_000, "/Filter /FlateDecode")})


def run_length_chain() -> bytes:
    """As of qpdf's fuzzers: each pass makes a hundred times as much."""
    data = b"\x81\x81" * 2_000
    names = " ".join(["/RunLengthDecode"] * 6)
    return pdf(b"", objects={1001: stream_of(data, f"/Filter [{names}]")})


def lzw() -> bytes:
    return pdf(b"", objects={1001: stream_of(b"\x80\x0b\x60\x50" * 200_000, "/Filter /LZWDecode")})


def page_tree_loop() -> bytes:
    return assembled(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R >>",
            2: b"<< /Type /Pages /Kids [3 0 R] /Count 5 >>",
            3: b"<< /Type /Pages /Parent 2 0 R /Kids [2 0 R 3 0 R] /Count 5 >>",
        }
    )


def xref_loop() -> bytes:
    data = pdf(lines("words"))
    start = data.rindex(b"xref\n", 0, data.rindex(b"startxref"))
    return data.replace(b"/Root 1 0 R", b"/Root 1 0 R /Prev %d" % start)


def deep_arrays() -> bytes:
    return pdf(b"", objects={1001: stream_of(b"[" * 2_000_000)})


def deep_objects() -> bytes:
    return pdf(lines("words"), more="/X " + "[" * 100_000 + "]" * 100_000)


def form_loop() -> bytes:
    form = "/Type /XObject /Subtype /Form /BBox [0 0 600 800] /Resources << /XObject << /Im 900 0 R >> >>"
    return pdf(b"/Im Do " * 50, objects={900: stream_of(b"/Im Do " * 50, form)})


def length_loop() -> bytes:
    return pdf(b"", objects={1001: b"<< /Length 1001 0 R >>\nstream\nBT ET\nendstream"})


def huge_page() -> bytes:
    return pdf(lines("words"), media="-1e30 -1e30 1e30 1e30")


def many_characters() -> bytes:
    packer = zlib.compressobj(9)
    shown = b"".join(packer.compress(lines("x" * 100, y=500)) for _ in range(100_000)) + packer.flush()
    return pdf(b"", objects={1001: stream_of(shown, "/Filter /FlateDecode")})


@pytest.mark.parametrize(
    "made",
    [
        flate_chain,
        flate_bomb,
        run_length_chain,
        lzw,
        page_tree_loop,
        xref_loop,
        deep_arrays,
        deep_objects,
        form_loop,
        length_loop,
        huge_page,
        many_characters,
    ],
)
async def test_a_hostile_pdf_is_read_or_refused_in_time(tmp_path: Path, made: Callable[[], bytes]) -> None:
    begun = monotonic()
    pages: list[Page] = []
    try:
        pages = await pages_of(tmp_path, "", made(), LIMITS)
    except Unreadable:
        pass
    else:
        assert any(page.text for page in pages)
    assert monotonic() - begun < PATIENCE


async def test_a_hundred_thousand_pages_are_too_many(tmp_path: Path) -> None:
    kids = " ".join(["3 0 R"] * 100_000)
    pages = f"<< /Type /Pages /Kids [{kids}] /Count 100000 >>".encode()
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>"
    with pytest.raises(TooManyPages):
        await pages_of(tmp_path, "", assembled({1: b"<< /Type /Catalog /Pages 2 0 R >>", 2: pages, 3: page}))


def office(*more: tuple[str, bytes], replaced: bytes | None = None) -> bytes:
    """A Word document, with further parts, or with another body."""
    document = docx.Document()
    document.add_paragraph("words")
    plain, made = io.BytesIO(), io.BytesIO()
    document.save(plain)
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            body = name == "word/document.xml" and replaced is not None
            new.writestr(name, replaced if body and replaced is not None else old.read(name))
        for name, data in more:
            new.writestr(name, data)
    return made.getvalue()


async def test_a_zip_bomb_in_an_office_file_is_too_large(tmp_path: Path) -> None:
    made = io.BytesIO(office())
    with zipfile.ZipFile(made, "a", zipfile.ZIP_DEFLATED) as packed, packed.open("word/media/image1.png", "w") as part:
        for _ in range(300):
            part.write(bytes(1_000_000))
    with pytest.raises(TooLarge):
        await pages_of(tmp_path, "", made.getvalue())


async def test_a_part_that_lies_about_its_size_is_not_unpacked_past_it(tmp_path: Path) -> None:
    data = bytearray(office(replaced=b"<" + b" " * 50_000_000))
    real, told = struct.pack("<I", 50_000_001), struct.pack("<I", 100)
    assert data.count(real) >= 1
    with pytest.raises((Damaged, TooLarge)):
        await pages_of(tmp_path, "", bytes(data.replace(real, told)))


async def test_tens_of_thousands_of_parts_are_too_many(tmp_path: Path) -> None:
    with pytest.raises(TooLarge):
        await pages_of(tmp_path, "", office(*((f"word/x{number}", b"") for number in range(30_000))))


async def test_parts_with_names_of_other_places_write_nothing(tmp_path: Path) -> None:
    parts = (
        ("../outside", b"x"),
        ("../../../../tmp/outside", b"x"),
        ("/tmp/outside", b"x"),
        ("word/../../outside", b"x"),
    )
    [page] = await pages_of(tmp_path, "", office(*parts))
    assert page.text == "words"
    assert "outside" not in {*os.listdir(tmp_path.parent), *os.listdir("/tmp")}


SPACE = b'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


async def test_no_entity_is_fetched_or_multiplied(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret of this machine")
    declared = [
        f'<!ENTITY e SYSTEM "{secret.as_uri()}">',
        '<!ENTITY e SYSTEM "http://127.0.0.1:9/">',
        '<!ENTITY a "lol"><!ENTITY e "' + "&a;" * 100_000 + '">',
    ]
    for entity in declared:
        body = (
            f"<!DOCTYPE w:document [{entity}]>".encode()
            + b"<w:document "
            + SPACE
            + b"><w:body><w:p><w:r><w:t>said &e;</w:t></w:r></w:p></w:body></w:document>"
        )
        try:
            pages = await pages_of(tmp_path, "", office(replaced=body), LIMITS)
        except Unreadable:
            continue
        assert "secret" not in pages[0].text
        assert len(pages[0].text) < 1000


async def test_markup_nested_without_end_is_refused(tmp_path: Path) -> None:
    deep = b"<w:document " + SPACE + b"><w:body>" + b"<w:sdt><w:sdtContent>" * 100_000
    with pytest.raises(Unreadable):
        await pages_of(tmp_path, "", office(replaced=deep), LIMITS)


async def test_a_cut_archive_is_damaged(tmp_path: Path) -> None:
    whole = office()
    with pytest.raises(Damaged):
        await pages_of(tmp_path, "", whole[: len(whole) // 2])
