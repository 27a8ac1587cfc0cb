"""The clock of an upstream call, and the histogram that it fills."""

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from app.core.pace import BOUNDS, Pace, Tallies, Tally
from tests.scrape import Scrape

VALUES = [0.0, 0.0005, 0.001, 0.0011, 0.2, 0.25, 29.9, 30.0, 30.1, 1e6]


def test_a_tally_says_what_the_librarys_histogram_says() -> None:
    theirs, ours = CollectorRegistry(), CollectorRegistry()
    histogram = Histogram("gap_seconds", "A gap.", ["provider"], registry=theirs, buckets=BOUNDS).labels("openai")
    tallies = Tallies("gap_seconds", "A gap.")
    ours.register(tallies)
    for value in VALUES:
        histogram.observe(value)
        tallies.of("openai").observe(value)

    said = [line for line in generate_latest(theirs).decode().splitlines() if "_created" not in line]

    assert generate_latest(ours).decode().splitlines() == said


def test_the_first_token_is_waited_for_and_gaps_are_counted_from_there() -> None:
    registry, gaps = CollectorRegistry(), Tally()
    pace = Pace(Histogram("first_seconds", "The first.", registry=registry), gaps)

    for visible in (False, False, True, True, True):
        pace.batch(visible=visible)

    assert Scrape(generate_latest(registry).decode()).value("first_seconds_count") == 1
    assert gaps.buckets()[-1] == ("+Inf", 2)
    assert gaps.total == pytest.approx(0, abs=5)
