"""Where the service spends its time: py-spy on the two loads that count."""

import asyncio
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.bench.figures.chunks import paced
from tests.bench.figures.field import Field
from tests.bench.figures.requests import cost, prepare

_FORMATS = {".svg": "flamegraph", ".json": "speedscope"}
_REPEATS = 3
_HISTORY = 20
_RATE = 250


async def profile(on: Field, file: Path) -> None:
    """Writes FILE-chunks and FILE-requests: flame graphs for .svg, speedscope's for .json, else raw stacks.

    Threads that wait for work may look busy in them; the CPU of a thread is not to be had this way.
    """
    program = shutil.which("py-spy")
    if program is None:
        sys.exit("--profile needs py-spy on the PATH: pip install py-spy")
    async with _recording(program, on.ours.served.pid, file.with_stem(f"{file.stem}-chunks")):
        for _ in range(_REPEATS):
            await paced(on, on.ours, on.amounts.long)
    requests = [await prepare(on, on.ours, _HISTORY) for _ in range(_REPEATS)]
    async with _recording(program, on.ours.served.pid, file.with_stem(f"{file.stem}-requests")):
        for each in requests:
            await cost(on, on.ours, each)


@asynccontextmanager
async def _recording(program: str, pid: int, file: Path) -> AsyncIterator[None]:
    options = {"pid": pid, "rate": _RATE, "format": _FORMATS.get(file.suffix, "raw"), "output": file}
    process = await asyncio.create_subprocess_exec(
        program,
        "record",
        "--threads",
        *(f"--{name}={value}" for name, value in options.items()),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    said = await process.stdout.readline()  # it has attached, or says why it cannot
    try:
        yield
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        said += (await process.communicate())[0]
    sys.stderr.write(said.decode(errors="replace"))
