"""Draining ends every stream, whatever else is wrong."""

import asyncio
from pathlib import Path

from tests.conftest import Serve
from tests.holding import held
from tests.upstream import Answer, Upstream


async def test_readers_are_told_even_when_the_ending_cannot_be_saved(
    serve: Serve, upstream: Upstream, tmp_path: Path
) -> None:
    backend = await serve(database_statement_timeout=0.3)
    alice = await backend.user()
    upstream.script(Answer(("Hel", "lo"), hold=True))
    reading = asyncio.create_task(alice.chat("Say hello"))
    await upstream.release(1)
    async with held(tmp_path / "app.db"):
        await backend.house.engine.drain(0.1)

        async with asyncio.timeout(5):
            stream = await reading
    assert stream.text == "Hel"
    assert (stream.failure["code"], stream.failure["retryable"]) == ("instance_draining", True)
    assert stream.done["status"] == "failed"
