"""Thousands of pages brought by some users while others chat: how fast they can be found, what the service holds for
them, and whether anybody's stream stops for it."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.backend import PLAIN
from tests.load.clocks import Taken
from tests.load.memory import Memory, watched
from tests.load.papers import Paper, papers
from tests.load.people import Person
from tests.load.talks import Talks, talking
from tests.load.vendor import Plan
from tests.load.worker import Stage

COLLECTION = "load"
_LOOK = 0.5
_PATIENCE = 3600.0
_RATE = 60
"""Pages a second, of a usual machine."""
_ENDED = ("ready", "failed", "cancelled")
_TALK = Plan(chunks=400, apart=50)


@dataclass(frozen=True, slots=True)
class Documents:
    """How many pages in all, how many a document has, who brings them, and who chats beside.

    In seconds: how long the chats are let run in, how long they are watched alone, and how long they go on when all has
    been read.
    """

    pages: int = 10_000
    each: int = 500
    bringing: int = 2
    chats: int = 50
    talk: Plan = _TALK
    warmth: float = 8.0
    alone: float = 20.0
    calm: float = 10.0

    @property
    def count(self) -> int:
        return -(-self.pages // self.each)

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return self.warmth + self.alone + self.calm + self.talk.chunks * self.talk.apart / 1000 + self.pages / _RATE

    @property
    def everybody(self) -> int:
        return self.bringing + self.chats


@dataclass(slots=True)
class Brought:
    documents: Documents
    pages: int = 0  # that can be found
    passages: int = 0
    megabytes: float = 0.0  # of their files
    seconds: float = 0.0  # from the first upload until all can be found
    memory: Memory = field(default_factory=Memory)
    alone: Sequence[float] = ()  # gaps between chunks in seconds, before
    beside: Sequence[float] = ()  # and from the first upload until all could be found
    taken: Taken = field(default_factory=Taken)  # of the processor, meanwhile
    client: float = 0.0
    vendor: float = 0.0
    errors: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Bringer:
    http: httpx.AsyncClient
    papers: Sequence[Paper]


async def measure(on: Stage, documents: Documents) -> Brought:
    found = Brought(documents)
    written = list(papers(documents.count, documents.each))
    found.megabytes = sum(len(paper.content) for paper in written) / 1024**2
    async with _bringers(on, documents, written) as bringers:
        async with talking(on, on.people[documents.bringing : documents.everybody], documents.talk) as talks:
            await asyncio.sleep(documents.warmth)
            began = time.monotonic()
            await asyncio.sleep(documents.alone)
            async with watched(on.worker) as found.memory:
                await _bring(on, bringers, talks, began, found)
                await asyncio.sleep(documents.calm)
        found.errors += talks.errors
        for bringer in bringers:
            await _examine(bringer, found)
    return found


@asynccontextmanager
async def _bringers(on: Stage, documents: Documents, written: Sequence[Paper]) -> AsyncIterator[Sequence[_Bringer]]:
    """Of two, one brings the English ones and one the Chinese."""
    people = on.people[: min(documents.bringing, len(written))]
    bringers = [_Bringer(_http(on, person), written[number :: len(people)]) for number, person in enumerate(people)]
    try:
        yield bringers
    finally:
        for bringer in bringers:
            await bringer.http.aclose()


def _http(on: Stage, person: Person) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {person.token}"}
    return httpx.AsyncClient(base_url=on.worker.url, headers=headers, trust_env=False, verify=PLAIN, timeout=60)


async def _bring(on: Stage, bringers: Sequence[_Bringer], talks: Talks, began: float, found: Brought) -> None:
    begun = time.monotonic()
    taken, client, vendor = Taken.by(on.worker), time.process_time(), on.vendor.cpu()
    await asyncio.gather(*map(_upload, bringers))
    async with asyncio.timeout(_PATIENCE):
        await asyncio.gather(*map(_settled, bringers))
    ended = time.monotonic()
    found.seconds = ended - begun
    found.taken = Taken.by(on.worker).since(taken)
    found.client = (time.process_time() - client) / found.seconds
    found.vendor = (on.vendor.cpu() - vendor) / found.seconds
    found.alone, found.beside = talks.gaps_between(began, begun), talks.gaps_between(begun, ended)


async def _upload(bringer: _Bringer) -> None:
    """One after the other, as a user's page does."""
    for paper in bringer.papers:
        file = (paper.name, paper.content, "application/pdf")
        answer = await bringer.http.post(f"/rag/collections/{COLLECTION}/documents", files={"files": file})
        answer.raise_for_status()


async def _settled(bringer: _Bringer) -> None:
    while any(each["status"] not in _ENDED for each in await _listed(bringer)):
        await asyncio.sleep(_LOOK)


async def _listed(bringer: _Bringer) -> Sequence[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    query = {"limit": "100"}
    while True:
        answer = await bringer.http.get(f"/rag/collections/{COLLECTION}/documents", params=query)
        told = answer.raise_for_status().json()
        items += told["items"]
        if told["next_cursor"] is None:
            return items
        query["cursor"] = told["next_cursor"]


async def _examine(bringer: _Bringer, found: Brought) -> None:
    """Whether all was read, and each document is found by what one of its pages says."""
    listed = {each["title"]: each for each in await _listed(bringer)}
    for paper in bringer.papers:
        told = listed[paper.name]
        if (told["status"], told["pages"], told["unreadable_count"]) != ("ready", paper.pages, 0):
            found.errors.append(f"{paper.name} is {told}")
            continue
        found.pages += told["pages"]
        found.passages += told["chunks"]
        asked = {"query": paper.said, "collection": COLLECTION, "top_k": 1}
        results = (await bringer.http.post("/rag/search", json=asked)).raise_for_status().json()["results"]
        if [(each["title"], each["page"]) for each in results] != [(paper.name, paper.page)]:
            found.errors.append(f"{paper.said} is not found on page {paper.page} of {paper.name}: {results}")
