"""What counts as lost in a rolling restart, and what may not stand in a log."""

import json
from pathlib import Path

import pytest

from tests.chaos.logs import complaints
from tests.chaos.plans import Plan
from tests.chaos.rolling import last_seq, lost, numbered
from tests.sse import Event

PLAN = Plan("u1-1", chunks=3)


def spelled(*data: object) -> bytes:
    return b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in data)


def whole(text: str, status: str = "complete") -> list[Event]:
    return numbered(spelled({"seq": 1}, {"text": text, "seq": 2}, {"done": True, "status": status, "seq": 3}))


def test_a_whole_answer_is_not_lost() -> None:
    assert lost(PLAN, whole(PLAN.text(1))) is None


@pytest.mark.parametrize(
    "events",
    [
        [],
        whole(PLAN.text(1))[:-1],
        whole(PLAN.text(1), "failed"),
        whole(PLAN.text(1, 2)),
        whole(PLAN.text(2)),
        [*whole(PLAN.text(1))[:2], *whole(PLAN.text(1))[1:]],
    ],
)
def test_anything_less_or_more_is(events: list[Event]) -> None:
    assert lost(PLAN, events)


def test_what_is_cut_in_the_middle_of_a_block_is_asked_for_again() -> None:
    read = numbered(spelled({"seq": 1}, {"text": "a", "seq": 2}) + b": ping\n\n" + b'data: {"text": "b", "s')

    assert last_seq(read) == 2


def test_tracebacks_and_errors_in_a_log_are_told_and_what_a_freeze_explains_is_not(tmp_path: Path) -> None:
    log = tmp_path / "a-1.log"
    entries = [
        {"level": "info", "message": "request"},
        {"level": "error", "message": "lease lost: another instance took over"},
        {"level": "error", "message": "run failed"},
    ]
    log.write_text(
        "\n".join(map(json.dumps, entries)) + "\nTraceback (most recent call last):\n{ half", encoding="utf-8"
    )

    assert [each.split(":")[1] for each in complaints([log])] == ["3", "4"]
