"""What an answer says, in each spelling, and whether it is whole."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

FIRST = b'"1 "'
"""The first text of every `count-…` model, as each spelling has it."""


class WrongAnswer(Exception):
    """A target did not relay what the vendor said. No figure of such a run counts."""


@dataclass(frozen=True, slots=True)
class Answer:
    texts: Sequence[str]
    finished: bool


Reader = Callable[[bytes], Answer]


def data_lines(body: bytes) -> Iterator[Any]:
    """The JSON of each `data:` line."""
    for line in body.split(b"\n"):
        if line.startswith(b"data: {"):
            yield json.loads(line[6:])


def read_tutorial(body: bytes) -> Answer:
    events = list(data_lines(body))
    return Answer([event["text"] for event in events if "text" in event], bool(events) and "done" in events[-1])


def read_ours(body: bytes) -> Answer:
    events = list(data_lines(body))
    finished = bool(events) and events[-1].get("status") == "complete"
    return Answer([event["text"] for event in events if "text" in event], finished)


def check(answer: Answer, chunks: int, who: str) -> None:
    """Raises WrongAnswer unless all chunks of a `count-…` model and its end are there."""
    if list(answer.texts) != [f"{n} " for n in range(1, chunks + 1)] or not answer.finished:
        end = "an end" if answer.finished else "no end"
        raise WrongAnswer(f"{who}: {len(answer.texts)} of {chunks} chunks and {end}; last {answer.texts[-3:]}")
