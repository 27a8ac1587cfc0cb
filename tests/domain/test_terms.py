"""What a text is found by: words, characters, where they stand, and what no text can do to it."""

import unicodedata
from random import Random
from time import perf_counter

import pytest

from app.domain.terms import distinct, query, tokens

FOUND = {
    "case": ("Python PYTHON python", ["python", "python", "python"]),
    "English endings": ("running runs generously", ["run", "run", "generous"]),
    "contractions": ("don't It’s they've", ["dont", "it", "theyv"]),
    "quotes and names": ("'hello' O'Brien l'été", ["hello", "o", "brien", "l", "ete"]),
    "numbers and codes": ("3.14 2026 GPT-4o A12B running2", ["3", "14", "2026", "gpt", "4o", "a12b", "running2"]),
    "names of languages": ("C c++ C# F# C++17 #c", ["c", "c++", "c#", "f#", "c++", "17", "c"]),
    "compounds": ("foo.bar_baz-qux/a@b", ["foo", "bar", "baz", "qux", "a", "b"]),
    "accents": ("Café cafe\u0301 NAÏVE Straße Łódź Ærø", ["cafe", "cafe", "naiv", "strass", "lodz", "aero"]),
    "İstanbul": ("İstanbul ISTANBUL", ["istanbul", "istanbul"]),
    "full width": ("ＡＢＣ１２ ﬁne Ⅳ", ["abc12", "fine", "iv"]),
    "Chinese": ("北京天", ["北", "京", "天", "北京", "京天"]),
    "Chinese beside Latin": ("GPT4模型", ["gpt4", "模", "型", "模型"]),
    "beyond the basic plane": ("𠀀𠀁", ["𠀀", "𠀁", "𠀀𠀁"]),
    "Chinese apart": ("你，好", ["你", "好"]),
    "compatible ideographs": ("\u2f00\uf900", ["一", "豈", "一豈"]),
    "kana": ("が か\u3099 ｶﾞ", ["が", "が", "ガ"]),
    "Hangul": ("한국 \u1112\u1161\u11ab", ["한", "국", "한국", "한"]),
    "Thai": ("ไทย", ["ไ", "ท", "ย", "ไท", "ทย"]),
    "Thai marks": ("ที่นี่", ["ที่", "นี่", "ที่นี่"]),
    "Hindi": ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
    "Arabic points": ("العَرَبِيَّة العربية", ["العربية", "العربية"]),
    "Cyrillic": ("Йод ПРИВЕТ", ["йод", "привет"]),
    "emoji": ("👍🏽 👍 👩‍👩‍👧 ❤️", ["👍", "👍", "👩", "👩", "👧", "❤"]),
    "what cannot be seen": ("soft\u00adhyphen zero\u200bwidth", ["softhyphen", "zerowidth"]),
    "nothing": (" .,;:!?-—_()[]{}«»“”…。，！？、 \u0301 \ufe0f \u200d", []),
}


@pytest.mark.parametrize("what", FOUND)
def test_a_text_is_found_by(what: str) -> None:
    text, terms = FOUND[what]
    assert [term for term, _, _ in tokens(text)] == terms


def test_terms_stand_where_the_text_has_them() -> None:
    text = "Ｃafé 👍🏽 don't か\u3099く ﬁ北京"
    assert [text[start:end] for _, start, end in tokens(text)] == [
        *("Ｃafé", "👍🏽", "don't", "か\u3099", "く", "か\u3099く", "ﬁ", "北", "京", "北京")
    ]


def test_a_search_is_made_of_words_whose_terms_must_be_together() -> None:
    assert query(" Running  foo.bar 北京天安 京 GPT模型 ") == [
        frozenset({"run"}),
        frozenset({"foo", "bar"}),
        frozenset({"北京", "京天", "天安"}),
        frozenset({"京"}),
        frozenset({"gpt", "模型"}),
    ]


def test_a_word_that_is_asked_for_twice_is_one() -> None:
    assert query("run Running RUNS ,") == [frozenset({"run"})]


def test_what_a_search_asks_for_is_in_the_text_that_it_was_cut_from() -> None:
    for text in _texts(300):
        known = {term for term, _, _ in tokens(text)}
        for word in text.split():
            assert set().union(*query(word)) <= known, (text, word)


def test_no_text_fails_and_all_places_are_exact() -> None:
    for text in _texts(1000):
        before = 0
        for term, start, end in tokens(text):
            assert term
            assert 0 <= start < end <= len(text)
            assert start >= before - 40, "in order but for the pairs of one run"
            before = start
            assert query(text[start:end]), (text, term)


def test_without_their_places_the_terms_are_the_same() -> None:
    for text in _texts(1000):
        assert distinct(text) == {term for term, _, _ in tokens(text)}, text


def test_one_text_has_the_terms_of_another_that_only_looks_the_same() -> None:
    for text in ("Café 北京 が ﬁne Straße 한국", "Ｈｅｌｌｏ ＷＯＲＬＤ １２"):
        expected = [term for term, _, _ in tokens(text)]
        for form in ("NFC", "NFD", "NFKC", "NFKD"):
            assert [term for term, _, _ in tokens(unicodedata.normalize(form, text))] == expected, form


LONG = {
    "marks": "\u0301",
    "marks on a letter": "a" + "\u0301\u0316" * 50,
    "a character with marks": "字\u3099\u0301",
    "one word": "a",
    "apostrophes": "a's",
    "Chinese": "我们今天去北京看升旗",
    "English": "The quick brown foxes were jumping over it. ",
    "Hangul parts": "\u1112\u1161",
    "joiners": "\u200d",
    "emoji": "👍🏽",
    "pluses": "c+",
    "sharp": "ß",
    "ligatures": "\ufdfa",
    "underscores": "_",
}


@pytest.mark.parametrize("what", LONG)
def test_a_text_takes_a_time_that_grows_with_its_length_alone(what: str) -> None:
    text = (LONG[what] * 200_000)[:200_000]
    began = perf_counter()
    for _ in tokens(text):
        pass
    assert perf_counter() - began < 10, "0.6 s at most; a square of it would be minutes"


def _texts(count: int) -> list[str]:
    random = Random(5)  # noqa: S311  # the same each time
    # Of each kind some, so that all meet all.
    kinds = (
        range(0x20, 0x7F),
        range(0xA0, 0x250),
        range(0x300, 0x370),
        range(0x370, 0x1200),
        range(0x1700, 0x2100),
        range(0x2190, 0x3100),
        range(0x3040, 0x3200),
        range(0x4E00, 0x4E40),
        range(0xAC00, 0xAC40),
        range(0xF900, 0x10000),
        range(0x10000, 0x20100),
        range(0x1F300, 0x1F700),
        [0x27, 0x2019, 0x200D, 0x200C, 0xAD, 0xFE0F, 0x1F3FB, 0x20, 0x20, 0x0A, 0x2B, 0x23, 0x5F, 0x40, 0xFF9E],
    )
    return [
        "".join(chr(random.choice(random.choice(kinds))) for _ in range(random.randint(1, 30))) for _ in range(count)
    ]
