"""Fixed windows: one begins with the first request that is counted in it, and ends at a set time after that."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from limits import RateLimitItem
from limits.aio.storage import Storage
from limits.aio.strategies import FixedWindowRateLimiter


class Window(NamedTuple):
    """`used` of a limit so far, until the window ends in `resets_in` seconds."""

    used: int
    resets_in: float


class Count(NamedTuple):
    """Whether there was room within every limit, and where each of them stands now."""

    granted: bool
    windows: Sequence[Window]


class Counters(Protocol):
    """Counts against limits. `whose` names the limit and the one who is counted; it is a part of the key."""

    async def spend(self, items: Sequence[RateLimitItem], *whose: str) -> Count:
        """Count one within all of these limits, or, where one of them has no room, within none."""

    async def look(self, items: Sequence[RateLimitItem], *whose: str) -> Count:
        """Whether there is room for one, without counting it."""

    async def forgive(self, items: Sequence[RateLimitItem], *whose: str) -> None:
        """Begin anew."""


class Counter(NamedTuple):
    """One window in a storage: of `seconds`, with room for `amount`."""

    key: str
    amount: int
    seconds: int


class WindowSupport(ABC):
    """What FixedWindows asks of a storage beyond limits' own `Storage`, as its other strategies have such classes."""

    @abstractmethod
    async def count(self, counters: Sequence[Counter], *, spend: bool) -> Count:
        """In one step, whoever else is counting: add one to each if each has room for it and `spend` says so."""


class FixedWindows(FixedWindowRateLimiter):
    """limits' strategy for several limits at once, told with where they stand: one step, and one round trip."""

    def __init__(self, storage: Storage) -> None:
        if not isinstance(storage, WindowSupport):
            raise TypeError(f"{type(storage).__name__} cannot count several windows in one step")
        super().__init__(storage)
        self._windows: WindowSupport = storage

    async def spend(self, items: Sequence[RateLimitItem], *whose: str) -> Count:
        return await self._windows.count(_counters(items, whose), spend=True)

    async def look(self, items: Sequence[RateLimitItem], *whose: str) -> Count:
        return await self._windows.count(_counters(items, whose), spend=False)

    async def forgive(self, items: Sequence[RateLimitItem], *whose: str) -> None:
        for item in items:
            await self.clear(item, *whose)


def _counters(items: Sequence[RateLimitItem], whose: Sequence[str]) -> Sequence[Counter]:
    return [Counter(item.key_for(*whose), item.amount, item.get_expiry()) for item in items]
