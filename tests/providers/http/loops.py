"""Tests on each event loop that the service may run on, after which nothing may be left behind."""

import asyncio
import gc
import inspect
from collections.abc import Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
import uvloop

_DESCRIPTORS = Path("/proc/self/fd")
_SECONDS = 20.0
_LOOKS = 100


def on_each_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Once on asyncio's own loop, once on uvloop's; no task, no socket and no unread exception may stay."""

    @pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
    @wraps(test)
    def run(new_loop: Callable[[], asyncio.AbstractEventLoop], **given: Any) -> None:
        complaints: list[dict[str, Any]] = []
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.get_loop().set_exception_handler(lambda _, complaint: complaints.append(complaint))
            runner.run(asyncio.wait_for(_alone(test(**given)), _SECONDS))
            gc.collect()
        assert complaints == [], complaints

    signature = inspect.signature(test)
    loop = inspect.Parameter("new_loop", inspect.Parameter.KEYWORD_ONLY)
    # What pytest asks a test for.
    vars(run)["__signature__"] = signature.replace(parameters=[*signature.parameters.values(), loop])
    on_each: Callable[..., None] = run
    return on_each


async def _alone(test: Coroutine[Any, Any, None]) -> None:
    # What other tests have left is none of ours: a gigabyte, which took a second to look through, hundreds of times.
    gc.freeze()
    tasks, sockets = asyncio.all_tasks(), _sockets()
    await test
    for _ in range(_LOOKS):  # what was cancelled or closed may take a moment to end
        if asyncio.all_tasks() <= tasks and _sockets() <= sockets:
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"left behind: {asyncio.all_tasks() - tasks}, {_sockets() - sockets} sockets")


def _sockets() -> int:
    def is_socket(entry: Path) -> bool:
        try:
            return str(entry.readlink()).startswith("socket:")
        except OSError:
            return False

    return sum(map(is_socket, _DESCRIPTORS.iterdir())) if _DESCRIPTORS.exists() else 0
