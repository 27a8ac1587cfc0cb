"""Text as a sparse vector of its terms, weighed as BM25 does; the index multiplies by how rare each term is.

The terms are those of `terms` but for function words, so Chinese is found by characters and pairs of them without a
dictionary; words with letter case give their pairs too, over function words. Pairs tell "North Korea" and "3.14" from
where both words happen to be. What a passage stands under is found with it, as if it were said in it once.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from zlib import crc32

from app.domain import terms
from app.domain.scripts import width
from app.domain.vectors import SparseVector

VERSION = 1
"""Of these rules. Vectors of another version do not match these."""

_SATURATION = 1.2
_BY_LENGTH = 0.75
_USUAL_WIDTH = 900
"""In Latin characters: what passages are packed to. A fixed one needs no count of the index, and was as good."""
_PAIR = 0.5
"""What a pair of words counts in a question beside them: of 500 English questions it answers 6 more in the first five
passages, 4 more with the weight of a word."""
_APART_AT_MOST = 20
_TERMS_AT_MOST = 256
"""Of a question. Behind them nobody asks."""

_ENGLISH = """
    a about above after again against all also am an and any are as at be because been before being below between both
    but by can could did do does doing down during each few for from further had has have having he her here hers
    herself him himself his how i if in into is it its itself just me more most my myself no nor not now of off on once
    only or other our ours ourselves out over own same she should so some such than that the their theirs them
    themselves then there these they this those through to too under until up very was we were what when where which
    while who whom whose why will with would you your yours yourself yourselves
    don't doesn't didn't isn't aren't wasn't weren't can't couldn't won't wouldn't what's who's where's how's it's
    that's
"""
_CHINESE = "的了是在和與与及或为為之其有也这這那個个們们吗嗎呢么麼以于於被把就都而"
_ASKING = re.compile(r"什[么麼]|怎[么麼样樣]|哪(?!吒)|[谁誰]|多少|[吗嗎呢](?=\W|$)")
"""Question words of Chinese, which no answer holds. A name and all that only looks like one stay."""
_BETWEEN = " "
_COMMON = frozenset(terms.distinct(_ENGLISH) | set(_CHINESE))


def passage_vector(text: str, headings: Sequence[str] = (), title: str = "", header: str = "") -> SparseVector:
    """Of a passage and what it stands under: the document's title, the headings, the header of its table."""
    counts = _counts(text)
    for term in set(_terms("\n".join((title, *headings, header)))):
        counts[term] = counts.get(term, 0) + 1
    length = 1 - _BY_LENGTH + _BY_LENGTH * width(text) / _USUAL_WIDTH
    return _vector({term: _saturated(count, length) for term, count in counts.items()})


def query_vector(text: str) -> SparseVector:
    """Of a question; without terms where it has none but function words or none at all."""
    counts = islice(_counts(_ASKING.sub(" ", text)).items(), _TERMS_AT_MOST)
    return _vector({term: count * _PAIR if _BETWEEN in term else count for term, count in counts})


def term_id(term: str) -> int:
    """The same on every machine and in every release. Two of 100,000 terms share one, more or less."""
    return crc32(term.encode("utf-8", "surrogatepass"))


def _saturated(count: float, length: float) -> float:
    return count * (_SATURATION + 1) / (count + _SATURATION * length)


def _counts(text: str) -> dict[str, float]:
    counts: dict[str, float] = {}
    for term in _terms(text):
        counts[term] = counts.get(term, 0) + 1
    return counts


def _terms(text: str) -> Iterator[str]:
    before, ended = "", 0
    for term, start, end in terms.tokens(text):
        if term in _COMMON:
            continue
        yield term
        if term[0].islower() or term[0].isdecimal():
            if before and start - ended <= _APART_AT_MOST:
                yield before + _BETWEEN + term
            before, ended = term, end


def _vector(weights: Mapping[str, float]) -> SparseVector:
    """Terms that share a number add up."""
    found: dict[int, float] = {}
    for term, weight in weights.items():
        number = term_id(term)
        found[number] = found.get(number, 0) + weight
    return SparseVector(list(found), list(found.values()))
