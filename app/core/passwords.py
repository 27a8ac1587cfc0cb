"""Passwords as slow hashes, made and compared beside the event loop."""

import asyncio
import os
import secrets
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from passlib.context import CryptContext

from app.core.errors import Overloaded

T = TypeVar("T")

_NICENESS = 10


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a password is the right one; `renewed` is its hash as it is made today, where the old one is not."""

    matches: bool
    renewed: str | None = field(default=None, repr=False)


class Passwords:
    """Argon2id in a pool of its own: a hash costs tens of milliseconds of CPU and 19 MiB, so both are bounded.

    Hashes of argon2 with other parameters and of bcrypt, which came from elsewhere, are compared with as well.
    """

    LONGEST = 1024
    """What is compared at all, in characters; beyond it a password is wrong."""

    MEMORY_KIB = 19456
    """What a hash takes, with the two passes that are made over it: less is for machines that keep nobody's secrets."""

    def __init__(self, *, workers: int = 2, waiting: int = 64, memory_kib: int = MEMORY_KIB) -> None:
        self._context = CryptContext(
            schemes=["argon2", "bcrypt"],
            deprecated="auto",
            argon2__type="ID",
            argon2__rounds=2,
            argon2__memory_cost=memory_kib,
            argon2__parallelism=1,
        )
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="passwords", initializer=_give_way)
        self._room = workers + waiting
        self._inside = 0
        self._places = threading.BoundedSemaphore(self._room)
        # What the password of an unknown user is compared with, so that the time of an answer does not tell: a hash as
        # it is made today, but of nothing.
        argon2 = self._context.handler("argon2")
        self._nobody: str = argon2(use_defaults=True, checksum=secrets.token_bytes(argon2.checksum_size)).to_string()

    @contextmanager
    def entrance(self) -> Iterator[None]:
        """For whoever will ask for a place, before anything is done for him. Raises Overloaded when it is too full.

        A crowd comes in one turn of the event loop, and would all be let in before the first has taken a place.
        """
        if self._inside >= self._room:
            raise Overloaded(retry_after=1)
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    def place(self) -> "Place":
        """A place in the queue, to be taken before anything is looked up for it: what is refused costs nothing."""
        return Place(self._places, self._pool, self._compare, self._context.hash)

    async def hash(self, password: str) -> str:
        """Raises Overloaded when too many wait already."""
        with self.place() as place:
            return await place.hash(password)

    async def verify(self, password: str, hashed: str | None) -> Verdict:
        """Whether the password is the one of `hashed`; the same work for None. Raises Overloaded as `hash` does."""
        with self.place() as place:
            return await place.verify(password, hashed)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _compare(self, password: str, hashed: str | None) -> Verdict:
        if hashed is not None and _is_possible(password):
            # A hash that cannot be read, or a password that its scheme cannot take: bcrypt knows no NUL, and nothing
            # past 72 bytes, which must not be cut off in silence.
            with suppress(ValueError, TypeError):
                matches, renewed = self._context.verify_and_update(password, hashed)
                return Verdict(matches, renewed)
        self._context.verify("", self._nobody)
        return Verdict(matches=False)


class Place:
    """One's own place, from `with` on, for one hash after the other. Raises Overloaded when too many wait already."""

    def __init__(
        self,
        places: threading.BoundedSemaphore,
        pool: ThreadPoolExecutor,
        compare: Callable[[str, str | None], Verdict],
        make: Callable[[str], str],
    ) -> None:
        self._places = places
        self._pool = pool
        self._compare = compare
        self._make = make
        self._work: Future[Any] | None = None

    def __enter__(self) -> Self:
        if not self._places.acquire(blocking=False):
            raise Overloaded(retry_after=1)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._work is None:
            self._places.release()
        else:  # who leaves early has not taken the work along; where it is done this is called at once
            self._work.add_done_callback(self._leave)

    async def hash(self, password: str) -> str:
        return await self._run(lambda: self._make(password))

    async def verify(self, password: str, hashed: str | None) -> Verdict:
        return await self._run(lambda: self._compare(password, hashed))

    async def _run(self, work: Callable[[], T]) -> T:
        future = self._pool.submit(work)
        self._work = future
        return await asyncio.wrap_future(future)

    def _leave(self, _: object) -> None:
        self._places.release()


def _is_possible(password: str) -> bool:
    """Whether any account can have it; a form can bring lone surrogates, which cannot be hashed."""
    return len(password) <= Passwords.LONGEST and not any("\ud800" <= char <= "\udfff" for char in password)


def _give_way() -> None:
    """Let the event loop's thread have a processor first. Linux alone gives a thread a priority of its own."""
    if sys.platform == "linux":
        with suppress(OSError):
            own = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, own, os.getpriority(os.PRIO_PROCESS, own) + _NICENESS)
