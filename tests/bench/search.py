"""What a search costs: `python -m tests.bench.search --messages 100000 --databases sqlite,postgresql,mariadb`.

Fills each database with messages of several people, half of them in Chinese, then times searches as the service makes
them, snippets and all, and prints how the database goes about the hardest of them.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter

import pytest

from app.core.config import StorageSettings
from app.database import Database
from app.services.search import SearchService
from tests.bench.databases import KINDS, database_of
from tests.search_rows import Filled, Vocabulary, fill, plan


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.search", description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=100_000, help="default: %(default)s")
    parser.add_argument("--people", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=40, help="default: %(default)s")
    parser.add_argument("--databases", default=",".join(KINDS), help="default: %(default)s")
    given = parser.parse_args()
    for kind in given.databases.split(","):
        try:
            asyncio.run(_measure(kind, given.messages, given.people, given.rounds))
        except pytest.skip.Exception as missing:
            _say(f"\n{kind}: {missing}")


async def _measure(kind: str, messages: int, people: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        async with database_of(kind, Path(folder)) as url:
            began = perf_counter()
            filled = await fill(url, count=messages, people=people)
            _say(f"\n{kind}: {messages:,} messages of {people} people, filled in {perf_counter() - began:.0f} s")
            await _ask(url, filled, rounds)


async def _ask(url: str, filled: Filled, rounds: int) -> None:
    database = Database(StorageSettings(_env_file=None, database_url=url, database_statement_timeout=60))
    search = SearchService(database)
    asked = _searches(filled.vocabulary)
    _say(f"{'':24}{'found':>8}{'median':>10}{'p95':>10}  ms")
    for name, q in asked.items():
        found, times = 0, []
        for _ in range(rounds):
            began = perf_counter()
            page = await search.page(filled.user_ids[0], q=q, limit=20, cursor=None)
            times.append((perf_counter() - began) * 1000)
            found = len(page.items)
        times.sort()
        _say(f"{name:24}{found:8}{times[len(times) // 2]:10.1f}{times[int(len(times) * 0.95)]:10.1f}")
    _say(await plan(url, filled.user_ids[0], asked["two Chinese characters"]))
    await database.close()


def _searches(vocabulary: Vocabulary) -> Mapping[str, str]:
    words, characters = vocabulary.words, vocabulary.characters
    return {
        "a rare word": words[len(words) // 2],
        "the commonest word": words[0],
        "two Chinese characters": characters[0] + characters[1],
        "one Chinese character": characters[0],
        "three words": f"{words[5]} {words[40]} {characters[2] + characters[0]}",
        "three common words": " ".join(words[:3]),
        "no hit": "xylophonquartz",
    }


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
