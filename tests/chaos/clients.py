"""Hundreds of people at once: several users, each with several clients.

crowd = Crowd("http://127.0.0.1:8000", history, seed=1, users=24, clients=8)
await crowd.sign_up()
await crowd.run(until=lambda: time.monotonic() > end)
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from itertools import count

from tests.chaos.account import Account
from tests.chaos.history import History
from tests.chaos.household import Household
from tests.chaos.person import Person

_SIGNING_UP = 8


class Crowd:
    """`accounts` are its users', in the order of their numbers."""

    def __init__(
        self, url: str, history: History, *, seed: int, users: int = 24, clients: int = 8, think: float = 1.0
    ) -> None:
        numbers = count(1)
        houses = [Household(Account(url, user, _chance(seed, user))) for user in range(1, users + 1)]
        self.accounts: Sequence[Account] = [house.account for house in houses]
        self._people = [
            Person(history, house, client, _chance(seed, house.account.number, client), numbers, think=think)
            for house in houses
            for client in range(clients)
        ]

    async def sign_up(self) -> None:
        """Register all users and sign them in. Raises TimeoutError."""
        at_once = asyncio.Semaphore(_SIGNING_UP)

        async def one(account: Account) -> None:
            async with at_once:
                await account.sign_up()

        await asyncio.gather(*map(one, self.accounts))

    async def run(self, until: Callable[[], bool]) -> None:
        """Live until it is time; ends when everybody has ended what was begun, within a few minutes."""
        async with asyncio.TaskGroup() as group:
            for person in self._people:
                group.create_task(person.live(until))


def _chance(seed: int, *whose: int) -> random.Random:
    return random.Random(f"{seed}/{whose}")  # noqa: S311
