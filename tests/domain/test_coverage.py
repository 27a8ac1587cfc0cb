"""When a question is thought to be answered by what was found."""

from collections.abc import Sequence
from math import log

import pytest

from app.domain.coverage import ENOUGH, Evidence, confidence
from app.domain.sparse import passage_vector, query_vector
from app.domain.vectors import SparseVector

HARBOUR = "The harbour of Aldmoor was built of granite in 1834 by the engineer Mary Keel."
OTHERS = ["Tomatoes need warmth and water.", "A fugue has several voices.", "The parliament has two houses."]
HAFEN = "阿尔德港由工程师玛丽于1834年用花岗岩建成。"


def asked(question: str, *texts: str) -> float:
    """The confidence of a collection that holds these passages, scored as the index scores them."""
    terms, passages = query_vector(question), [passage_vector(text) for text in texts]
    evidence = [Evidence(passage, _score(terms, passage, passages)) for passage in passages]
    return confidence(terms, evidence, len(passages))


def _score(terms: SparseVector, passage: SparseVector, passages: Sequence[SparseVector]) -> float:
    weights = dict(zip(passage.indices, passage.values, strict=True))
    held = {term: sum(term in each.indices for each in passages) for term in terms.indices}
    return sum(
        value * weights.get(term, 0) * log(1 + (len(passages) - held[term] + 0.5) / (held[term] + 0.5))
        for term, value in zip(terms.indices, terms.values, strict=True)
    )


@pytest.mark.parametrize(
    "question", ["When was the harbour of Aldmoor built?", "Who built the harbour?", "Granite harbour"]
)
def test_what_a_passage_says_is_answerable(question: str) -> None:
    assert asked(question, HARBOUR, *OTHERS) > ENOUGH


@pytest.mark.parametrize(
    "question", ["What does a passport cost in Peru?", "Who discovered penicillin?", "法国的首都是哪里？"]
)
def test_what_no_passage_speaks_of_is_not(question: str) -> None:
    assert asked(question, HARBOUR, HAFEN, *OTHERS) < ENOUGH


def test_chinese_is_told_apart_too() -> None:
    assert asked("阿尔德港是什么时候建成的？", HAFEN, "法国的首都是巴黎。") > ENOUGH
    assert asked("青霉素是谁发现的？", HAFEN, "法国的首都是巴黎。") < ENOUGH


def test_the_more_a_passage_says_of_it_the_surer() -> None:
    question = "harbour Aldmoor granite engineer 1834"
    sure = [
        asked(question, text, *OTHERS) for text in ("harbour", "harbour Aldmoor", "harbour Aldmoor granite", HARBOUR)
    ]
    assert sure == sorted(sure)
    assert len(set(sure)) == 4


@pytest.mark.parametrize("question", ["", "What is it?", "?!", "\0\ud800"])
def test_a_question_of_nothing_is_never_answerable(question: str) -> None:
    assert asked(question, HARBOUR) == 0


def test_an_empty_index_answers_nothing() -> None:
    assert asked("Who built the harbour?") == 0
    assert confidence(query_vector("harbour"), [Evidence(passage_vector("stone"), 0)], 0) == 0


def test_any_score_gives_a_share() -> None:
    question, passage = query_vector("harbour of Aldmoor"), passage_vector(HARBOUR)
    assert all(0 <= confidence(question, [Evidence(passage, score)], 1) <= 1 for score in (0, 1, 1e9))
