"""Downloads that are under way in this process: bounded in number, for they hold memory, and ended with it in order."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress

from app.core.errors import Draining, ExportRunning, Overloaded, TooMany
from app.domain.downloads import Piece

logger = logging.getLogger(__name__)

_GRACE = 2.0
"""Seconds for what is broken off, to end."""


class Place:
    """One download's; whoever took it releases it, once or more often."""

    def __init__(self, give_back: Callable[["Place"], None]) -> None:
        self._give_back: Callable[[Place], None] | None = give_back
        self._broken_off = False
        self.on_break: Callable[[], None] = lambda: None

    def release(self) -> None:
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back(self)

    def break_off(self) -> None:
        """Have whoever sends it stop, or not begin."""
        self._broken_off = True
        self.on_break()

    def check(self) -> None:
        """Raises Draining when it is not to begin any more."""
        if self._broken_off:
            raise Draining


class Carried:
    """A download that has its place."""

    def __init__(self, place: Place, pieces: Callable[[], AsyncGenerator[Piece, None]]) -> None:
        self._place = place
        self._pieces = pieces

    @property
    def on_break(self) -> Callable[[], None]:
        return self._place.on_break

    @on_break.setter
    def on_break(self, called: Callable[[], None]) -> None:
        self._place.on_break = called

    def release(self) -> None:
        self._place.release()

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        self._place.check()
        async with aclosing(self._pieces()) as pieces:
            async for piece in pieces:
                yield piece


class Downloads:
    """Places for so many at once in all, and for so many of one user."""

    def __init__(self, *, at_once: int, each: int, refusal: type[TooMany] = ExportRunning) -> None:
        self._at_once = at_once
        self._each = each
        self._refusal = refusal
        self._running: dict[Place, str] = {}
        self._draining = False
        self._none_left = asyncio.Event()

    def take(self, user_id: str) -> Place:
        """Raises Draining, `refusal` while the user has as many as one may, Overloaded while others have all."""
        if self._draining:
            raise Draining(retry_after=5)
        if Counter(self._running.values())[user_id] >= self._each:
            raise self._refusal(retry_after=10)
        if len(self._running) >= self._at_once:
            raise Overloaded("Others are sent as much as can be sent at once; try again in a moment.", retry_after=10)
        place = Place(self._give_back)
        self._running[place] = user_id
        return place

    async def drain(self, seconds: float) -> None:
        """Begin nothing new, let what is under way finish for so long, then break the rest off."""
        self._draining = True
        if await self._end_within(seconds):
            return
        logger.info("exports are broken off", extra={"exports": len(self._running)})
        for place in list(self._running):
            place.break_off()
        await self._end_within(_GRACE)

    async def _end_within(self, seconds: float) -> bool:
        if self._running:
            self._none_left.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._none_left.wait()
        return not self._running

    def _give_back(self, place: Place) -> None:
        del self._running[place]
        if not self._running:
            self._none_left.set()
