"""Which sentence or two of a passage speak of what was asked: that is what a reader is shown first."""

from collections.abc import Iterator, Mapping, Sequence

from app.domain import sparse
from app.domain.cutting import Span, sentences
from app.domain.vectors import SparseVector

LONGEST = 400
"""Characters of a quote."""
_SHORT = 60
_ENDS = ".!?…。！？；;:：”\"'）)|"


def quote(question: SparseVector, text: str) -> Span:
    """Where it begins and ends in the text of a passage: the sentence that has most of the question's terms, with the
    one behind it if that has others; where none has any, the beginning."""
    weights = dict(zip(question.indices, question.values, strict=True))
    parts = [(span, _terms(text[slice(*span)], weights)) for span in sentences(text, LONGEST)]
    best, most = _beginning(parts), 0.0
    for span, terms in _windows(text, parts):
        said = sum(weights[term] for term in terms)
        if said > most or (said == most > 0 and _length(span) < _length(best)):
            best, most = span, said
    return best


_Part = tuple[Span, frozenset[int]]
"""A sentence, and which of the question's terms stand in it."""


def _terms(text: str, weights: Mapping[int, float]) -> frozenset[int]:
    return frozenset(weights.keys() & sparse.passage_vector(text).indices)


def _windows(text: str, parts: Sequence[_Part]) -> Iterator[_Part]:
    """Each sentence alone and with its next one, if both are short enough to be shown; what is only the heading of
    what follows, with that."""
    for number, (span, terms) in enumerate(parts):
        (_, end), more = parts[number + 1] if number + 1 < len(parts) else parts[number]
        goes_on = span[1] < end <= span[0] + LONGEST
        if len(parts) == 1 or not _is_heading(text[slice(*span)]):
            yield span, terms
        if goes_on:
            yield (span[0], end), terms | more


def _is_heading(said: str) -> bool:
    return said.startswith("#") or (len(said) < _SHORT and "\n" not in said and said[-1:] not in _ENDS)


def _beginning(parts: Sequence[_Part]) -> Span:
    """As many whole sentences as may be shown."""
    if not parts:
        return 0, 0
    start = parts[0][0][0]
    return start, max(end for (_, end), _ in parts if end - start <= LONGEST)


def _length(span: Span) -> int:
    return span[1] - span[0]
