"""Runs a harness so that it leaves no process behind, however it is ended."""

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

if sys.platform == "win32":
    from asyncio import run as run_loop
else:
    from uvloop import run as run_loop

__all__ = ["run_loop", "stoppable"]

T = TypeVar("T")


async def stoppable(work: Coroutine[Any, Any, T]) -> T:
    """SIGTERM ends it as Ctrl-C does: by a cancellation, after which all that was started is ended."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await work
