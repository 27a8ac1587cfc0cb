"""What a long conversation costs: `python -m tests.bench.opening --messages 10000`.

Opens a conversation at its end, as a page does it, goes back a page, reads one in the middle, and what a turn shows to
a model, in a short conversation and in a long one beside each other; then prints how the database goes about a page.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from time import perf_counter

import pytest

from app.bootstrap import House, build
from app.core.config import Settings
from app.repositories.paths import MESSAGES_ALONG
from tests.bench.databases import KINDS, database_of
from tests.search_rows import Filled, explained, fill

_SHORT = 10
_PAGE = 50
_CHARACTERS = 32_000
"""Of a window of 8,000 tokens."""
Work = Callable[[], Awaitable[object]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.opening", description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=10_000, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=100, help="default: %(default)s")
    parser.add_argument("--databases", default=",".join(KINDS), help="default: %(default)s")
    given = parser.parse_args()
    for kind in given.databases.split(","):
        try:
            asyncio.run(_measure(kind, given.messages, given.rounds))
        except pytest.skip.Exception as missing:
            _say(f"\n{kind}: {missing}")


async def _measure(kind: str, count: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        async with database_of(kind, Path(folder)) as url:
            short = await fill(url, count=_SHORT, people=1, each=_SHORT)
            long = await fill(url, count=count, people=1, each=count)
            house = build(Settings(_env_file=None, database_url=url, data_dir=Path(folder), ollama_discovery=False))
            try:
                of_short, of_long = await _works(house, short), await _works(house, long)
                _say(f"\n{kind}: median (95th percentile) of {rounds} rounds, in ms")
                _say(f"{'':34}{_SHORT:>10,} messages{count:>12,} messages")
                for name in of_short:
                    figures = [await _timed(each[name], rounds) for each in (of_short, of_long)]
                    _say(f"{name:34}" + "".join(f"{middle:12.1f} ({late:.1f})" for middle, late in figures))
            finally:
                await house.database.close()
            _say(await _plan(url, long))


async def _works(house: House, filled: Filled) -> Mapping[str, Work]:
    (user_id,) = filled.user_ids
    page = await house.search.page(user_id, q=None, limit=1, cursor=None)
    conversation = page.items[0].conversation
    leaf_id = conversation.leaf_id
    assert leaf_id is not None

    async def open_it() -> None:
        await house.conversations.get(user_id, conversation.id)
        await read(None)

    async def read(cursor: str | None) -> None:
        found = await house.conversations.path(
            user_id, conversation.id, leaf_id, limit=_PAGE, cursor=cursor, newest_first=True
        )
        assert found.page.items

    async def remember() -> None:
        async with house.database.snapshot() as tx:
            path = await tx.paths.find(conversation.id, leaf_id)
            assert path is not None
            assert await tx.paths.history(path, characters=_CHARACTERS)

    middle = str(filled.each // 2 + 1)
    return {
        "open it at its end": open_it,
        "a page in its middle": lambda: read(middle),
        "what a turn shows to a model": remember,
    }


async def _timed(work: Work, rounds: int) -> tuple[float, float]:
    times = []
    for _ in range(rounds):
        began = perf_counter()
        await work()
        times.append((perf_counter() - began) * 1000)
    times.sort()
    return times[len(times) // 2], times[int(len(times) * 0.95)]


async def _plan(url: str, filled: Filled) -> str:
    values = {"branch_0": filled.branch_id, "upto_0": filled.each // 2, "after": 0, "at_most": _PAGE + 1}
    return await explained(url, MESSAGES_ALONG[1, True], values)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
