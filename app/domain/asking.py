"""A question as it is asked of the index, and what becomes of the answer: an order, and how sure one is."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from app.domain import coverage, fusion, sparse
from app.domain.fusion import Ranked
from app.domain.scripts import Script
from app.domain.vectors import Found, Query, SparseVector

LOOKED_AT = 3
"""Of the best passages, those that tell whether a question can be answered."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a question means, by an embedder that knows these scripts; None: all."""

    vector: Sequence[float]
    scripts: Collection[Script] | None


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    terms: SparseVector
    meaning: Meaning | None = None

    def query(self, collection_ids: Sequence[str], document_ids: Sequence[str] | None = None) -> Query:
        dense = self.meaning.vector if self.meaning else None
        return Query(collection_ids, self.terms, dense, document_ids=document_ids)

    def ranked(self, found: Found) -> Sequence[Ranked]:
        """All that was found, the best first."""
        return fusion.fuse(found, fusion.dense_weight(self.text, self.meaning.scripts) if self.meaning else 0.0)

    def confidence(
        self, found: Found, best: Sequence[str], terms_of: Callable[[str], SparseVector], passages: int
    ) -> float:
        """That it can be answered, from 0 to 1, by the first of the best passages. `passages` is how many the user has
        in all."""
        evidence = [coverage.Evidence(terms_of(each), found.sparse.get(each, 0.0)) for each in best[:LOOKED_AT]]
        return coverage.confidence(self.terms, evidence, passages)


def ask(text: str, meaning: Meaning | None = None) -> Question:
    return Question(text, sparse.query_vector(text), meaning)
