"""How the order of the terms and that of the embedder make one."""

import pytest

from app.domain.fusion import dense_weight, fuse
from app.domain.scripts import Script
from app.domain.vectors import Found

TERMS = {"a": 9.0, "b": 8.0, "c": 1.0}
SENSE = {"c": 0.9, "d": 0.8, "b": 0.4}


def order(found: Found, dense: float) -> str:
    ranked = fuse(found, dense)
    assert all(0 <= each.score <= 1 for each in ranked)
    assert [each.score for each in ranked] == sorted((each.score for each in ranked), reverse=True)
    return "".join(each.passage_id for each in ranked)


@pytest.mark.parametrize(
    ("found", "dense", "expected"),
    [
        (Found(TERMS, SENSE), 0.5, "acbd"),
        (Found(TERMS, SENSE), 0.2, "abcd"),
        (Found(TERMS, SENSE), 0.0, "abc"),
        (Found(TERMS, SENSE), 1.0, "cdb"),
        (Found(TERMS, {}), 0.5, "abc"),
        (Found({}, SENSE), 0.5, "cdb"),
        (Found({}, SENSE), 0.0, ""),
        (Found({}, {}), 0.5, ""),
        (Found({"b": 1.0, "a": 1.0}, {}), 0.5, "ab"),
        (Found({"a": 3.0}, {"b": -0.2}), 0.5, "ab"),
    ],
)
def test_the_order_of_both(found: Found, dense: float, expected: str) -> None:
    assert order(found, dense) == expected


def test_a_scale_is_not_a_vote() -> None:
    times = Found({each: score * 1000 for each, score in TERMS.items()}, SENSE)
    assert fuse(times, 0.5) == fuse(Found(TERMS, SENSE), 0.5)


def test_an_embedder_votes_on_what_it_can_read() -> None:
    english = {Script.LATIN}
    assert dense_weight("Where is it?", english) == dense_weight("它在哪里？", None) == 0.5
    assert dense_weight("它在哪里？", english) == 0
