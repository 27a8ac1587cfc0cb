"""How often a question that cannot be answered is refused: its whole article is gone, or only the answer is missing."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from app.domain import coverage
from tests.eval.library import Library
from tests.eval.sets import Question, Set

FALSE_REFUSALS = 0.05


@dataclass(frozen=True, slots=True)
class Refusal:
    """`area`: how often an answerable question is trusted more than another one. `refused` at so many false refusals
    that FALSE_REFUSALS allows, and at the product's own threshold, with the false ones there."""

    area: float
    refused: float
    refused_as_shipped: float
    false_as_shipped: float


async def without_its_article(library: Library, of: Set) -> Sequence[float]:
    """The confidence for each question when all documents of its title are away; the index is whole again behind it."""
    found: list[float] = []
    for title, questions in _by_title(of):
        gone = [document for document in of.documents if document.title == title]
        for document in gone:
            await library.remove(document)
        found += [(await library.find(question.text)).confidence for question in questions]
        await library.add(gone)
    return found


def judge(answerable: Sequence[float], others: Sequence[float]) -> Refusal:
    """By the confidences of questions that can be answered and of some that cannot."""
    known = sorted(answerable)
    threshold = known[int(len(known) * FALSE_REFUSALS)]
    return Refusal(
        area=_area(answerable, others),
        refused=_below(threshold, others),
        refused_as_shipped=_below(coverage.ENOUGH, others),
        false_as_shipped=_below(coverage.ENOUGH, answerable),
    )


def _by_title(of: Set) -> Iterator[tuple[str, Sequence[Question]]]:
    titles = {document.name: document.title for document in of.documents}

    def title(question: Question) -> str:
        return titles[question.places[0].document]

    for each, questions in groupby(sorted(of.questions, key=title), key=title):
        yield each, list(questions)


def _below(threshold: float, confidences: Sequence[float]) -> float:
    return sum(each < threshold for each in confidences) / len(confidences)


def _area(answerable: Sequence[float], others: Sequence[float]) -> float:
    ordered = sorted(others)
    wins = sum((bisect_left(ordered, each) + bisect_right(ordered, each)) / 2 for each in answerable)
    return wins / len(answerable) / len(others)
