"""Reading one answer as people do: dropped in the middle, gone on elsewhere, from the last number that was seen."""

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass

from tests.chaos.blocks import Blocks
from tests.chaos.history import Connection, Ending, History, Oddity, Route
from tests.chaos.household import Heard, Household
from tests.chaos.http import Broken, Exchange

SILENCE = 40.0
"""Seconds without a byte after which a client gives a connection up: a living server says something after 15."""
_PATIENCE = 150.0
"""Seconds in which an answer is to have been read, with all its connections."""
_BUSY = (429, 503)
"""Refusals that a client may meet while something is broken."""


@dataclass(slots=True)
class Habits:
    """How often a reader is yet to drop its connection, and whether by RST."""

    drops: int = 0
    reset: bool = False


class Follower:
    """One reading of one generation, over as many connections as it takes."""

    def __init__(
        self,
        history: History,
        house: Household,
        client: int,
        rng: random.Random,
        numbers: Iterator[int],
        habits: Habits,
        after: int = 0,
    ) -> None:
        self._history = history
        self._house = house
        self._client = client
        self._rng = rng
        self._numbers = numbers
        self._habits = habits
        self._reading = next(numbers)
        self._retry = 0.0
        self.last_seq = after

    def connection(self, route: Route) -> Connection:
        """The record of a connection that is about to be opened."""
        made = Connection(
            number=next(self._numbers),
            user=self._house.account.number,
            client=self._client,
            route=route,
            opened=time.monotonic(),
            after=self.last_seq,
            reading=self._reading,
        )
        self._history.connections.append(made)
        return made

    async def read(self, connection: Connection, exchange: Exchange) -> Ending:
        """Read a stream whose head has come, to its end or until the client has had enough."""
        connection.status = exchange.status
        connection.generation_id = exchange.headers.get("x-generation-id")
        blocks = Blocks(self._history, connection)
        connection.how = Ending.LEFT  # which stands where we are cancelled
        try:
            connection.how = await self._read(connection, exchange, blocks)
        finally:
            blocks.close()
            connection.ended = time.monotonic()
            self.last_seq = max(self.last_seq, connection.trace.last_seq)
        if connection.how is Ending.LEFT and self._habits.reset:
            exchange.reset()
        self._retry = blocks.retry if connection.how is Ending.GOODBYE else 0.0
        return connection.how

    async def finish(self, heard: Heard) -> bool:
        """Go on until the end has been read; false where it takes longer than anybody waits."""
        deadline = time.monotonic() + _PATIENCE
        pause = 0.1
        while time.monotonic() < deadline:
            await asyncio.sleep(self._retry or pause * self._rng.uniform(0.5, 1.5))
            ending = await self._resume(heard.generation_id)
            heard.last_seq = max(heard.last_seq, self.last_seq)
            if ending in (Ending.DONE, Ending.EMPTY):
                heard.ended = True
                return True
            pause = 0.1 if ending is Ending.LEFT else min(2.0, pause * 2)
        what = f"an answer that nobody could read to its end in {_PATIENCE:.0f} s, from {self.last_seq} on"
        user = self._house.account.number
        self._history.oddities.append(Oddity(time.monotonic(), user, what, "", heard.generation_id))
        return False

    async def _read(self, connection: Connection, exchange: Exchange, blocks: Blocks) -> Ending:
        leave_after = self._rng.randrange(12) if self._habits.drops > 0 else None
        async with aclosing(exchange.pieces()) as pieces:
            while True:
                try:
                    async with asyncio.timeout(SILENCE):
                        piece = await anext(pieces, None)
                except TimeoutError:
                    return blocks.ending or Ending.SILENT
                except Broken:
                    return blocks.ending or Ending.CUT
                if piece is None:
                    return blocks.ending or Ending.CUT
                blocks.feed(piece)
                if leave_after is not None and len(connection.trace) >= leave_after and blocks.ending is None:
                    self._habits.drops -= 1
                    return Ending.LEFT

    async def _resume(self, generation_id: str) -> Ending:
        self._retry = 0.0
        route, path, headers = self._spelled(generation_id)
        connection = self.connection(route)
        connection.generation_id = generation_id
        account = self._house.account
        headers.update(account.credentials(by_key=self._rng.random() < 0.5))
        async with Exchange(account.url, "GET", path, headers) as exchange:
            try:
                async with asyncio.timeout(SILENCE):
                    await exchange.head()
                if exchange.status == 200:
                    return await self.read(connection, exchange)
                return await self._refused(connection, exchange)
            except TimeoutError:
                connection.how = Ending.SILENT
            except Broken:
                connection.how = Ending.CUT
        connection.ended = time.monotonic()
        return connection.how

    def _spelled(self, generation_id: str) -> tuple[Route, str, dict[str, str]]:
        """The same wish in one of the ways that clients have."""
        path = f"/ai/generations/{generation_id}/events"
        last = {"Last-Event-ID": f"{generation_id}:{self.last_seq}"}
        match self._rng.randrange(4):
            case 0:
                return Route.RESUME, path, last
            case 1 if self.last_seq:
                return Route.GET, "/ai/chat/stream", last
            case _:
                return Route.RESUME, f"{path}?after={self.last_seq}", {}

    async def _refused(self, connection: Connection, exchange: Exchange) -> Ending:
        connection.status = exchange.status
        connection.ended = time.monotonic()
        connection.how = Ending.EMPTY if exchange.status == 204 else Ending.REFUSED
        if exchange.status == 204:
            return connection.how
        body = await exchange.json()
        connection.code = body.get("code") if isinstance(body, dict) else None
        if exchange.status == 401:
            await self._house.account.sign_in()
        elif exchange.status not in _BUSY:
            what = f"{exchange.status} {connection.code} to one who goes on reading after {connection.after}"
            self._history.oddities.append(
                Oddity(time.monotonic(), connection.user, what, str(body)[:300], connection.generation_id)
            )
        return connection.how
