"""Whether a question can be answered of what was found: how much of it the best passages speak of.

A passage covers a question by the share of its words, characters and so on that stand in it, and by what the index
scored it, of what so many terms would score if each were the rarest. Both come with a search. On questions in English
and Chinese whose article was away, that told as well as the exact frequency of every term, which would be a search for
each; and the threshold hardly moves from an index of 3 passages to one of 2,000.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log

from app.domain.vectors import SparseVector

ENOUGH = 0.5
"""The confidence from which on a question is answerable. Of 1,500 questions with an answer it refused 5 %, and 79 % of
those whose whole article was away; that a near passage lacks just the answer is not told by terms."""

_SCORE_COUNTS = 2
_REFUSES_BELOW = 0.371
_STEEP = 16.7


@dataclass(frozen=True, slots=True)
class Evidence:
    """A passage and its score of terms in the index, 0 where they did not find it."""

    passage: SparseVector
    score: float


def confidence(question: SparseVector, found: Sequence[Evidence], passages: int) -> float:
    """From 0 to 1, by whichever of the first few passages covers the question best. `passages` is how many the index
    holds in all, about: that says how rare a term can be.

    Where three in four questions can be answered, it is the probability that this one can.
    """
    covered = max((coverage(question, each, passages) for each in found), default=0.0)
    return 1 / (1 + exp(_STEEP * (_REFUSES_BELOW - covered))) if covered > 0 else 0.0


def coverage(question: SparseVector, evidence: Evidence, passages: int) -> float:
    """From 0, where a passage has nothing that was asked for, to about 1."""
    whole = {term for term, weight in zip(question.indices, question.values, strict=True) if weight >= 1}
    if not whole:
        return 0.0
    said = len(whole.intersection(evidence.passage.indices)) / len(whole)
    scored = evidence.score / sum(question.values) / log(passages + 1.5)
    return (said + _SCORE_COUNTS * scored) / (1 + _SCORE_COUNTS)
