"""Places for clients' requests for vectors, so that none of them holds up another user's, a search or the index."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from app.core.errors import Overloaded, TooMany

AT_ONCE = 8
OF_ONE_USER = 2
_WAITING_OF_ONE_USER = 16
_WAITING = 128
_PATIENCE = 30.0
"""Seconds that anybody waits for a place."""
_COME_BACK = 5


@dataclass(slots=True)
class _Own:
    """One user's, while there is one who has a place or waits for it."""

    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(OF_ONE_USER))
    users: int = 0


class EmbeddingPlaces:
    """8 in this process and 2 of a user. Whoever comes later waits, for clients send all that they have at once."""

    def __init__(self, patience: float = _PATIENCE) -> None:
        self._patience = patience
        self._all = asyncio.Semaphore(AT_ONCE)
        self._own: dict[str, _Own] = {}
        self._waiting = 0

    async def take(self, user_id: str) -> Callable[[], None]:
        """A place, and what gives it back; to call that again is harmless.

        Raises TooMany and Overloaded, at once or when none was free in time.
        """
        if self._waiting >= _WAITING:
            raise Overloaded(retry_after=_COME_BACK)
        own = self._own.setdefault(user_id, _Own())
        if own.users >= OF_ONE_USER + _WAITING_OF_ONE_USER:
            raise TooMany("Too many of your requests for vectors wait already.", retry_after=_COME_BACK)
        taken = ExitStack()
        taken.callback(self._leave, user_id, own)
        own.users += 1
        try:
            await self._wait(own, taken)
        except BaseException:
            taken.close()
            raise
        return taken.close

    async def _wait(self, own: _Own, taken: ExitStack) -> None:
        """First for one's own, so that nobody has more than two in the queue for the others."""
        self._waiting += 1
        try:
            async with asyncio.timeout(self._patience):
                for places in (own.places, self._all):
                    await places.acquire()
                    taken.callback(places.release)
        except TimeoutError as error:
            raise Overloaded(retry_after=_COME_BACK) from error
        finally:
            self._waiting -= 1

    def _leave(self, user_id: str, own: _Own) -> None:
        own.users -= 1
        if not own.users:
            self._own.pop(user_id, None)
