"""A conversation on its way out is whole or visibly broken, and holds nobody up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from sqlalchemy import update

from app.models.identity import users
from tests.accounts.behind import alter
from tests.accounts.signing import is_problem
from tests.accounts.stored import noise
from tests.accounts.test_export import Reader, exporting
from tests.backend import Backend, User
from tests.chat.conversation_files import answer, brought, carried, document, question
from tests.conftest import Serve

FORMS = ("json", "markdown", "jsonl")
BROKEN = (asyncio.IncompleteReadError, ConnectionError)


@pytest.fixture
async def alice(backend: Backend) -> User:
    return await backend.user("alice")


async def large(user: User, turns: int = 40) -> str:
    """More than all buffers on the way hold."""
    messages = []
    for number in range(turns):
        messages.append(question(f"q{number}", "More", f"a{number - 1}" if number else None))
        messages.append(answer(f"a{number}", f"q{number}", noise(400_000, number)))
    messages[-1]["feedback"] = {"rating": 1}
    return await brought(user, document(*messages))


@asynccontextmanager
async def downloading(backend: Backend, user: User, made: str, form: str = "json") -> AsyncIterator[Reader]:
    async with exporting(backend, user, f"/conversations/{made}/export?format={form}") as reader:
        yield reader


@pytest.mark.parametrize("form", FORMS)
async def test_one_that_is_deleted_meanwhile_is_visibly_broken(
    backend: Backend, alice: User, form: str, database_kind: str
) -> None:
    made = await large(alice)
    async with downloading(backend, alice, made, form) as reader:
        await reader.until("More")
        assert (await alice.http.delete(f"/conversations/{made}")).status_code == 204
        with pytest.raises(BROKEN):
            await reader.body()


async def test_one_whose_account_is_disabled_is_visibly_broken(
    backend: Backend, alice: User, database_url: str
) -> None:
    made = await large(alice)
    async with downloading(backend, alice, made) as reader:
        await reader.until("More")
        await alter(database_url, update(users).where(users.c.email == alice.email).values(is_active=False))
        with pytest.raises(BROKEN):
            await reader.body()


@pytest.mark.parametrize("limit", ["reader_timeout", "export_timeout"])
async def test_one_who_stops_reading_is_dropped(serve: Serve, limit: str) -> None:
    backend = await serve(**{limit: 0.5})
    alice = await backend.user("alice")
    made = await large(alice)
    async with downloading(backend, alice, made) as reader:
        await asyncio.sleep(4)  # until all buffers on the way are full, and then the limit
        with pytest.raises(BROKEN):
            await reader.body()


async def test_four_at_a_time_for_each_user(backend: Backend, alice: User) -> None:
    made = await large(alice, 15)
    bob = await backend.user("bob")
    small = await brought(bob, document())
    async with AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(downloading(backend, alice, made)) for _ in range(4)]
        refused = await carried(alice, made)
        assert is_problem(refused, 429, "export_running")
        assert int(refused.headers["retry-after"]) > 0
        assert (await carried(bob, small)).status_code == 200
        readers[0].leave()
        async with asyncio.timeout(10):
            while (await carried(alice, small)).status_code == 429:  # until it has a place
                await asyncio.sleep(0.05)
        for reader in readers[1:]:
            assert (await reader.body()).endswith(b"]}\n")


async def test_one_that_is_given_up_gives_its_place_back(backend: Backend, alice: User) -> None:
    made = await large(alice, 10)
    for _ in range(6):
        async with downloading(backend, alice, made) as reader:
            reader.leave()
        await asyncio.sleep(0.2)
    assert (await carried(alice, made)).status_code == 200
