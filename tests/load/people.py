"""Users with accounts and sessions of their own, made before the worker: signing up would take half a minute."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from app.bootstrap import House, build
from app.core.config import Settings
from app.core.serving import Serving, serving
from app.domain.audit import Actor
from app.domain.identity import Role
from app.services.password_check import Proven
from tests.bench.contestants import QUESTION, post

_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Person:
    user_id: str
    token: str

    def asks(self, path: str, model: str, whose: str, **named: str) -> bytes:
        """The request to this path; the vendor's answer will bear the name `whose`."""
        body = {"message": f"{QUESTION} #{whose}", "model": f"openai/{model}", **named}
        return post(path, body, f"authorization: Bearer {self.token}\r\n")


@asynccontextmanager
async def house_on(environment: Mapping[str, str]) -> AsyncIterator[House]:
    """Of this process, to write rows with. The database must be migrated, and no worker run on it yet."""
    values: dict[str, Any] = {name.lower(): value for name, value in environment.items() if name in _NEEDED}
    house = build(Settings(_env_file=None, ollama_discovery=False, **values))
    try:
        yield house
    finally:
        house.passwords.close()
        await house.database.close()
        if house.standing_database is not house.database:
            await house.standing_database.close()


async def people(house: House, count: int) -> Sequence[Person]:
    """With the rows that signing up and in would leave."""
    token = serving.set(Serving(address="127.0.0.1"))
    try:
        hashed = await house.passwords.hash("a long password")
        turns = asyncio.Semaphore(_AT_ONCE)

        async def one(number: int) -> Person:
            async with turns:
                return await _person(house, number, hashed)

        return await asyncio.gather(*map(one, range(count)))
    finally:
        serving.reset(token)


_NEEDED = ("DATABASE_URL", "DATA_DIR", "SECRET_KEY", "ACCESS_TOKEN_MINUTES")


async def _person(house: House, number: int, hashed: str) -> Person:
    user = await house.accounts.open(
        email=f"user-{number}@example.com", hashed=hashed, name=None, role=Role.USER, actor=Actor.NOBODY
    )
    pair = await house.signin.begin(Proven(user, hashed), user_agent="load")
    assert pair is not None
    return Person(user.id, pair.access_token)
