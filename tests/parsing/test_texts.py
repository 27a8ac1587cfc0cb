"""HTML, Markdown, plain text and CSV, in whatever encoding they come."""

from pathlib import Path

import pytest

from app.domain.passages import BlockKind
from app.parsing.errors import Empty, TooLarge, Unreadable
from app.parsing.limits import ReadingLimits
from tests.parsing.read import pages_of, texts

HTML = """<!DOCTYPE html><html><head><title>Of fruit</title><style>p {}</style></head><body>
<h1>Of fruit</h1><p>Apples are <b>red</b>, <i>sweet</i><br>and round.</p>
<script>steal()</script><div hidden>unseen</div><div style="display: none">unseen</div><!-- unseen -->
<h2>Prices</h2><ul><li>apples<ul><li>green</li></ul></li><li>pears</li></ul>
<table><tr><th>Fruit</th><th>Price</th></tr><tr><td>Apples</td><td>1.20</td></tr></table>
<pre>if ripe:
    eat()</pre>tail &amp; end &#x4e2d;</body></html>"""


async def test_html_is_what_a_reader_sees(tmp_path: Path) -> None:
    [page] = await pages_of(tmp_path, "", HTML.encode())
    assert texts(page) == [
        ("heading", "Of fruit"),
        ("paragraph", "Apples are red, sweet\nand round."),
        ("heading", "Prices"),
        ("list", "apples\ngreen\npears"),
        ("table", "Fruit | Price\nApples | 1.20"),
        ("code", "if ripe:\n    eat()"),
        ("paragraph", "tail & end 中"),
    ]
    assert [block.level for block in page.blocks if block.kind is BlockKind.HEADING] == [1, 2]
    assert page.blocks[4].header_end == page.text.index("\nApples | ")


MARKDOWN = """---
title: Fruit
---

# Of *fruit*

Apples are **red**
and sweet.

- apples
- pears

| Fruit | Price |
| --- | ---: |
| Apples | 1.20 |

```python
eat()

sleep()
```

Second heading
--------------

> quoted
"""


async def test_markdown_is_its_own_text_with_its_blocks(tmp_path: Path) -> None:
    [page] = await pages_of(tmp_path, "a.md", MARKDOWN.replace("\n", "\r\n").encode())
    assert page.text == MARKDOWN.rstrip()
    assert texts(page) == [
        ("paragraph", "---\ntitle: Fruit\n---"),
        ("heading", "# Of *fruit*"),
        ("paragraph", "Apples are **red**\nand sweet."),
        ("list", "- apples\n- pears"),
        ("table", "| Fruit | Price |\n| --- | ---: |\n| Apples | 1.20 |"),
        ("code", "```python\neat()\n\nsleep()\n```"),
        ("heading", "Second heading\n--------------"),
        ("paragraph", "> quoted"),
    ]
    table = page.blocks[4]
    assert page.text[table.start : table.header_end] == "| Fruit | Price |"


async def test_text_has_paragraphs_and_form_feeds_are_pages(tmp_path: Path) -> None:
    pages = await pages_of(tmp_path, "", b"one\ntwo\n\n \nthree\n\x0csecond page\r\n\r\nend")
    assert [texts(page) for page in pages] == [
        [("paragraph", "one\ntwo"), ("paragraph", "three")],
        [("paragraph", "second page"), ("paragraph", "end")],
    ]


SIMPLIFIED = "这是一个关于水果的文件，里面写着苹果和梨的价格。\n我们每天都要吃水果，因为水果对身体有好处。\n" * 3
TRADITIONAL = "這是一個關於水果的文件，裡面寫著蘋果和梨的價格。\n我們每天都要吃水果，因為水果對身體有好處。\n" * 3
JAPANESE = "これは果物についての文書です。りんごと梨の値段が書いてあります。\n" * 4
RUSSIAN = "Это документ о фруктах, в котором написаны цены на яблоки и груши.\n" * 4


@pytest.mark.parametrize(
    ("said", "encoding"),
    [
        (SIMPLIFIED, "utf-8"),
        (SIMPLIFIED, "utf-8-sig"),
        (SIMPLIFIED, "gb18030"),
        (SIMPLIFIED, "utf-16"),
        (TRADITIONAL, "big5"),
        (JAPANESE, "shift_jis"),
        (RUSSIAN, "cp1251"),
        ("Some words, a café and 100 \N{EURO SIGN}.\n" * 3, "cp1252"),
        ("Some words.\n" * 3, "utf-16-be"),
        ("\N{GRINNING FACE} 𠀋 words\n", "utf-32"),
    ],
)
async def test_text_is_read_in_its_encoding(tmp_path: Path, said: str, encoding: str) -> None:
    [page] = await pages_of(tmp_path, "a.txt", said.encode(encoding))
    assert page.text == said.rstrip()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
async def test_csv_is_a_table_whatever_parts_its_cells(tmp_path: Path, delimiter: str) -> None:
    rows = [["Fruit", "Price", "Note"], ["Apples", "1.20", f'"red{delimiter} ""sweet""\nround"'], ["Pears", "", ""]]
    [page] = await pages_of(tmp_path, "a.csv", "\n".join(map(delimiter.join, rows)).encode())
    inner = delimiter.strip()  # white space is one space
    assert page.text == f'Fruit | Price | Note\nApples | 1.20 | red{inner} "sweet" round\nPears'
    assert page.blocks[0].header_end == len("Fruit | Price | Note")


async def test_csv_without_names_has_no_header(tmp_path: Path) -> None:
    [page] = await pages_of(tmp_path, "a.csv", b"1,2\n3,4\n")
    assert page.blocks[0].header_end is None


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.csv", "a.html"])
@pytest.mark.parametrize("data", [b" \r\n\t\n", b"\xef\xbb\xbf", b"\xff\xfe"])
async def test_nothing_but_space_is_empty(tmp_path: Path, name: str, data: bytes) -> None:
    with pytest.raises(Empty):
        await pages_of(tmp_path, name, data)


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.csv", "a.html"])
async def test_more_text_than_is_read_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(TooLarge):
        await pages_of(tmp_path, name, b"word, word\n\n" * 1000, ReadingLimits(characters=5000, ocr=False))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.html", b"<span>" * 200_000 + b"deep"),
        ("a.html", b"<div>" * 20_000 + b"deep"),
        ("a.html", b"<table><tr><td>" * 30_000 + b"deep"),
        ("a.html", b"<a " + b"x=1 " * 200_000 + b">deep"),
        ("a.md", b"> " * 50_000 + b"deep"),
        ("a.md", b"[" * 50_000 + b"deep"),
        ("a.md", b"*a_ " * 20_000 + b"deep"),
        ("a.csv", b'"' + b"x" * 3_000_000),
        ("a.csv", b"," * 1_000_000 + b"deep"),
        ("a.txt", b"\n" * 2_000_000 + b"deep"),
        ("a.txt", b"\x0c" * 4_000 + b"deep"),
        ("a.txt", b"deep\x00\x01\xff\xfe" + bytes(range(128, 256)) * 4),
    ],
)
async def test_hostile_texts_are_read_or_refused(tmp_path: Path, name: str, data: bytes) -> None:
    try:
        pages = await pages_of(tmp_path, name, data)
    except Unreadable:
        return
    assert any(page.text for page in pages)
