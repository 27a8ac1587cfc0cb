"""How pages are cut into passages, and that nothing of them is lost whatever they hold."""

import re
from collections.abc import Sequence
from itertools import pairwise
from random import Random
from time import process_time

import pytest

from app.domain.cutting import ROOM
from app.domain.packing import pack
from app.domain.passages import Block, BlockKind, Page, Passage
from app.domain.scripts import width

HEADING, PARAGRAPH, LIST, TABLE, CODE = BlockKind
SENTENCE = "The harbour of the old town was built of stone in that year, and it has stood there ever since. "
SATZ = "这座古城的港口是在那一年用石头建成的，从那以后它就一直在那里。"


def page(*blocks: tuple[BlockKind, str] | tuple[BlockKind, str, int], number: int = 1) -> Page:
    """Blocks with an empty line between; the third is a heading's level, or the end of a table's header row."""
    text, found = "", []
    for kind, content, *rest in blocks:
        start = len(text) + 2 if text else 0
        text = f"{text}\n\n{content}" if text else content
        level = rest[0] if rest and kind is HEADING else 0
        header_end = start + rest[0] if rest and kind is TABLE else None
        found.append(Block(kind, start, len(text), level, header_end))
    return Page(number, text, found)


def texts(*pages: Page, title: str = "") -> Sequence[str]:
    return [passage.text for passage in packed(*pages, title=title)]


def packed(*pages: Page, title: str = "") -> Sequence[Passage]:
    """Of every packing the tests look at what always holds."""
    passages = list(pack(pages, title))
    assert [passage.number for passage in passages] == list(range(1, len(passages) + 1))
    for each in pages:
        own = [passage for passage in passages if passage.page == each.number]
        covered = bytearray(len(each.text))
        for passage in own:
            assert passage.text == each.text[passage.start : passage.end]
            assert passage.text == passage.text.strip() != ""
            assert width(passage.text) <= ROOM
            covered[passage.start : passage.end] = b"\1" * len(passage.text)
        assert not [at for at, character in enumerate(each.text) if not covered[at] and not character.isspace()]
        assert all(before.start < after.start and before.end < after.end for before, after in pairwise(own))
    return passages


def test_whole_blocks_fill_a_passage() -> None:
    short = SENTENCE.strip() * 3
    assert texts(page(*[(PARAGRAPH, short)] * 5)) == ["\n\n".join([short] * 2)] * 2 + [short]


def test_a_passage_of_chinese_holds_two_fifths_of_the_characters() -> None:
    english, chinese = texts(page((PARAGRAPH, SENTENCE * 30))), texts(page((PARAGRAPH, SATZ * 30)))
    assert 600 < len(english[0]) <= ROOM
    assert 240 < len(chinese[0]) <= ROOM / 2.5


def test_no_passage_goes_on_over_the_end_of_a_page() -> None:
    found = packed(
        page((PARAGRAPH, "one")), page((PARAGRAPH, "two"), number=2), page(number=3), page((LIST, "- a"), number=9)
    )
    assert [(each.page, each.text) for each in found] == [(1, "one"), (2, "two"), (9, "- a")]


def test_a_chapter_begins_a_passage_and_a_smaller_heading_does_not() -> None:
    one = page(
        (HEADING, "A", 1), (PARAGRAPH, "a"), (HEADING, "B", 3), (PARAGRAPH, "b"), (HEADING, "C", 2), (PARAGRAPH, "c")
    )
    assert texts(one) == ["A\n\na\n\nB\n\nb", "C\n\nc"]


def test_a_chapter_behind_an_empty_part_begins_a_passage_too() -> None:
    one = page((PARAGRAPH, "a"), (HEADING, "B", 3), (HEADING, "C", 1), (HEADING, "D", 2), (PARAGRAPH, "d"))
    assert texts(one) == ["a\n\nB", "C\n\nD\n\nd"]


def test_headings_go_with_what_they_stand_over() -> None:
    one = page(
        (HEADING, "A", 1),
        (HEADING, "B", 2),
        (PARAGRAPH, SENTENCE * 6),
        (HEADING, "C", 3),
        (HEADING, "D", 4),
        (PARAGRAPH, SENTENCE * 6),
    )
    assert [text.split("The")[0].split() for text in texts(one)] == [["A", "B"], ["C", "D"]]


def test_a_passage_knows_what_it_stands_under_over_pages() -> None:
    found = packed(
        page((HEADING, "Guide", 1), (HEADING, "Part\none", 2), (PARAGRAPH, "a"), (HEADING, "Details", 3)),
        page((PARAGRAPH, "b"), (HEADING, "Part two", 2), (PARAGRAPH, "c"), number=2),
        page((PARAGRAPH, "d"), number=3),
        page((HEADING, "Other", 1), (PARAGRAPH, "e"), number=4),
    )
    assert [(each.text.split()[-1], list(each.headings)) for each in found] == [
        ("Details", []),
        ("b", ["Guide", "Part one", "Details"]),
        ("c", ["Guide"]),
        ("d", ["Guide", "Part two"]),
        ("e", []),
    ]


def test_a_heading_that_is_the_title_is_not_said_twice() -> None:
    found = packed(
        page((HEADING, "The  GUIDE", 1), (HEADING, "One", 2)), page((PARAGRAPH, "a"), number=2), title="the guide"
    )
    assert [list(each.headings) for each in found] == [[], ["One"]]


