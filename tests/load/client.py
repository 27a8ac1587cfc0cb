"""A client that notes when everything came, and what came of it."""

import json
import re
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from tests.bench.answers import WrongAnswer
from tests.bench.load import Connection, Reply
from tests.load.vendor import digest

_TEXT = re.compile(rb'"~([^".]+)\.(\d+)\.(\d+) [^"]*"')
_REPLY = re.compile(rb'"reply": ?"([^"]*)"')


class Watched(Connection):
    """Keeps the moment of each arrival."""

    first_text = b'"~'

    def __init__(self) -> None:
        super().__init__()
        self.came: list[float] = []

    def data_received(self, data: bytes) -> None:
        self.came.append(time.monotonic())
        super().data_received(data)


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The chunks of one stream: whose they are, and of each when it left and when it came, in seconds."""

    whose: str
    left: Sequence[float]
    came: Sequence[float]
    digest: str


def streamed(reply: Reply, came: Sequence[float]) -> Arrivals:
    """What a stream says, in either spelling. Raises WrongAnswer for a text that is not all of one answer, in order."""
    raw = b"".join(reply.parts)
    ends = list(accumulate(map(len, reply.parts)))
    texts = list(_TEXT.finditer(raw))
    whose = {match[1] for match in texts}
    if len(whose) != 1 or [int(match[2]) for match in texts] != list(range(1, len(texts) + 1)):
        raise WrongAnswer(f"{len(texts)} texts of {len(whose)} answers, not one after the other: {raw[-600:]!r}")
    # A text that two arrivals share has come with the second.
    arrivals = [came[bisect_left(ends, match.end())] for match in texts]
    said = b"".join(match[0][1:-1] for match in texts)
    return Arrivals(whose.pop().decode(), [int(match[3]) / 1e9 for match in texts], arrivals, digest(said))


def whole(reply: Reply) -> tuple[str, str]:
    """Whose an answer is that came in one JSON, and its digest. Raises WrongAnswer."""
    found = _REPLY.search(reply.body)
    if found is None or not found[1].startswith(b"~"):
        raise WrongAnswer(f"no reply in {reply.body[:600]!r}")
    return found[1][1:].partition(b".")[0].decode(), digest(found[1])


def complete(reply: Reply) -> bool:
    """Whether our own stream says so at its end."""
    ending = json.loads(reply.body.rpartition(b"data: ")[2])
    return bool(ending["status"] == "complete")
