"""What is shown of a text that was found, whatever the text and wherever it is cut."""

import unicodedata
from random import Random

import pytest

from app.domain.snippets import asked_for, marked, snippet
from app.domain.terms import tokens


def test_of_several_places_the_one_with_most_words_is_shown() -> None:
    text = "plum " + "x " * 300 + "plum " + "y " * 40 + "peach and plum" + " z" * 300 + " peach"
    shown = "".join(f"[{each.text}]" if each.hit else each.text for each in snippet(text, asked_for("plum peach")))
    assert "[peach] and [plum]" in shown


def test_a_text_that_holds_nothing_shows_how_it_begins() -> None:
    (only, cut) = snippet("A long story. " * 100, asked_for("xyz"))[0], snippet("A long story. " * 100, ())[-1]
    assert only.text.startswith("A long story. A long")
    assert cut.text.endswith("…")
    assert snippet("", asked_for("xyz")) == []


def test_a_piece_of_a_longer_text_says_so() -> None:
    words = asked_for("plum")
    assert [each.text for each in snippet("plum", words, begins=False, ends=False)] == ["…", "plum", "…"]
    assert [each.text for each in snippet("plum", words)] == ["plum"]


def test_a_word_longer_than_a_snippet_is_cut() -> None:
    (hit, cut) = snippet("x" * 5000, asked_for("x" * 100))
    assert (len(hit.text), hit.hit, cut.text) == (160, True, "…")


def test_no_text_fails_nothing_is_lost_and_no_character_is_parted() -> None:
    for text, q in _pairs(400):
        words = asked_for(q)
        whole = marked(text, words)
        assert "".join(each.text for each in whole) == _one_line(text)
        shown = snippet(text, words)
        joined = "".join(each.text for each in shown).removeprefix("…").removesuffix("…")
        assert joined.strip() in _one_line(text)
        assert len(joined) <= 160 + 20
        assert len(joined.splitlines()) <= 1
        known = set().union(*words)
        for each in shown:
            if each.hit:
                assert known & {term for term, _, _ in tokens(each.text)}, (text, q, each)
        assert not joined or not unicodedata.category(joined[0]).startswith("M") or text.startswith(joined[0])


@pytest.mark.parametrize("before", ["", "x", "xx"])
@pytest.mark.parametrize(
    "character",
    ["🇨🇳", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "\u1112\u1161\u11ab", "👩‍👩‍👧", "1️⃣"],
    ids=["flag", "tags", "jamo", "family", "keycap"],
)
def test_what_is_one_character_to_a_reader_is_not_cut(character: str, before: str) -> None:
    text = f"{before}{character * 200} plum {character * 200}"
    shown = "".join(each.text for each in snippet(text, asked_for("plum"))).strip("…")
    assert [part.replace(character, "") for part in shown.split("plum")] == [" ", " "]


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _pairs(count: int) -> list[tuple[str, str]]:
    random = Random(11)  # noqa: S311  # the same each time
    words = [
        "plum",
        "Pflaume",
        "李子",
        "北京天安门",
        "café",
        "cafe\u0301",
        "👍🏽",
        "👩‍👩‍👧",
        "हिन्दी",
        "か\u3099き",
        "ที่นี่",
        "\n",
        "a.b",
    ]
    return [
        (
            random.choice(["", " ", "\n\t"]).join(random.choices(words, k=random.randint(1, 120))),
            " ".join(random.choices(words, k=3)),
        )
        for _ in range(count)
    ]
