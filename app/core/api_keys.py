"""API keys that users make: their form, and what is kept of one."""

import hashlib
import re
import secrets

_SHOWN = 10
_FORM = re.compile(r"sk-[A-Za-z0-9_-]{43}")


def new_key() -> str:
    """256 random bits, so that the hash needs no salt and no time: nobody guesses what it is of."""
    return f"sk-{secrets.token_urlsafe(32)}"


def has_form(text: str) -> bool:
    """Whether `text` could be a key; of what could not, whatever it is and however long, nothing needs to be asked."""
    return _FORM.fullmatch(text) is not None


def prefix_of(key: str) -> str:
    """What its owner recognises it by."""
    return key[:_SHOWN]


def hash_of(key: str) -> str:
    """SHA-256 in hexadecimal. It is looked up by this alone: how long that takes tells nothing about the key."""
    return hashlib.sha256(key.encode()).hexdigest()
