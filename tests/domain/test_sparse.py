"""Which terms a passage and a question have, and what each weighs."""

import pytest

from app.domain.sparse import passage_vector, query_vector, term_id
from app.domain.vectors import SparseVector


def weights(vector: SparseVector) -> dict[int, float]:
    assert len(set(vector.indices)) == len(vector.indices) == len(vector.values)
    assert all(0 <= index < 2**32 for index in vector.indices)
    return dict(zip(vector.indices, vector.values, strict=True))


def terms(*expected: str) -> set[int]:
    return {term_id(term) for term in expected}


ASKED = {
    "function words": ("What is the capital of France?", ["capit", "franc", "capit franc"]),
    "contractions": ("Who's there, and doesn't it run?", ["run"]),
    "numbers and codes": ("ISO-9001, 3.14", ["iso", "9001", "3", "14", "iso 9001", "9001 3", "3 14"]),
    "other alphabets": ("Где Москва", ["где", "москва", "где москва"]),
    "Chinese": ("北京的天", ["北", "京", "天", "北京", "京的", "的天"]),
    "question words of Chinese": ("什么是北京吗？", ["北", "京", "北京", "是北"]),
    "a name like a question": ("哪吒 吗啡", ["哪", "吒", "哪吒", "啡", "吗啡"]),
    "two languages": ("GPT 模型 prompt", ["gpt", "模", "型", "模型", "prompt", "gpt prompt"]),
    "words far apart": ("left — — — — — — — — — — — — right", ["left", "right"]),
    "function words alone": ("What is it? 是的吗", ["是的"]),
    "nothing": ("?! \0", []),
}


@pytest.mark.parametrize("what", ASKED)
def test_a_question_asks_for(what: str) -> None:
    question, expected = ASKED[what]
    assert set(weights(query_vector(question))) == terms(*expected)


def test_a_pair_counts_half_in_a_question_and_wholly_in_a_passage() -> None:
    asked, held = weights(query_vector("north korea")), weights(passage_vector("north korea"))
    assert [asked[term_id(term)] for term in ("north", "korea", "north korea")] == [1, 1, 0.5]
    assert len({held[term_id(term)] for term in ("north", "korea", "north korea")}) == 1


def test_a_passage_is_found_by_what_it_stands_under() -> None:
    held = weights(passage_vector("a stone", ["Old walls"], "Harbour", "Year | Height"))
    assert terms("stone", "old", "wall", "harbour", "year", "height") <= set(held)
    assert held[term_id("stone")] == held[term_id("harbour")]


def test_title_and_headings_say_a_term_once_and_make_no_passage_longer() -> None:
    once = weights(passage_vector("stone", ["Walls"]))
    often = weights(passage_vector("stone", ["Walls", "Walls walls"], "Walls"))
    assert once[term_id("wall")] == often[term_id("wall")]
    assert once[term_id("stone")] == often[term_id("stone")]


def test_a_weight_grows_with_the_count_to_a_bound_and_falls_with_the_length() -> None:
    few, many = (weights(passage_vector("stone " * times))[term_id("stone")] for times in (2, 50))
    assert few < many < 2.2
    alone, among = (weights(passage_vector("stone" + " other" * more))[term_id("stone")] for more in (0, 100))
    assert alone > among


def test_a_number_of_a_term_never_changes() -> None:
    assert [term_id(term) for term in ("stone", "北京", "north korea")] == [421528874, 3429596817, 4171166649]


def test_a_question_of_a_book_asks_for_its_beginning() -> None:
    asked = query_vector(" ".join(f"word{number}" for number in range(100_000)))
    assert len(asked.indices) <= 256
    assert term_id("word0") in asked.indices


def test_lone_surrogates_and_nul_are_terms_like_others() -> None:
    assert query_vector("a\ud800b \0 \udfff").values
    assert passage_vector("\ud83d", ["\udc00"], "\0").indices is not None
