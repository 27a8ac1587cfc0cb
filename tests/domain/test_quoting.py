"""Which sentences of a passage a reader is shown first."""

from app.domain import sparse
from app.domain.quoting import LONGEST, quote


def quoted(question: str, text: str) -> str:
    start, end = quote(sparse.query_vector(question), text)
    return text[start:end]


def test_the_sentence_that_speaks_of_the_question_is_quoted() -> None:
    text = "The pump is blue. The warranty of the pump lasts three years. Clean it with water."

    assert quoted("How long is the warranty?", text) == "The warranty of the pump lasts three years."


def test_two_sentences_are_quoted_where_each_has_a_part() -> None:
    text = "It is blue. The warranty begins on delivery. It lasts three years for pumps. Clean it with water."

    assert quoted("How many years is the warranty for pumps?", text) == (
        "The warranty begins on delivery. It lasts three years for pumps."
    )


def test_chinese_is_quoted_by_sentences_without_spaces() -> None:
    text = "本机为蓝色。保修期为三年，自交货之日起计算。请用清水清洗。"

    assert quoted("保修期有多长？", text) == "保修期为三年，自交货之日起计算。"


def test_a_passage_that_has_nothing_of_the_question_is_quoted_from_its_beginning() -> None:
    text = "It is blue. " * 60

    found = quoted("warranty", text)

    assert text.startswith(found)
    assert LONGEST - 12 <= len(found) <= LONGEST
    assert found.endswith(".")


def test_what_has_no_sentences_is_cut_all_the_same() -> None:
    for text in ("x" * 5000, "词" * 5000, "a | b\n" * 900, "e\u0301" * 3000, "😀" * 2000):
        assert 0 < len(quoted("anything", text)) <= LONGEST


def test_of_nothing_nothing_is_quoted() -> None:
    assert quoted("anything", "") == quoted("", " \n ") == ""


def test_a_row_of_a_long_table_is_quoted_alone() -> None:
    table = "\n".join(f"part {number} | {number} grams | shelf {number}" for number in range(100))

    assert "part 57 |" in quoted("what does part 57 weigh", table)
