"""How often the passage that answers is among the first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.eval.library import Answer, Hit, Library
from tests.eval.sets import Question

DEPTHS = (1, 5, 10)


@dataclass(frozen=True, slots=True)
class Recall:
    """Shares of the questions; `characters` are those of the first five passages, which a prompt would hold."""

    at: Sequence[float]
    reciprocal_rank: float
    characters: float
    confidences: Sequence[float]
    """Of each question, that it can be answered."""
    seconds: float
    """Of the processor, for each question."""


async def measure(library: Library, questions: Sequence[Question], clock: Callable[[], float]) -> Recall:
    began = clock()
    answers = [await library.find(question.text) for question in questions]
    seconds = (clock() - began) / len(questions)
    ranks = [_rank(question, answer.hits) for question, answer in zip(questions, answers, strict=True)]
    return Recall(
        at=[_mean([rank is not None and rank <= depth for rank in ranks]) for depth in DEPTHS],
        reciprocal_rank=_mean([1 / rank if rank is not None and rank <= DEPTHS[-1] else 0.0 for rank in ranks]),
        characters=_mean([_characters(answer) for answer in answers]),
        confidences=[answer.confidence for answer in answers],
        seconds=seconds,
    )


def _rank(question: Question, hits: Sequence[Hit]) -> int | None:
    return next((rank for rank, hit in enumerate(hits, 1) if question.is_answered_by(hit)), None)


def _characters(answer: Answer) -> int:
    return sum(len(hit.passage.text) + len(hit.passage.header) for hit in answer.hits[:5])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
