"""Programs that are clients of the served app: each in a process of its own, with nothing of this environment."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

_LONGEST = 120
"""Seconds: some load for as long as others work."""


@asynccontextmanager
async def running(*command: str, env: Mapping[str, str], cwd: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    program = await asyncio.create_subprocess_exec(
        *command,
        env={"PYTHONUTF8": "1", **env},
        cwd=cwd,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_LONGEST):
            yield program
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()


async def outcome(*command: str, env: Mapping[str, str], cwd: Path, said: str) -> bytes:
    """What it prints, when it is told this."""
    async with running(*command, env=env, cwd=cwd) as program:
        output, errors = await program.communicate(said.encode())
    assert program.returncode == 0, errors.decode()
    return output
