"""When who was able to act: from that the judges know by when something had to be over."""

from collections.abc import Iterator, Sequence

from tests.simulation.machines import Life

Span = tuple[float, float]

FOREVER = float("inf")
PROMISED = 20.0
"""Seconds in which a generation ends after its owner or its upstream has."""
STEADY = 15.0 + 5.0
"""Of a database that is there without a break, which an instance needs to judge others: a term, and up to a renewal."""


def good(life: Life, outages: Sequence[Span]) -> list[Span]:
    """The times in which an instance ran and had its database."""
    spans = [(life.began, life.ended if life.ended is not None else FOREVER)]
    for begin, end in [*life.frozen, *life.cut_off, *outages]:
        spans = [part for span in spans for part in _without(span, (begin, end))]
    return spans


def deadline(ended_at: float, owner: Life | None, lives: Sequence[Life], breaks: Sequence[Span]) -> float:
    """By when what ended then had to be over, whoever could see to that."""
    by_owner = [_reached(span, ended_at + PROMISED, PROMISED) for span in (good(owner, breaks) if owner else ())]
    by_others = [
        _reached(span, ended_at + PROMISED, STEADY + PROMISED)
        for life in lives
        if life is not owner
        for span in good(life, breaks)
    ]
    return min([*by_owner, *by_others], default=FOREVER)


def _reached(span: Span, at: float, needed: float) -> float:
    """When one who is there for that span has done it: at that time, or so long after coming."""
    done = max(at, span[0] + needed)
    return done if done <= span[1] else FOREVER


def _without(span: Span, gap: Span) -> Iterator[Span]:
    if gap[1] < span[0] or gap[0] > span[1]:
        yield span
        return
    if span[0] < gap[0]:
        yield span[0], gap[0]
    if gap[1] < span[1]:
        yield gap[1], span[1]
