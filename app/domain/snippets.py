"""What of a text is shown for a search: a short piece of it, cut so that what was found can be marked."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from app.domain import terms

_WIDTH = 160
"""Characters of a snippet, about."""
_NEAR = 20
"""Characters within which a cut looks for white space."""
_WORDS_AT_MOST = 32
_CUT = "…"
_SPACE = re.compile(r"\s+")
_CLINGING = re.compile("[\u200c\u200d\ufe0f\u1160-\u11ff\ud7b0-\ud7ff\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]")
"""Besides marks: joiners, what Korean syllables end with, the colour of skin, tags."""
_FLAG_LETTERS = "".join(map(chr, range(0x1F1E6, 0x1F200)))

Words = Sequence[frozenset[str]]
"""Of each word that is looked for, the terms that must all be in one place."""
_Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Segment:
    """Some text, which was looked for or stands around it."""

    text: str
    hit: bool


def asked_for(q: str) -> Words:
    """The words of a search, none in one of punctuation alone; those behind the 32nd are not looked for."""
    return terms.query(q)[:_WORDS_AT_MOST]


def marked(text: str, words: Words) -> Sequence[Segment]:
    """The whole text, on one line."""
    return _segments(text, [(start, end) for start, end, _ in _hits(text, words)], 0, len(text))


def snippet(text: str, words: Words, *, begins: bool = True, ends: bool = True) -> Sequence[Segment]:
    """The place that holds the most of the words, on one line; `begins` and `ends`: nothing is before or behind."""
    hits = _hits(text, words)
    begin, end = _window(text, *_best(hits))
    spans = [(start, stop) for start, stop, _ in hits]
    # Not half of one at an edge, but some of one that is longer than all that is shown.
    segments = _segments(text, [each for each in spans if begin <= each[0] and each[1] <= end] or spans, begin, end)
    if begin > 0 or not begins:
        segments.insert(0, Segment(_CUT, hit=False))
    if end < len(text) or not ends:
        segments.append(Segment(_CUT, hit=False))
    return _joined(segments)


def _hits(text: str, words: Words) -> Sequence[tuple[int, int, int]]:
    """Where terms of the words stand, and of which word each is."""
    of_word = {term: number for number, word in reversed(list(enumerate(words))) for term in word}
    return [(start, end, of_word[term]) for term, start, end in terms.tokens(text) if term in of_word]


def _best(hits: Sequence[tuple[int, int, int]]) -> _Span:
    """The first stretch of a snippet's width that holds the most words; the beginning when there is none."""
    best, most, left = (0, 0), 0, 0
    held: dict[int, int] = {}
    for start, end, word in hits:
        held[word] = held.get(word, 0) + 1
        while hits[left][0] < start and end - hits[left][0] > _WIDTH:
            gone = hits[left][2]
            held[gone] -= 1
            if not held[gone]:
                del held[gone]
            left += 1
        if len(held) > most:
            best, most = (hits[left][0], end), len(held)
    return best


def _window(text: str, start: int, end: int) -> _Span:
    """A snippet's width around a stretch, cut beside words where those are short and never within a character."""
    end = min(end, start + _WIDTH)
    begin = max(0, min(start - (_WIDTH - (end - start)) // 2, len(text) - _WIDTH))
    until = min(len(text), max(end, begin + _WIDTH))
    if begin > 0:
        begin = next((at for at in range(begin, min(begin + _NEAR, start)) if text[at - 1].isspace()), begin)
    if until < len(text):
        until = next((at for at in range(until, max(until - _NEAR, end), -1) if text[at].isspace()), until)
    return _whole(text, begin), _whole(text, until)


def _whole(text: str, place: int) -> int:
    """The same place, or a little before it, so that no mark is parted from what it belongs to."""
    for at in range(place, max(place - _NEAR, 0), -1):
        if at == len(text) or not (_clings(text[at]) or text[at - 1] == "\u200d" or _halves_a_flag(text, at)):
            return at
    return place


def _clings(character: str) -> bool:
    return _CLINGING.match(character) is not None or unicodedata.category(character).startswith("M")


def _halves_a_flag(text: str, at: int) -> bool:
    """Flags are pairs of letters, and nothing else tells where one begins."""
    before = text[:at]
    return text[at] in _FLAG_LETTERS and (at - len(before.rstrip(_FLAG_LETTERS))) % 2 == 1


def _segments(text: str, hits: Sequence[_Span], begin: int, end: int) -> list[Segment]:
    found: list[Segment] = []
    place = begin
    for start, stop in _merged(hits):
        first, last = max(start, place), min(stop, end)
        if first < last:
            found += [Segment(text[place:first], hit=False), Segment(text[first:last], hit=True)]
            place = last
    found.append(Segment(text[place:end], hit=False))
    return _on_one_line(found)


def _merged(hits: Sequence[_Span]) -> Sequence[_Span]:
    merged: list[_Span] = []
    for start, end in hits:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _on_one_line(segments: Sequence[Segment]) -> list[Segment]:
    texts = [_SPACE.sub(" ", each.text) for each in segments]
    texts[0] = texts[0].lstrip()
    texts[-1] = texts[-1].rstrip()
    return [Segment(text, each.hit) for text, each in zip(texts, segments, strict=True) if text]


def _joined(segments: Sequence[Segment]) -> Sequence[Segment]:
    """Neighbours of one kind as one."""
    joined: list[Segment] = []
    for each in segments:
        if joined and joined[-1].hit == each.hit:
            joined[-1] = Segment(joined[-1].text + each.text, each.hit)
        else:
            joined.append(each)
    return joined
