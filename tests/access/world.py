"""A served application, what it can do, who is there, and what its database holds."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from app.database import database_url as parse_url
from app.models import metadata
from app.models.documents import index_changes, jobs
from app.models.identity import users
from tests.access.claims import CLAIMS, Claim, Who
from tests.access.operations import Operation, operations_of
from tests.access.people import ALL, Person, furnish, lose_one_of_everything, sign_in, sign_up
from tests.access.verdicts import Wrong

# What a refused request may write: the trail, and that its credential was used. Leases are renewed all the time.
_MAY_CHANGE = {"audit_events", "instances", "duties"}
_MAY_CHANGE_COLUMNS = {"last_used_at"}

# For what is decided before a database is asked, or whatever it says.
on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

VENDOR_KEY = "sk-canary-of-the-vendor"
SERVICE_KEY = "canary-of-a-machine-0123456789abcdef"
SECRET_KEY = "canary-with-which-tokens-are-signed-0123456789"

_numbers = count()


@dataclass(frozen=True, slots=True)
class World:
    http: httpx.AsyncClient
    """A client without a credential."""
    database_url: str
    operations: Sequence[Operation]
    alice: Person
    bob: Person
    carol: Person
    """She is disabled."""
    admin: Person
    machine: Person
    """The service account, with a key that its operator has set."""
    spare: list[Person] = field(default_factory=list)

    def claimed(self, *who: Who) -> Iterator[tuple[Operation, Claim]]:
        """The operations that are for these, with what is claimed of them."""
        for operation in self.operations:
            claim = CLAIMS.get(operation.name)
            if claim is not None and (not who or claim.who in who):
                yield operation, claim

    @property
    def protected(self) -> Iterator[tuple[Operation, Claim]]:
        return self.claimed(Who.USER, Who.PERSON, Who.ADMIN)

    async def somebody(self, claim: Claim | None = None) -> Person:
        """Somebody who has everything, and may lose it; the same again and again for what takes nothing away."""
        if claim is not None and not claim.ends and self.spare:
            return self.spare[0]
        person = await sign_up(self.http, f"somebody-{next(_numbers)}")
        await furnish(self.http, person)
        if claim is not None and not claim.ends:
            self.spare.append(person)
        return person

    async def digest(self) -> str:
        """Of all that is stored, once nothing that was asked for before is under way."""
        await self._quiet()
        async with _engine(self.database_url) as engine, engine.connect() as connection:
            found = hashlib.sha256()
            for table in metadata.sorted_tables:
                if table.name in _MAY_CHANGE:
                    continue
                columns = [column for column in table.columns if column.name not in _MAY_CHANGE_COLUMNS]
                rows = await connection.execute(select(*columns).order_by(*table.primary_key.columns))
                found.update(repr((table.name, [tuple(row) for row in rows])).encode())
        return found.hexdigest()

    async def _quiet(self) -> None:
        waiting = select(jobs.c.id).where(jobs.c.ended_at.is_(None)).union(select(index_changes.c.id))
        async with asyncio.timeout(30), _engine(self.database_url) as engine:
            while True:
                async with engine.connect() as connection:
                    if not (await connection.execute(waiting)).all():
                        return
                await asyncio.sleep(0.1)

    async def stored(self, *names: str) -> set[str]:
        """All values of columns with these names."""
        found: set[str] = set()
        async with _engine(self.database_url) as engine, engine.connect() as connection:
            for table in metadata.sorted_tables:
                for column in (each for each in table.columns if each.name in names):
                    rows = await connection.execute(select(column).where(column.is_not(None)))
                    found |= {str(row[0]) for row in rows}
        return found

    @asynccontextmanager
    async def unchanged(self, wrong: Wrong) -> AsyncIterator[None]:
        """Whatever is asked within changes nothing."""
        before = await self.digest()
        yield
        wrong.that(await self.digest() == before, "what was refused has changed something")


async def populated(http: httpx.AsyncClient, database_url: str, admin_email: str) -> World:
    document: Mapping[str, Any] = (await http.get("/openapi.json")).json()
    access, refresh = await sign_in(http, admin_email)
    me = await http.get("/users/me", headers={"Authorization": f"Bearer {access}"})
    admin = Person(admin_email, me.json()["id"], access, refresh, is_admin=True)
    alice, bob, carol = [await sign_up(http, name) for name in ("alice", "bob", "carol")]
    for person in (admin, alice, bob, carol):
        await furnish(http, person)
        await lose_one_of_everything(http, person)
    async with _engine(database_url) as engine, engine.begin() as connection:
        await connection.execute(update(users).where(users.c.id == carol.id).values(is_active=False))
    me = await http.get("/users/me", headers={"X-API-Key": SERVICE_KEY})
    machine = Person("", me.json()["id"], "", "", keys={ALL: SERVICE_KEY})
    return World(http, database_url, operations_of(document), alice, bob, carol, admin, machine)


@asynccontextmanager
async def _engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(parse_url(database_url), poolclass=NullPool)
    try:
        yield engine
    finally:
        await engine.dispose()
