"""Requests for vectors that are seen through, whether anybody waits or not: their vendors bill them all the same."""

import asyncio
from array import array
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass

from app.core.errors import Draining


@dataclass(frozen=True, slots=True)
class Vectors:
    """One for each input, in their order, and what they took."""

    each: "Sequence[array[float]]"
    tokens: int


Left = asyncio.Event
"""Set once nobody waits any more: what was asked for is still waited for, and nothing more is asked."""


class EmbeddingCalls:
    """Those of this process that are under way."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Task[Vectors]] = set()

    async def see_through(
        self, work: Callable[[Left], Coroutine[None, None, Vectors]], release: Callable[[], None]
    ) -> Vectors:
        """What the work comes to, which keeps its own time; whoever gets it is to `release` it. Where it fails, or
        nobody is there to get it, it is released with its end. Raises Draining."""
        left = Left()
        task = asyncio.create_task(work(left))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            left.set()
            task.add_done_callback(lambda ended: _let_go(ended, release))
            raise
        if task.cancelled() or task.exception() is not None:
            release()
        if task.cancelled():
            raise Draining(retry_after=5)
        return task.result()

    async def drain(self, seconds: float) -> None:
        """Give what is under way so long to end by itself."""
        under_way = list(self._under_way)
        if under_way:
            await asyncio.wait(under_way, timeout=seconds)
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


def _let_go(ended: "asyncio.Task[Vectors]", release: Callable[[], None]) -> None:
    release()
    if not ended.cancelled():
        ended.exception()  # which nobody is there to be told
