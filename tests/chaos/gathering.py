"""Reads, after a run, all that the API and the database have kept of it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from itertools import count
from typing import Any, TypeVar

import asyncpg

from tests.chaos.account import Account
from tests.chaos.blocks import Blocks
from tests.chaos.evidence import Booked, Evidence, StoredGeneration, StoredMessage, Total
from tests.chaos.history import Connection, Ending, Footprint, History, Route
from tests.chaos.http import Broken, Exchange

T = TypeVar("T")
R = TypeVar("R")

_AT_ONCE = 8
_FINAL = "SELECT * FROM generations ORDER BY created_at"
_BOOKED = "SELECT * FROM usage_records WHERE purpose = 'answer' ORDER BY generation_id, attempt"


async def gather(
    history: History,
    accounts: Sequence[Account],
    database_url: str,
    footprints: Sequence[Footprint] = (),
) -> Evidence:
    """Read everything, as the users and through the front; the rows that no route shows from PostgreSQL itself."""
    await asyncio.gather(*(account.sign_in() for account in accounts))
    messages = [each for listed in await _each(accounts, _messages) for each in listed]
    totals = dict(zip((account.number for account in accounts), await _each(accounts, _total), strict=True))
    users = {(await account.get("/users/me"))["id"]: account for account in accounts}
    generations, booked = await _rows(history, database_url, {name: each.number for name, each in users.items()})
    by_number = {account.number: account for account in accounts}
    finals = await _each(generations, lambda each: _final(history, by_number[each.user], each.id))
    return Evidence(
        history=history,
        messages={each.id: each for each in messages},
        generations={each.id: each for each in generations},
        booked=booked,
        totals=totals,
        finals={str(each.generation_id): each for each in finals},
        footprints=footprints,
    )


async def _each(things: Iterable[T], read: Callable[[T], Awaitable[R]]) -> list[R]:
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def one(thing: T) -> R:
        async with at_once:
            return await read(thing)

    return list(await asyncio.gather(*map(one, things)))


async def _pages(account: Account, path: str, limit: int) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = await account.get(f"{path}?limit={limit}{cursor}")
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        cursor = f"&cursor={page['next_cursor']}"


async def _messages(account: Account) -> list[StoredMessage]:
    found: list[StoredMessage] = []
    for conversation in await _pages(account, "/conversations", 100):
        path = f"/conversations/{conversation['id']}/messages"
        listed = await _pages(account, path, 500)
        found += [_message(account.number, conversation["id"], place, each) for place, each in enumerate(listed)]
    return found


def _message(user: int, conversation_id: str, place: int, said: dict[str, Any]) -> StoredMessage:
    return StoredMessage(
        id=said["id"],
        user=user,
        conversation_id=conversation_id,
        place=place,
        role=said["role"],
        content=said["content"],
        status=said["status"],
        parent_id=said["parent_id"],
        generation_id=said["generation_id"],
        error=said["error"]["code"] if said["error"] else None,
    )


async def _total(account: Account) -> Total:
    totals = (await account.get("/users/me/usage"))["totals"]
    names = ("requests", "input_tokens", "output_tokens", "estimated")
    return Total(*(totals[name] for name in names))


async def _rows(
    history: History, database_url: str, users: dict[str, int]
) -> tuple[list[StoredGeneration], list[Booked]]:
    connection = await asyncpg.connect(database_url)
    try:
        final, booked = await connection.fetch(_FINAL), await connection.fetch(_BOOKED)
    finally:
        await connection.close()
    generations = [_generation(history, users[row["user_id"]], row) for row in final if row["user_id"] in users]
    return generations, [_booked(users[row["user_id"]], row) for row in booked if row["user_id"] in users]


def _generation(history: History, user: int, row: Any) -> StoredGeneration:
    return StoredGeneration(
        id=row["id"],
        user=user,
        conversation_id=row["conversation_id"],
        message_id=row["message_id"],
        status=row["status"],
        failure_code=row["failure_code"],
        last_seq=row["last_seq"],
        began=_moment(history, row["created_at"]),
        ended=_moment(history, row["ended_at"]) if row["ended_at"] else None,
    )


def _moment(history: History, told: datetime) -> float:
    """By the clock of the history."""
    return told.timestamp() - history.wall + history.began


def _booked(user: int, row: Any) -> Booked:
    return Booked(
        generation_id=row["generation_id"],
        user=user,
        attempt=row["attempt"],
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        estimated=row["estimated"],
        outcome=row["outcome"],
    )


async def _final(history: History, account: Account, generation_id: str) -> Connection:
    """The whole log of a generation. What comes of it, after three tries, is for the invariants to judge."""
    for number in count(1):
        connection = await _read(history, account, generation_id)
        if connection.how is Ending.DONE or number == 3:
            return connection
        await asyncio.sleep(1)
    raise AssertionError


async def _read(history: History, account: Account, generation_id: str) -> Connection:
    connection = Connection(0, account.number, 0, Route.RESUME, time.monotonic(), generation_id=generation_id)
    blocks = Blocks(history, connection)
    path = f"/ai/generations/{generation_id}/events?after=0"
    connection.how = Ending.CUT
    try:
        async with (
            asyncio.timeout(30),
            Exchange(account.url, "GET", path, account.credentials(by_key=False)) as exchange,
        ):
            await exchange.head()
            connection.status = exchange.status
            async for piece in exchange.pieces():
                if exchange.status == 200:
                    blocks.feed(piece)
        connection.how = blocks.ending or (Ending.CUT if exchange.status == 200 else Ending.REFUSED)
    except (Broken, TimeoutError):
        pass
    blocks.close()
    return connection
