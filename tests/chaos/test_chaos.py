"""A short run of `make chaos`, and a rolling restart: in processes of their own, which another event loop suits."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parent.parent.parent
_WITHIN = 420.0
"""Seconds for all of it, on a machine that is busy with other tests; alone it takes a third of that."""

pytestmark = [
    pytest.mark.skipif(
        sys.platform != "linux", reason="reads the sockets and the memory of processes as Linux shows them"
    ),
]


async def run(module: str, *arguments: str) -> str:
    """What it said, once it has ended well."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(_WITHIN):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()  # it ends what it has started
            await process.wait()
    said = output.decode(errors="replace")
    assert process.returncode == 0, said
    return said


async def test_nothing_is_lost_while_everything_breaks() -> None:
    said = await run("tests.chaos", "--seed", "7", "--minutes", "1.25", "--faults", "13", "--clients", "60")

    assert "0 violations" in said


async def test_a_rolling_restart_loses_nothing() -> None:
    said = await run("tests.chaos.rolling", "--streams", "40", "--times", "1")

    assert "0 losses" in said
