"""One order of what both channels of a search found: its terms, and its sense where an embedder is."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from app.domain.scripts import Script, knows
from app.domain.vectors import Found

_DENSE = 0.5
_BLIND = 0.0
"""An embedder that does not know the script has no vote, so it can only add to what terms find."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A passage and its score from 0 to 1, which is good for this question's order only."""

    passage_id: str
    score: float


def dense_weight(question: str, declared: Collection[Script] | None) -> float:
    """What the dense channel counts, of 1, for a question of these scripts; with None the embedder knows all."""
    return _DENSE if knows(declared, question) else _BLIND


def fuse(found: Found, dense: float) -> Sequence[Ranked]:
    """All that was found, the best first. Scores are stretched per channel from its last to its first; a passage that
    a channel did not find is its last. A channel without a vote adds nothing, one without hits leaves it to the other.
    """
    by_sense = _stretched(found.dense) if dense > 0 else {}
    by_terms = _stretched(found.sparse) if dense < 1 else {}
    weight = dense if by_terms and by_sense else float(not by_terms)
    scores = {
        each: (1 - weight) * by_terms.get(each, 0.0) + weight * by_sense.get(each, 0.0) for each in by_terms | by_sense
    }
    return [Ranked(each, scores[each]) for each in sorted(scores, key=lambda each: (-scores[each], each))]


def _stretched(scores: Mapping[str, float]) -> dict[str, float]:
    if not scores:
        return {}
    low, high = min(scores.values()), max(scores.values())
    return {each: (score - low) / (high - low) if high > low else 1.0 for each, score in scores.items()}