@pytest.mark.parametrize(("sentence", "times"), [(SENTENCE, 40), (SATZ, 40), (SENTENCE.replace(".", "?"), 20)])
def test_a_long_paragraph_is_cut_at_sentences_and_each_meeting_one_is_said_twice(sentence: str, times: int) -> None:
    numbered = "".join(f"{number} {sentence}" for number in range(times))
    found = packed(page((PARAGRAPH, numbered)))
    for before, after in pairwise(found):
        again = numbered[after.start : before.end]
        assert re.fullmatch(rf"\d+ {re.escape(sentence.strip())}", again)


def test_a_long_sentence_is_not_said_twice() -> None:
    long = f"It was {'very ' * 60}old. "
    assert all(before.end <= after.start for before, after in pairwise(packed(page((PARAGRAPH, long * 9)))))


def test_a_sentence_without_end_is_cut_at_clauses_and_then_between_words() -> None:
    assert all(text.endswith((",", "end")) for text in texts(page((PARAGRAPH, "some words of it, " * 200 + "end"))))
    words = [word for text in texts(page((PARAGRAPH, "word " * 2000))) for word in text.split()]
    assert set(words) == {"word"}


def test_the_rows_of_a_long_table_are_whole_and_know_their_header() -> None:
    header, rows = (
        "City | Year | Stones\n",
        [f"Town {number} | {1800 + number} | {number * 7}" for number in range(120)],
    )
    found = packed(page((PARAGRAPH, "Before."), (TABLE, header + "\n".join(rows), len(header)), (PARAGRAPH, "Behind.")))
    assert len(found) > 2
    assert [each.header for each in found] == ["", *[header.strip()] * (len(found) - 1)]
    assert "\n".join(each.text for each in found).split("\n")[2:-2] == [header.strip(), *rows]
    assert all(width(each.text) + width(each.header) <= ROOM for each in found)


@pytest.mark.parametrize("header_end", [-5, 0, 8])
def test_a_header_that_ends_before_its_table_is_none(header_end: int) -> None:
    rows = "\n".join(f"Town {number} | {number * 7}" for number in range(120))
    table = Block(TABLE, 9, 9 + len(rows), header_end=header_end)
    assert {each.header for each in packed(Page(1, f"A title.\n{rows}", [table]))} == {""}


def test_a_short_table_stays_with_the_text_around_it() -> None:
    assert len(packed(page((PARAGRAPH, "Before."), (TABLE, "a | b\n1 | 2", 5), (PARAGRAPH, "Behind.")))) == 1


def test_code_is_cut_at_empty_lines() -> None:
    function = "def f(a):\n" + "    a += 1\n" * 30 + "    return a\n"
    assert {text.split("\n")[0] for text in texts(page((CODE, "\n".join([function] * 6))))} == {"def f(a):"}


def test_a_long_list_is_cut_between_items() -> None:
    assert all(
        text.startswith("- ") for text in texts(page((LIST, "\n".join(f"- {SENTENCE.strip()}" for _ in range(40)))))
    )


def test_text_in_no_block_is_paragraphs() -> None:
    assert texts(Page(1, f"{SENTENCE * 6}\n \n{SENTENCE * 6}")) == [(SENTENCE * 6).strip()] * 2
    assert texts(Page(1, "loose [block] loose", [Block(PARAGRAPH, 6, 13)])) == ["loose [block] loose"]


def test_what_has_no_text_has_no_passages() -> None:
    assert packed(Page(1, ""), Page(2, " \n\t\u3000 ", [Block(CODE, 0, 5)]), Page(3, "", flaw="scanned")) == []


def test_marks_stay_with_their_letter_where_nothing_else_parts() -> None:
    assert not [text for text in texts(Page(1, "e\u0301" * 3000)) if text.startswith("\u0301")]


HOSTILE = {
    "one line": "x" * 200_000,
    "one line of Chinese": "汉" * 80_000,
    "full stops": "." * 200_000,
    "quotes behind a full stop": "." + '"' * 200_000 + "x",
    "full stops and quotes": '."' * 100_000,
    "white space": "a" + " " * 200_000 + "b",
    "lines of spaces": "a" + "\n \t" * 60_000 + "b",
    "single letters": "a\n" * 80_000,
    "marks": "e" + "\u0301" * 80_000,
    "commas": ", " * 80_000,
    "NUL and lone surrogates": "\0\ud800 " * 60_000,
}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("kind", BlockKind)
def test_a_hostile_page_costs_what_it_is_long(what: str, kind: BlockKind) -> None:
    text = HOSTILE[what][: 200_000 if kind is PARAGRAPH else 30_000]
    began = process_time()
    packed(Page(1, text, [Block(kind, 0, len(text), level=1, header_end=len(text) // 2)]))
    assert process_time() - began < 30


def test_thousands_of_headings_cost_what_they_are_long() -> None:
    text = "ab\n" * 30_000
    began = process_time()
    found = packed(Page(1, text, [Block(HEADING, at * 3, at * 3 + 2, level=at + 1) for at in range(30_000)]))
    assert all(len(each.headings) < 6 for each in found)
    assert process_time() - began < 30


def test_whatever_blocks_claim_all_text_is_in_a_passage_once_more_at_most() -> None:
    random = Random(7)  # noqa: S311
    for _ in range(100):
        text = "".join(
            random.choices("ab.。 \n汉!,\u0301", weights=[9, 9, 1, 1, 5, 1, 5, 1, 1, 1], k=random.randrange(4000))
        )
        blocks = [_block(random, len(text)) for _ in range(random.randrange(8))]
        assert sum(len(each.text) for each in packed(Page(1, text, blocks))) <= 2 * len(text)


def _block(random: Random, length: int) -> Block:
    start, end, header_end = (random.randrange(-9, length + 10) for _ in range(3))
    return Block(random.choice(list(BlockKind)), start, end, random.randrange(-1, 9), random.choice([None, header_end]))
