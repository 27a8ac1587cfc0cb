"""Cancellations that get lost on the way."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def cancellable() -> Iterator[None]:
    """Raises CancelledError where the block ends, if the task was cancelled in it, whatever became of that.

    Before Python 3.12 `asyncio.wait_for`, with which redis sends, swallows a cancellation that comes just as it ends: a
    loop around that would go on for ever.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task is not None else 0
    try:
        yield
    finally:
        if task is not None and task.cancelling() > before:
            raise asyncio.CancelledError
