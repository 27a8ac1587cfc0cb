"""From a stop sent to the service until the vendor has seen its connection closed."""

import asyncio
import json
import time
from dataclasses import dataclass

from tests.bench.answers import WrongAnswer, data_lines
from tests.bench.contestants import ledger, succeeded
from tests.bench.figures.field import Field
from tests.bench.load import Connection, once

_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Stop:
    milliseconds: list[float]


async def measure(on: Field) -> Stop:
    await on.forget()
    found = Stop([await _stop(on) for _ in range(on.amounts.stops)])
    await on.forget()
    return found


async def _stop(on: Field) -> float:
    """Milliseconds until the vendor was left. Raises WrongAnswer for a stream that was not stopped."""
    with await Connection.open(on.ours.port) as reading, await Connection.open(on.ours.port) as stopping:
        asked = reading.ask(on.ours.first_message("count-1000-20ms"))
        start, *_ = data_lines((await reading.first()).body)
        sent = time.monotonic()
        succeeded(await stopping.ask(on.ours.stop(start["generation_id"])))
        left = await _left(on.straight.port)
        *_, done = data_lines(succeeded(await asked).body)
    if done.get("status") != "stopped":
        raise WrongAnswer(f"ours: a stopped stream ended with {done}")
    return (left - sent) * 1000


async def _left(upstream: int) -> float:
    """When the vendor's latest answer lost its reader, by the clock that all processes share."""
    async with asyncio.timeout(_PATIENCE):
        while (record := json.loads((await once(upstream, ledger(upstream))).body)[-1])["ended"] is None:
            await asyncio.sleep(0.005)
    if record["ended"] != "aborted":
        raise WrongAnswer(f"ours: in spite of a stop the vendor's answer is {record['ended']}")
    return float(record["ended_at"])
