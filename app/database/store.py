"""What a kind of database has to offer."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from app.database.unit import Unit

T = TypeVar("T")


class Store(Protocol):
    @property
    def embedded(self) -> bool:
        """Whether this is a file that belongs to one process."""
        ...

    @property
    def in_use(self) -> int:
        """How many connections are taken."""
        ...

    def unit(self, *, write: bool, durable: bool) -> AbstractAsyncContextManager[Unit]:
        """A transaction: committed when the block ends, rolled back when it raises.

        Waiting for a connection is bounded. Raises what SQLAlchemy raises, TimeoutError and OSError.
        """
        ...

    async def settle(self) -> None:
        """Wait until all that was committed survives a loss of power."""
        ...

    async def glance(self, look: Callable[[Connection], T]) -> T:
        """Run `look` in a transaction of its own that only reads."""
        ...

    async def close(self) -> None: ...
