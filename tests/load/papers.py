"""PDFs of pages full of print, in English and in Chinese, the same each time."""

import textwrap
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from tests.load.prose import Chinese, English, Prose
from tests.parsing.pdfs import BOLD, FONT, assembled, stream_of

_PARAGRAPHS = 5
_FIRST_SEAL = 7_000_001


@dataclass(frozen=True, slots=True)
class Paper:
    """`said` stands on the page `page` alone."""

    name: str
    content: bytes
    pages: int
    said: str
    page: int


@dataclass(frozen=True, slots=True)
class _Tongue:
    prose: Callable[[Random], Prose]
    name: str
    heading: str
    seal: str
    sealed: str
    characters: int
    """Of a paragraph, at least."""
    lines: Callable[[str], Sequence[str]]
    shown: Callable[[str], bytes]
    fonts: tuple[bytes, bytes]
    """For headings and for text."""


def papers(count: int, pages: int) -> Iterator[Paper]:
    """One English, one Chinese, and so on."""
    for number in range(count):
        yield _paper((_ENGLISH, _CHINESE)[number % 2], number, pages)


def _paper(tongue: _Tongue, number: int, pages: int) -> Paper:
    random = Random(number)  # noqa: S311  # the same each time
    prose = tongue.prose(random)
    marked, seal = random.randint(1, pages), tongue.seal.format(_FIRST_SEAL + number)
    contents = []
    for page in range(1, pages + 1):
        text = [prose.paragraph(tongue.characters) for _ in range(_PARAGRAPHS)]
        if page == marked:
            text.append(tongue.sealed.format(seal))
        contents.append(_content(tongue, tongue.heading.format(page=page, name=prose.name()), text))
    return Paper(tongue.name.format(number), _pdf(contents), pages, seal, marked)


def _content(tongue: _Tongue, heading: str, paragraphs: Sequence[str]) -> bytes:
    bold, plain = tongue.fonts
    parts = [b"BT /%b 15 Tf 60 805 Td " % bold, tongue.shown(heading), b" ET BT /%b 10 Tf 14 TL 60 775 Td " % plain]
    for paragraph in paragraphs:
        parts += [tongue.shown(line) + b" T* " for line in tongue.lines(paragraph)]
        parts.append(b"0 -8 Td ")
    return b"".join([*parts, b"ET"])


def _pdf(contents: Sequence[bytes]) -> bytes:
    """Packed, as those of other programs are."""
    first = 100
    kids = " ".join(f"{first + 2 * number} 0 R" for number in range(len(contents)))
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: f"<< /Type /Pages /Kids [{kids}] /Count {len(contents)} >>".encode(),
        3: FONT,
        4: BOLD,
        **_CHINESE_FONT,
    }
    for number, content in enumerate(contents):
        page = first + 2 * number
        objects[page] = (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {page + 1} 0 R "
            "/Resources << /Font << /F1 3 0 R /F2 4 0 R /F3 5 0 R >> >> >>"
        ).encode()
        objects[page + 1] = stream_of(zlib.compress(content), "/Filter /FlateDecode")
    return assembled(objects)


def _latin(text: str) -> bytes:
    return b"(" + text.encode("cp1252") + b") Tj"


def _unicode(text: str) -> bytes:
    return b"<" + text.encode("utf-16-be").hex().encode() + b"> Tj"


def _unicode_map() -> bytes:
    """Each code is the character itself, row by row: no range may go beyond 256."""
    rows = [0x00, 0x30, *range(0x4E, 0xA0), 0xFF]
    ranges = "\n".join(f"<{row:02x}00> <{row:02x}ff> <{row:02x}00>" for row in rows)
    return (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /Own def /CMapType 2 def\n"
        f"1 begincodespacerange <0000> <ffff> endcodespacerange\n{len(rows)} beginbfrange\n{ranges}\nendbfrange\n"
        "endcmap end end"
    ).encode()


# Not embedded, as in many files of that size.
_CHINESE_FONT = {
    5: b"<< /Type /Font /Subtype /Type0 /BaseFont /SimSun /Encoding /Identity-H /DescendantFonts [6 0 R] "
    b"/ToUnicode 7 0 R >>",
    6: b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /SimSun /DW 1000 /FontDescriptor 8 0 R "
    b"/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> >>",
    7: stream_of(_unicode_map()),
    8: b"<< /Type /FontDescriptor /FontName /SimSun /Flags 4 /FontBBox [0 -200 1000 900] /ItalicAngle 0 "
    b"/Ascent 880 /Descent -120 /CapHeight 700 /StemV 80 >>",
}
_ENGLISH = _Tongue(
    prose=English,
    name="volume-{}.pdf",
    heading="{page}. The works of {name}",
    seal="seal {}",
    sealed="The {} is kept here.",
    characters=680,
    lines=lambda text: textwrap.wrap(text, 92),
    shown=_latin,
    fonts=(b"F2", b"F1"),
)
_CHINESE = _Tongue(
    prose=Chinese,
    name="卷-{}.pdf",
    heading="第{page}章 {name}工程",
    seal="印章{}",
    sealed="{}存放在这里。",
    characters=290,
    lines=lambda text: [text[at : at + 46] for at in range(0, len(text), 46)],
    shown=_unicode,
    fonts=(b"F3", b"F3"),
)
