"""The end of tasks that would go on for ever."""

import asyncio
import logging
from collections.abc import Collection

logger = logging.getLogger(__name__)

_TIMES = 3


async def end(tasks: Collection["asyncio.Task[None]"], *, patience: float = 5.0) -> None:
    """Cancel them and wait until they have ended.

    A library that takes a cancellation for its own loses it, and the task goes on: after `patience` seconds it is
    cancelled again. What does not end at all is logged and left, for a process has to.
    """
    pending = set(tasks)
    for _ in range(_TIMES):
        if not pending:
            break
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=patience)
    if pending:
        logger.error("tasks do not end", extra={"tasks": sorted(task.get_name() for task in pending)})
    await asyncio.gather(*(task for task in tasks if task.done()), return_exceptions=True)
