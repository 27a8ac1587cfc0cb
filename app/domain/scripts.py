"""The writing that a text is in: how much room it takes, and whether an embedder can know it."""

import re
import unicodedata
from collections.abc import Collection, Set
from enum import StrEnum

WIDE = 2.5
"""A character of Chinese, Japanese or Korean says as much as so many Latin ones."""
_WIDE = re.compile(
    "[\u1100-\u11ff\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc\U00016fe0-\U0003ffff]+"
)
_LOOKED_AT = 2000
"""Characters of a text that tell its writing."""
_SHARE = 0.2
"""Of a text's letters, by their width: a script with less is a name or a quotation in it."""


class Script(StrEnum):
    """Writings that embedders declare by these names; all others are one."""

    LATIN = "latin"
    CHINESE = "chinese"
    JAPANESE = "japanese"
    KOREAN = "korean"
    CYRILLIC = "cyrillic"
    GREEK = "greek"
    ARABIC = "arabic"
    HEBREW = "hebrew"
    DEVANAGARI = "devanagari"
    THAI = "thai"
    OTHER = "other"


_OF_NAME = {
    "CJK": Script.CHINESE,
    "HIRAGANA": Script.JAPANESE,
    "KATAKANA": Script.JAPANESE,
    "HANGUL": Script.KOREAN,
} | {script.name: script for script in Script}
"""What the Unicode name of a letter begins with."""


def width(text: str) -> float:
    """How long a text is in Latin characters."""
    if text.isascii():
        return len(text)
    return len(text) + (WIDE - 1) * sum(map(len, _WIDE.findall(text)))


def scripts(text: str) -> Set[Script]:
    """The scripts in which a good part of a text is; with kana in it, Chinese characters are Japanese."""
    room: dict[Script, float] = {}
    for letter in filter(str.isalpha, text[:_LOOKED_AT]):
        script = _of(letter)
        room[script] = room.get(script, 0) + (WIDE if _WIDE.match(letter) else 1)
    if Script.JAPANESE in room:
        room[Script.JAPANESE] += room.pop(Script.CHINESE, 0)
    least = _SHARE * sum(room.values())
    return {script for script, taken in room.items() if taken >= least}


def knows(declared: Collection[Script] | None, text: str) -> bool:
    """Whether an embedder that declares these scripts, or with None all of them, knows what a text is written in."""
    return declared is None or scripts(text) <= set(declared)


def _of(letter: str) -> Script:
    if letter.isascii():
        return Script.LATIN
    name = unicodedata.name(letter, "").removeprefix("FULLWIDTH ").removeprefix("HALFWIDTH ")
    return _OF_NAME.get(name.partition(" ")[0], Script.OTHER)
