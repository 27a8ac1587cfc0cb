"""E-mail addresses: which text is one, and the one spelling under which it is kept."""

import unicodedata

LONGEST = 254
LONGEST_LOCAL = 64
LONGEST_LABEL = 63

_SPECIAL = frozenset('"(),:;<>@[\\]')
_BLANK_OR_CONTROL = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"})


def address(text: str) -> str | None:
    """`text` in lower case and NFC, or None when it is no address.

    Loose where servers of one's own need it (`user@localhost`), strict where it could harm: blanks, control and
    invisible characters, and those that part addresses in a mail header. Each step is linear in at most 254 characters.
    """
    if len(text) > LONGEST:
        return None
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())
    local, at, domain = text.partition("@")
    if not at or len(text) > LONGEST or not _is_local_part(local):
        return None
    return text if all(map(_is_label, domain.split("."))) else None


def _is_local_part(local: str) -> bool:
    return 1 <= len(local) <= LONGEST_LOCAL and not any(
        char in _SPECIAL or unicodedata.category(char) in _BLANK_OR_CONTROL for char in local
    )


def _is_label(label: str) -> bool:
    if not 1 <= len(label) <= LONGEST_LABEL or label[0] == "-" or label[-1] == "-":
        return False
    return all(char == "-" or unicodedata.category(char)[0] in "LMN" for char in label)
