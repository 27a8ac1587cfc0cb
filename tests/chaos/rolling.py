"""`make rolling`: both instances are restarted in turn, again and again, while everybody streams; nothing is lost."""

import argparse
import asyncio
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.account import Account
from tests.chaos.history import History
from tests.chaos.http import Broken, Exchange
from tests.chaos.logs import complaints
from tests.chaos.nonces import nonce_of
from tests.chaos.plans import Plan
from tests.chaos.stopping import run_loop, stoppable
from tests.chaos.world import World
from tests.sse import Event, parse

DRAIN = 12.0
_CHUNKS = 30
_GAPS = (180, 240)
"""Milliseconds: an answer takes six seconds or seven, well less than the drain."""
_STREAMS_A_USER = 10


@dataclass(frozen=True, slots=True)
class Options:
    streams: int
    times: int


@dataclass(slots=True)
class Tally:
    """What became of it all. `again` counts, for each client, the connections it needed beyond one an answer."""

    whole: int = 0
    again: Counter[int] = field(default_factory=Counter)
    most_again: int = 0
    """In one restart, by one client."""
    losses: list[str] = field(default_factory=list)

    def restarted(self) -> None:
        """A restart is over: the next one is counted anew."""
        self.most_again = max([self.most_again, *self.again.values()])
        self.again.clear()


async def rolling(options: Options, folder: Path, say: Callable[[str], None]) -> Tally:
    history = History(0, time.monotonic(), time.time())
    tally = Tally()
    async with World(folder, history, DRAIN_SECONDS=str(DRAIN)) as world:
        chance = random.Random(0)  # noqa: S311
        users = [
            Account(world.front.url, number, chance) for number in range(1, options.streams // _STREAMS_A_USER + 2)
        ]
        for user in users:
            await user.sign_up()
        over = asyncio.Event()
        clients = [Client(number, users[number % len(users)], tally, over) for number in range(options.streams)]
        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(client.live())
                await asyncio.sleep(_CHUNKS * _GAPS[0] / 1000 / options.streams)
            await _restart(world, options.times, tally, say)
            over.set()
    logs = [log for instance in world.instances.values() for log in instance.logs]
    tally.losses += complaints(logs) + world.vendor.strange
    return tally


async def _restart(world: World, times: int, tally: Tally, say: Callable[[str], None]) -> None:
    """As a deploy does it: the next instance only when the one before is ready again."""
    for number in range(1, times + 1):
        for instance in world.instances.values():
            tally.again.clear()
            started = instance.starts
            instance.signal(signal.SIGTERM)
            await instance.ready(after=started)
            await asyncio.sleep(1)
            again = sum(tally.again.values())
            tally.restarted()
            say(
                f"restart {number} of {instance.name}: {tally.whole} answers whole so far, {again} reconnects, "
                f"at most {tally.most_again} by a client in a restart, {len(tally.losses)} losses"
            )


class Client:
    """Asks, reads the answer to its end however often it is sent elsewhere, and asks again."""

    def __init__(self, number: int, account: Account, tally: Tally, over: asyncio.Event) -> None:
        self._number = number
        self._account = account
        self._tally = tally
        self._over = over

    async def live(self) -> None:
        serial = 0
        while not self._over.is_set():
            serial += 1
            gap = _GAPS[(serial + self._number) % len(_GAPS)]
            plan = Plan(f"{nonce_of(self._account.number, self._number)}-{serial}", chunks=_CHUNKS, gap=gap)
            events = await self._ask(plan)
            loss = lost(plan, events)
            if loss:
                self._tally.losses.append(f"client {self._number}, {plan.nonce}: {loss}")
            else:
                self._tally.whole += 1

    async def _ask(self, plan: Plan) -> list[Event]:
        """All events of the answer, over as many connections as it takes."""
        body = json.dumps({"message": f"Go on {plan}"}).encode()
        generation, events, tries = "", list[Event](), 0
        while not ended(events) and tries < 20:
            if tries:
                self._tally.again[self._number] += 1
                await asyncio.sleep(0.5)
            tries += 1
            if generation:
                path, sent = f"/ai/generations/{generation}/events?after={last_seq(events)}", b""
            else:
                path, sent = "/ai/chat/stream", body
            found, read = await self._read("POST" if sent else "GET", path, sent, plan.nonce)
            generation = generation or found
            events += read
        return events

    async def _read(self, method: str, path: str, body: bytes, key: str) -> tuple[str, list[Event]]:
        """The generation, and the numbered events that came over one connection."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": key} if body else {}
        headers |= self._account.credentials(by_key=True)
        data, generation = b"", ""
        try:
            async with asyncio.timeout(60), Exchange(self._account.url, method, path, headers, body) as exchange:
                await exchange.head()
                generation = exchange.headers.get("x-generation-id", "")
                async for piece in exchange.pieces():
                    data += piece
                if exchange.status != 200:
                    return "", []
        except (Broken, TimeoutError):
            pass
        return generation, numbered(data)


def numbered(data: bytes) -> list[Event]:
    """The numbered events of what was read, as far as they are whole."""
    whole, _, _ = data.rpartition(b"\n\n")
    return [event for event in parse(whole + b"\n\n") if "seq" in event.json and event.name != "goodbye"]


def ended(events: Sequence[Event]) -> bool:
    return bool(events) and "done" in events[-1].json


def last_seq(events: Sequence[Event]) -> int:
    return int(events[-1].json["seq"]) if events else 0


def lost(plan: Plan, events: Sequence[Event]) -> str | None:
    """What an answer lacks, if anything: each event exactly once, the whole text of the first call, `complete`."""
    if not ended(events):
        return f"no end after {len(events)} events"
    if events[-1].json["status"] != "complete":
        return f"it is {events[-1].json['status']}: {[event.json for event in events if event.name == 'failure']}"
    if [event.json["seq"] for event in events] != list(range(1, len(events) + 1)):
        return f"its events are numbered {[event.json['seq'] for event in events]}"
    text = "".join(event.json["text"] for event in events if event.name == "message" and "text" in event.json)
    return None if text == plan.text(1) else f"its text is {len(text)} characters instead of {len(plan.text(1))}"


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


def main() -> None:
    """Exits with 1 when anything was lost, or a client had to connect anew more than once in a restart."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.rolling", description=__doc__)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--times", type=int, default=20, help="restarts of each instance")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="rolling-"))
    tally = run_loop(stoppable(rolling(Options(given.streams, given.times), folder, say)))
    shutil.rmtree(folder / "postgresql", ignore_errors=True)
    for loss in tally.losses[:20]:
        say(f"LOST {loss}")
    say(
        f"{tally.whole} answers whole, {len(tally.losses)} losses, "
        f"at most {tally.most_again} reconnects of a client in a restart"
    )
    if tally.losses or tally.most_again > 1:
        say(f"The instances' logs are in {folder}")
        sys.exit(1)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
