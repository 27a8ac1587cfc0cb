"""What making passages and their terms takes of the processor; reading files is measured apart."""

from collections.abc import Sequence
from time import process_time

from app.domain import packing
from app.domain.indexed import terms
from tests.eval.library import Document

_PAGE = 3000
"""Characters of a page of print."""
_LEAST = 1.0
"""Seconds for which it is done again and again."""


def pages_per_second(documents: Sequence[Document]) -> float:
    """Pages of 3,000 characters, from their blocks to the sparse vectors of their passages, a CPU second."""
    done = 0.0
    began = process_time()
    while (taken := process_time() - began) < _LEAST:
        for document in documents:
            _make(document)
            done += sum(len(page.text) for page in document.pages) / _PAGE
    return done / taken


def _make(document: Document) -> None:
    for passage in packing.pack(document.pages, document.title):
        terms(document.title, passage)
