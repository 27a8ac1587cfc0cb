"""Claims about the hashes of passwords."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import bcrypt
import pytest
from argon2.low_level import Type, hash_secret

from app.core.errors import Overloaded
from app.core.passwords import Passwords

SLOW = 8 * Passwords.MEMORY_KIB
"""A hash takes some tenths of a second: tests that count who has a place have theirs meanwhile."""


@pytest.fixture
async def passwords() -> AsyncIterator[Passwords]:
    pool = Passwords()
    yield pool
    pool.close()


def by_bcrypt(password: str) -> str:
    """As tutorials store it, but for the cost, and always the same: tests have it in their names."""
    return bcrypt.hashpw(password.encode(), b"$2b$04$abcdefghijklmnopqrstuu").decode()


def by_argon2(password: str, *, rounds: int = 1, memory: int = 64, kind: Type = Type.ID) -> str:
    return hash_secret(password.encode(), b"salt" * 4, rounds, memory, 1, 32, kind).decode()


async def test_a_password_is_verified_whole(passwords: Passwords) -> None:
    long = "a" * 72
    hashed = await passwords.hash(long + "b")
    assert (await passwords.verify(long + "b", hashed)).matches
    assert not (await passwords.verify(long + "c", hashed)).matches
    assert not (await passwords.verify(long, hashed)).matches


@pytest.mark.parametrize("password", ["pass\x00word", "密码" * 500, "🔑" * 8, " " * 8])
async def test_any_text_can_be_a_password(passwords: Passwords, password: str) -> None:
    hashed = await passwords.hash(password)
    assert (await passwords.verify(password, hashed)).matches
    assert not (await passwords.verify(password[:4], hashed)).matches


async def test_hashes_are_argon2id_with_our_cost(passwords: Passwords) -> None:
    assert (await passwords.hash("secret")).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_nobody_has_no_password_and_costs_as_much(passwords: Passwords) -> None:
    hashed = await passwords.hash("secret")

    async def work(check: Callable[[], Any]) -> float:
        """Of the processor, not of the clock: whether a hash is made at all, whatever else the machine does."""
        began = time.process_time()
        for _ in range(10):
            assert not (await check()).matches
        return time.process_time() - began

    somebody = await work(lambda: passwords.verify("wrong", hashed))
    nobody = await work(lambda: passwords.verify("wrong", None))
    assert somebody / 4 < nobody < somebody * 4


async def test_too_many_hashes_at_once_are_refused_and_room_comes_back() -> None:
    passwords = Passwords(workers=2, waiting=3, memory_kib=SLOW)
    outcomes = await asyncio.gather(*(passwords.hash("x") for _ in range(9)), return_exceptions=True)
    assert sum(isinstance(outcome, Overloaded) for outcome in outcomes) == 4
    assert await passwords.hash("x")
    passwords.close()


async def test_leaving_early_gives_up_the_place() -> None:
    begun, go_on = threading.Semaphore(0), threading.Event()

    class Held(str):
        """Its hash tells when it begins, and goes on when it may."""

        __slots__ = ()

        def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
            begun.release()
            go_on.wait(20)
            return super().encode(encoding, errors)

    passwords = Passwords(workers=2, waiting=3, memory_kib=64)
    waiting = [asyncio.create_task(passwords.hash(Held("x"))) for _ in range(5)]
    for _ in range(2):
        assert await asyncio.to_thread(begun.acquire, timeout=20)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    # Three of them had not begun; the work of two goes on, and so they keep their places.
    later = [asyncio.create_task(passwords.hash("x")) for _ in range(4)]
    await asyncio.sleep(0)
    go_on.set()
    outcomes = await asyncio.gather(*later, return_exceptions=True)
    assert sum(isinstance(outcome, Overloaded) for outcome in outcomes) == 1
    passwords.close()


@pytest.mark.parametrize(
    "old",
    [
        by_bcrypt("secret"),
        by_bcrypt("secret").replace("$2b$", "$2a$"),
        by_argon2("secret"),
        by_argon2("secret", rounds=3, memory=19456),
        by_argon2("secret", kind=Type.I),
    ],
    ids=lambda each: each[:30],
)
async def test_an_older_hash_is_good_and_is_renewed(passwords: Passwords, old: str) -> None:
    verdict = await passwords.verify("secret", old)
    assert verdict.matches
    assert verdict.renewed is not None
    assert verdict.renewed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (await passwords.verify("secret", verdict.renewed)).renewed is None
    wrong = await passwords.verify("secre", old)
    assert (wrong.matches, wrong.renewed) == (False, None)


@pytest.mark.parametrize(
    ("password", "hashed"),
    [
        ("a" * 73, by_bcrypt("a" * 72)),
        ("a" * 72 + "b", by_bcrypt("a" * 72)),
        ("密" * 30, by_bcrypt("密" * 24)),
        ("sec\x00ret", by_bcrypt("sec")),
        ("secret", ""),
        ("secret", "!"),
        ("secret", "secret"),
        ("secret", "$2b$12$short"),
        ("secret", "$2x$04$" + "." * 53),
        ("secret", "$argon2id$v=19$m=1"),
        ("secret", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$"),
        ("\ud800", by_argon2("secret")),
        ("a" * 1025, by_argon2("a" * 1025)),
    ],
    ids=ascii,
)
async def test_what_cannot_be_compared_is_wrong_and_costs_a_hash(
    passwords: Passwords, password: str, hashed: str
) -> None:
    began = time.process_time()
    verdict = await passwords.verify(password, hashed)
    took = time.process_time() - began
    assert (verdict.matches, verdict.renewed) == (False, None)
    assert took > 0.003  # of the processor: a hash was made


async def test_a_place_is_given_back_however_it_is_left() -> None:
    passwords = Passwords(workers=1, waiting=0)
    with passwords.place() as place:
        with pytest.raises(Overloaded):
            await passwords.hash("x")
        assert await place.hash("one")
        assert await place.hash("after the other")
    with pytest.raises(ZeroDivisionError), passwords.place():
        raise ZeroDivisionError
    with pytest.raises(TimeoutError), passwords.place() as place:
        async with asyncio.timeout(0):
            await place.hash("x")
    async with asyncio.timeout(5):
        while True:  # the hash that was left goes on
            try:
                assert await passwords.hash("x")
            except Overloaded:
                await asyncio.sleep(0.01)
            else:
                break
    passwords.close()


async def test_a_crowd_is_stopped_at_the_entrance_before_anybody_has_a_place() -> None:
    passwords = Passwords(workers=1, waiting=1)
    with passwords.entrance(), passwords.entrance():
        with pytest.raises(Overloaded), passwords.entrance():
            pass
        with passwords.place(), passwords.place():
            pass
    with pytest.raises(ZeroDivisionError), passwords.entrance():
        raise ZeroDivisionError
    with passwords.entrance(), passwords.entrance():
        pass
    passwords.close()
