"""Texts as a model is given them: never empty, never beyond all bounds, and so many at once."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

MOST_CHARS = 8000
"""Of one text. What embedders read is 8,192 tokens at most, and what is behind them would not count."""
_CHARS_AT_ONCE = 60_000
_Text = TypeVar("_Text", bound=str | Sequence[int])
_NOTHING = "."
"""In place of a blank text, which some servers refuse and some models make a vector without length of."""


def prepared(text: str, prefix: str) -> str:
    """With what the model wants before it, and without what breaks a request or a tokenizer: NUL, half a pair."""
    said = text[:MOST_CHARS].replace("\0", " ").strip() or _NOTHING
    return (prefix + said).encode("utf-8", "replace").decode()


def batches(texts: Sequence[_Text], at_once: int) -> Iterator[Sequence[_Text]]:
    """In order; each has one text at least, and beyond that no more than `at_once` and 60,000 characters, or tokens."""
    batch: list[_Text] = []
    chars = 0
    for text in texts:
        if batch and (len(batch) >= at_once or chars + len(text) > _CHARS_AT_ONCE):
            yield batch
            batch, chars = [], 0
        batch.append(text)
        chars += len(text)
    if batch:
        yield batch
