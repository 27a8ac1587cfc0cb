"""What no vendor can do to us: fill the memory, whatever it sends and however it packs it."""

import asyncio
import json
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from app.domain.failures import FailureCode
from app.domain.providers import Provider
from tests.providers.adapters import Adapter, asking, broken, text_of
from tests.upstream import Answer, Filler, Frame, Page, Scenario, Upstream, Wire

ROOT = Path(__file__).parents[2]
MIB = 1 << 20
GROWTH_KIB = 64 * 1024
JSON = "application/json"

# As `tests.upstream.named` has them: one line of a gigabyte, the same compressed, a head without end.
NAMED = ("huge-line-1024", "gzip-bomb-1024", "endless-headers")


class Cost(NamedTuple):
    """How one answer to one adapter ended, and how far the process had then grown."""

    adapter: str
    model: str
    code: FailureCode | None
    kib: int


def bomb() -> bytes:
    """An eighth of a gigabyte, in few enough bytes to come in one packet."""
    squeeze = zlib.compressobj(wbits=31)
    parts = [squeeze.compress(b'{"error":"')]
    parts += [squeeze.compress(b"x" * MIB) for _ in range(128)]
    return b"".join([*parts, squeeze.flush()])


def hostile() -> Mapping[str, Scenario]:
    """By the name of a model that gives such an answer."""
    body = bomb()

    def packed(status: int, kind: str) -> Page:
        return Page(body, status, kind, {"content-encoding": "gzip"})

    return {
        "bomb-as-events": packed(200, "text/event-stream"),
        "bomb-as-lines": packed(200, "application/x-ndjson"),
        "bomb-as-json": packed(200, JSON),
        "bomb-as-error": packed(500, JSON),
        "lines-without-end-in-an-event": Answer((Frame(b"data: xxxxxxxx\n" * 5_000_000),)),
    }


@pytest.mark.parametrize(
    "wire",
    [Wire(), Wire(gzip=True), Wire(transfer="close"), Wire(newline=b"\r\n")],
    ids=["plain", "gzip", "ended-by-closing", "crlf"],
)
async def test_an_event_beyond_the_bound_ends_the_answer(
    upstream: Upstream, adapter: Adapter, adapted: Provider, wire: Wire
) -> None:
    upstream.script(Answer(("Hel", Filler(adapter.largest), "lo"), wire=wire))
    seen, failure = await broken(adapted, asking(adapter.card))
    assert (text_of(seen), failure.code) == ("Hel", FailureCode.UPSTREAM_PROTOCOL)


async def test_nothing_that_a_vendor_sends_fills_the_memory(upstream: Upstream) -> None:
    """Measured in a process of its own, for here others have filled it before."""
    scenarios = hostile()
    for name, scenario in scenarios.items():
        upstream.script(scenario, model=name)
    upstream.models = Page(bomb(), 200, JSON, {"content-encoding": "gzip"})

    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.providers.growth", upstream.url, *scenarios, *NAMED, "list"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await child.communicate()

    assert child.returncode == 0
    costs = [Cost(*row) for row in json.loads(printed)]
    assert len(costs) == 4 * (len(scenarios) + len(NAMED) + 1)
    assert [cost for cost in costs if cost.code is None] == []
    assert [cost for cost in costs if cost.kib > GROWTH_KIB] == []
