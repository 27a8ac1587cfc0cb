"""Text as the terms by which it is found, each with its place in the text.

Words are runs of letters, digits and marks: in NFKC, without case, Latin without accents, English ones stemmed, those
with a digit as they stand. What `.`, `_`, `-`, `/` or `@` joins gives its parts. Scripts that put no space between
words give each character and each pair of neighbours, which finds a word of two without a dictionary. No word is left
out for being common.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from operator import add

import Stemmer

Token = tuple[str, int, int]
"""A term, and where it begins and ends in the text, in characters. No class: hundreds of thousands are made at once."""

_LONGEST = 64
"""Characters of a word that count: normalising takes a time that grows with the square of a heap of marks."""
_MARKS_AT_MOST = 8
_CACHED = 8192

_SPACELESS = (
    "\u2e80-\u2fd5\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c\u3105-\u312f\u31a0-\u31bf"
    "\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua48c\uf900-\ufaff\U00017000-\U00018d08\U00020000-\U0003ffff"  # Han and others
    "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9d\U0001aff0-\U0001b2fb"  # kana
    "\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\uac00-\ud7fb\uffa0-\uffdc"  # Hangul
    "\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46\u0e81-\u0eb0\u0eb2\u0eb3\u0ebd\u0ec0-\u0ec6\u0edc-\u0edf"  # Thai, Lao
    "\u1780-\u17b3\u17d7\u17dc\u1000-\u102a\u103f\u1050-\u1055\u105a-\u105d\u1061\u1065\u1066\u106e-\u1070"
    "\u1075-\u1081\u108e\ua9e0-\ua9e4\ua9e6-\ua9ef\ua9fa-\ua9fe\uaa60-\uaa76\uaa7a\uaa7e\uaa7f"  # Khmer, Myanmar
)
_EMOJI = (
    "\u203c\u2049\u2194-\u21aa\u231a-\u23ff\u25a0-\u27bf\u2900-\u2bff\u3030\u303d"
    "\U0001f000-\U0001f3fa\U0001f400-\U0001fbff"
)
_TONES = "\U0001f3fb-\U0001f3ff"
_INVISIBLE = "\u00ad\u034f\u061c\u200b-\u200f\u2060\ufe00-\ufe0f\U000e0100-\U000e01ef"


def _ranges(points: Sequence[int]) -> str:
    """These code points as the inside of a character class."""
    found: list[list[int]] = []
    for point in points:
        if found and found[-1][1] == point - 1:
            found[-1][1] = point
        else:
            found.append([point, point])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in found)


# Of this Python's Unicode, 11 ms to look for. No mark stands beyond these planes but variation selectors.
_MARKS = _ranges([point for point in range(0x300, 0x1F000) if unicodedata.category(chr(point))[0] == "M"])
_MARKS += _INVISIBLE + "\uff9e\uff9f"

_LETTER = rf"[^\W_{_SPACELESS}]"
_CONTRACTED = r"(?:['’](?:[sStTdDmM]|[rR][eE]|[vV][eE]|[lL][lL])(?!\w))?"
_CODE = r"[cCgG]\+\+|[cCfFjJ]#(?!\w)"
_CHARACTER = (
    "(?:[\u1100-\u115f\ua960-\ua97c][\u1160-\u11a7\ud7b0-\ud7c6][\u11a8-\u11ff\ud7cb-\ud7fb]?|[\uac00-\ud7a3][\u11a8-\u11ff]?"
    f"|[{_SPACELESS}])[{_MARKS}]{{0,{_MARKS_AT_MOST}}}"
)
_TOKENS = re.compile(
    rf"({_CHARACTER}(?:{_CHARACTER})*)"
    rf"|(?:{_CODE}|{_LETTER}+(?:[{_MARKS}]+|{_LETTER}+)*{_CONTRACTED})"
    rf"|[{_EMOJI}][\ufe0f{_TONES}]{{0,4}}"
)
_ASCII_TOKENS = re.compile(rf"{_CODE}|[A-Za-z0-9]+{_CONTRACTED}")
_CHARACTERS = re.compile(_CHARACTER)
_PLAIN = re.compile(f"[{_SPACELESS}]+")
_ENGLISH = re.compile("[a-z]+")
# Besides what cannot be seen: apostrophes, the tatweel, the colour of skin, and points of Arabic and Hebrew that few
# people type.
_POINTS = "\u0591-\u05bd\u05bf-\u05c7\u064b-\u065f\u0670"
_DROPPED = re.compile(f"[{_INVISIBLE}{_TONES}{_POINTS}'’\u20e3\u0640]")
_ACCENTS = re.compile("([a-z])[\u0300-\u036f]+")
_LATIN = str.maketrans({"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ł": "l", "þ": "th"})


def tokens(text: str) -> Iterator[Token]:
    """All terms of a text, by where they begin."""
    for run in _runs(text):
        yield from run
        if len(run) > 1:
            yield from _pairs(run)


def distinct(text: str) -> set[str]:
    """The same without their places and each once, at half the price."""
    found: set[str] = set()
    for each in _pattern(text).finditer(text):
        if each.lastindex is None:
            found.add(_term(each[0][:_LONGEST]))
            continue
        run = each[0]
        characters = run if _is_plain(run) else [term for term, _, _ in _characters(run, 0)]
        found.update(characters)
        found.update(map(add, characters, characters[1:]))
    found.discard("")
    return found


def query(text: str) -> Sequence[frozenset[str]]:
    """The words of a search, by what stands between white space; of each the terms that must all be there."""
    words = (frozenset(_asked(word)) for word in text.split())
    return list(dict.fromkeys(word for word in words if word))


def _asked(word: str) -> Iterator[str]:
    for run in _runs(word):
        # Where a pair stands, its characters do.
        for term, _, _ in _pairs(run) if len(run) > 1 else run:
            yield term


def _pairs(run: Sequence[Token]) -> Iterator[Token]:
    before, began, _ = run[0]
    for term, start, end in run[1:]:
        yield before + term, began, end
        before, began = term, start


def _runs(text: str) -> Iterator[Sequence[Token]]:
    """Each word alone, and the characters that follow each other without a space together."""
    for found in _pattern(text).finditer(text):
        start, end = found.span()
        if found.lastindex:
            yield _characters(found[0], start)
        elif term := _term(text[start : min(end, start + _LONGEST)]):
            yield ((term, start, end),)


def _pattern(text: str) -> re.Pattern[str]:
    return _ASCII_TOKENS if text.isascii() else _TOKENS


def _is_plain(run: str) -> bool:
    """Whether each character stands for itself."""
    return _PLAIN.fullmatch(run) is not None and unicodedata.is_normalized("NFKC", run)


def _characters(run: str, start: int) -> Sequence[Token]:
    if _is_plain(run):
        return [(each, place, place + 1) for place, each in enumerate(run, start)]
    return [
        (_folded_character(each[0]), start + each.start(), start + each.end()) for each in _CHARACTERS.finditer(run)
    ]


def _folded_character(each: str) -> str:
    return unicodedata.normalize("NFKC", _DROPPED.sub("", each))


@lru_cache(_CACHED)
def _term(word: str) -> str:
    """Empty for a word of which nothing can be seen."""
    folded = word.lower().replace("'", "") if word.isascii() else _folded(word)
    # One stemmer a word: it costs as much as the word itself, and no two threads may share one.
    return Stemmer.Stemmer("english", 0).stemWord(folded) if _ENGLISH.fullmatch(folded) else folded


def _folded(word: str) -> str:
    decomposed = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", word).casefold())
    bare = _ACCENTS.sub(r"\1", _DROPPED.sub("", decomposed)).translate(_LATIN)
    return unicodedata.normalize("NFKC", bare)
