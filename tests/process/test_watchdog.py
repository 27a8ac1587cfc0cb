"""A process that does not run is not a loop that stands still."""

import asyncio
import signal

import httpx

from tests.backend import PLAIN
from tests.process.conftest import Launch


async def test_stopped_and_continued_the_loop_is_not_blamed(launch: Launch) -> None:
    process = await launch(watchdog_seconds="1")
    process.output = b""

    process.signal(signal.SIGSTOP)
    await asyncio.sleep(2.5)
    process.signal(signal.SIGCONT)
    async with httpx.AsyncClient(trust_env=False, verify=PLAIN) as http:
        for _ in range(3):
            assert (await http.get(f"{process.url}/health")).status_code == 200
            await asyncio.sleep(0.3)

    process.signal(signal.SIGTERM)
    await process.exited()
    assert [entry for entry in process.log if entry["logger"] == "app.core.watchdog"] == []
