"""A PDF of many pages, half of them in English and half in Chinese: what is asked about stands on one page alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.parsing.pdfs import lines, pdf, stream_of


@dataclass(frozen=True, slots=True)
class Fact:
    """`key` is what answers the question, without spaces."""

    page: int
    question: str
    key: str


FACTS = (
    Fact(37, "How many steps lead to the lamp of the Skerryvore lighthouse?", "onehundredandfifty-onesteps"),
    Fact(141, "Who taught the deaf cellist Orlanda Pereira to tune her instrument?", "clockmakerHuldreichBosshard"),
    Fact(58, "临江水库的总库容是多少？", "三亿二千万立方米"),
    Fact(150, "青铜编钟是谁在哪一年发现的？", "农民周顺于一九七六年"),
)
_SAID = {
    37: (
        "The Skerryvore lighthouse was lit for the first time in the winter of 1844,",
        "and one hundred and fifty-one steps lead from its door to its lamp. The keeper",
        "writes down the weather four times a day.",
    ),
    141: (
        "Orlanda Pereira, a deaf cellist, was taught to tune her instrument by the",
        "clockmaker Huldreich Bosshard. He had her feel the strings with her teeth.",
    ),
    58: (
        "临江水库建于群山之间，大坝高八十五米。临江水库的总库容为三亿二",
        "千万立方米，由临江水利局管理。每年汛期之前放水一次。",
    ),
    150: (
        "这套青铜编钟共六十四件，由农民周顺于一九七六年在挖井的时候发现，",
        "现藏于省博物馆。每件编钟都能发出两个音。",
    ),
}


def book(pages: int = 160) -> bytes:
    """Odd pages are in English and even ones in Chinese, whatever `_SAID` has on them too."""
    written: set[str] = set()
    contents = [_in_english(number) if number % 2 else _in_chinese(number, written) for number in range(1, pages + 1)]
    return pdf(*contents, objects={**_CHINESE_FONT, 903: stream_of(_to_unicode(sorted(written)))})


def bare(text: str) -> str:
    """Without any space: each reader of a PDF puts them where it likes."""
    return "".join(text.split())


def _in_english(number: int) -> bytes:
    ferry = (
        f"The ferry of line {number} leaves at noon with {number * 7} passengers and {number * 3} crates of salt,",
        f"and comes back from the islands with wool. Its captain has sailed for {number % 40 + 2} years.",
    )
    return (
        lines(f"Chapter {number}", size=20, y=740)
        + lines(*ferry, y=690)
        + (lines(*_SAID[number], y=620) if number in _SAID else b"")
        + lines("At night the harbour is closed with a chain, and nobody comes in or goes out.", y=550)
        + lines(str(number), size=9, x=290, y=30)
    )


def _in_chinese(number: int, written: set[str]) -> bytes:
    """Its characters are added to those that are `written`."""
    village = (
        f"第{number}号村庄有{number * 7}户人家，以种植水稻和茶叶为生，每年秋天在山",
        f"脚下举行集市。村口的老树据说已有{number * 3}年的历史。",
    )
    post = "冬天大雪封山，邮差要走三天才能把信送到镇上。"
    parts = ((740, (f"第{number}章",)), (690, village), (620, _SAID.get(number, ())), (550, (post,)))
    written.update("".join(text for _, said in parts for text in said))
    shown = b"".join(_shown(said, size=20 if y == 740 else 12, y=y) for y, said in parts if said)
    return shown + lines(str(number), size=9, x=290, y=30)


def _shown(said: Sequence[str], *, size: int, y: int) -> bytes:
    """Lines in the Chinese font, whose glyphs have the numbers of their characters."""
    written = b" T* ".join(b"<" + text.encode("utf-16-be").hex().encode() + b"> Tj" for text in said)
    return f"BT /F2 {size} Tf {size * 1.2} TL 50 {y} Td ".encode() + written + b" ET "


def _to_unicode(characters: Sequence[str]) -> bytes:
    """Which character each glyph is, a hundred in a table, as many as there may be."""
    told = [f"<{ord(each):04x}> <{ord(each):04x}>" for each in characters]
    tables = (told[at : at + 100] for at in range(0, len(told), 100))
    return (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /Song-U def /CMapType 2 def\n"
        "1 begincodespacerange <0000> <ffff> endcodespacerange\n"
        + "".join(f"{len(some)} beginbfchar\n" + "\n".join(some) + "\nendbfchar\n" for some in tables)
        + "endcmap CMapName currentdict /CMap defineresource pop end end"
    ).encode()


_CHINESE_FONT = {
    4: b"<< /Type /Font /Subtype /Type0 /BaseFont /Song /Encoding /Identity-H /DescendantFonts [901 0 R] "
    b"/ToUnicode 903 0 R >>",
    901: b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Song /CIDToGIDMap /Identity /DW 1000 "
    b"/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> /FontDescriptor 902 0 R >>",
    902: b"<< /Type /FontDescriptor /FontName /Song /Flags 4 /FontBBox [0 -200 1000 900] /ItalicAngle 0 "
    b"/Ascent 900 /Descent -200 /CapHeight 700 /StemV 80 >>",
}
"""In place of the bold one: not in the file, but it tells which characters its glyphs are."""
