"""What a collection of documents can be called: its name is a part of addresses."""

import unicodedata

LONGEST = 200
_UNSEEN = ("Cc", "Cs", "Zl", "Zp")
"""Categories of characters: controls, halves of pairs, ends of lines."""


def flaw_of(name: str) -> str | None:
    """Why no collection can be called that, if so."""
    if not 1 <= len(name) <= LONGEST:
        return f"a collection's name has 1 to {LONGEST} characters"
    if any(unicodedata.category(each) in _UNSEEN for each in name):
        return "a collection's name has no control characters"
    if "\ufffd" in name:
        return "a collection's name is in UTF-8"  # what is none in an address comes as this
    if "/" in name or name in (".", ".."):
        return "a collection's name has no slash, and is not one dot or two"
    return "a collection's name has no space around it" if name != name.strip() else None
