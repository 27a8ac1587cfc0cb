"""Whose words these are: each turn has a nonce that names its user, and all that is said in it holds the nonce."""

import re

_NONCE = re.compile(r"\bu(\d+)-\d+\b")


def nonce_of(user: int, serial: int) -> str:
    return f"u{user}-{serial}"


def nonces_in(text: str) -> set[str]:
    return {found[0] for found in _NONCE.finditer(text)}


def owners(text: str) -> set[int]:
    """The numbers of the users whose words stand in a text."""
    return {int(user) for user in _NONCE.findall(text)}


def owner(nonce: str) -> int:
    (user,) = owners(nonce)
    return user
