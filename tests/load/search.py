"""Searches in many passages: what one takes of the processor, the service's and the index's together."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

import httpx

from app.bootstrap import House
from tests.backend import PLAIN
from tests.load.clocks import Taken
from tests.load.documents import COLLECTION
from tests.load.memory import watched
from tests.load.people import Person
from tests.load.prose import Chinese, English, Prose
from tests.load.worker import Stage
from tests.rag import rows
from tests.scrape import Scrape

TONGUES: dict[str, tuple[Callable[[Random], Prose], int]] = {"english": (English, 700), "chinese": (Chinese, 290)}
"""Who writes, and how many characters a paragraph has."""
_PAGES, _PARAGRAPHS = 100, 5
_FIRST = 10
"""Questions that are not counted."""
_LOOK = 1.0
_STILL = 0.05
"""Of a core."""
_PATIENCE = 1800.0
_RATE = 400
"""Passages that are written and learnt a second, on a usual machine."""


@dataclass(frozen=True, slots=True)
class Search:
    passages: int = 50_000
    questions: int = 200
    """In each language, one after the other."""

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return self.passages / _RATE + 2 * self.questions / 30


@dataclass(slots=True)
class Searched:
    passages: int = 0
    cpu: dict[str, Taken] = field(default_factory=dict)  # of all searches, by language
    seconds: dict[str, list[float]] = field(default_factory=dict)  # until each was answered
    index: int = 0  # bytes that the index's process held at the most
    errors: list[str] = field(default_factory=list)


class Shelves:
    """Documents that were read already and only wait for the index, for one user, before there is a worker."""

    def __init__(self, passages: int) -> None:
        self._wanted = passages
        self.passages = 0
        self.documents = 0

    async def fill(self, house: House, people: Sequence[Person]) -> None:
        """Half of them in English, half in Chinese."""
        writers = [(make(Random(7)), characters) for make, characters in TONGUES.values()]  # noqa: S311
        pages = min(_PAGES, -(-self._wanted // (len(writers) * _PARAGRAPHS)))
        while self.passages < self._wanted:
            for prose, characters in writers:
                texts = [_page(prose, characters) for _ in range(pages)]
                await self._put(house, people[0].user_id, texts)

    async def _put(self, house: House, user_id: str, texts: Sequence[str]) -> None:
        title = f"Volume {self.documents}"
        document = await rows.read(house.database, user_id, texts, title=title, name=COLLECTION, told=False)
        self.documents += 1
        self.passages += document.chunk_count


def _page(prose: Prose, characters: int) -> str:
    return "\n\n".join(prose.paragraph(characters) for _ in range(_PARAGRAPHS))


async def measure(on: Stage, shelves: Shelves, search: Search) -> Searched:
    found = Searched(shelves.passages)
    headers = {"Authorization": f"Bearer {on.people[0].token}"}
    async with (
        httpx.AsyncClient(base_url=on.worker.url, headers=headers, trust_env=False, verify=PLAIN, timeout=60) as http,
        watched(on.worker) as memory,
    ):
        async with asyncio.timeout(_PATIENCE):
            await _learnt(http, shelves.documents)
            await _still(on)
        for language, (make, _) in TONGUES.items():
            prose = make(Random(8))  # noqa: S311
            await _ask(http, prose, _FIRST, found.errors)
            before = Taken.by(on.worker)
            found.seconds[language] = await _ask(http, prose, search.questions, found.errors)
            found.cpu[language] = Taken.by(on.worker).since(before)
    found.index = memory.index
    return found


async def _learnt(http: httpx.AsyncClient, documents: int) -> None:
    while True:
        told = Scrape((await http.get("/metrics")).text)
        if told.value("ai_documents_indexed_total", outcome="ready") >= documents:
            return
        await asyncio.sleep(_LOOK)


async def _still(on: Stage) -> None:
    """Until the index has nothing to tidy up any more."""
    share = 1.0
    while share > _STILL:
        cpu, began = on.worker.cpu(), time.monotonic()
        await asyncio.sleep(2 * _LOOK)
        share = (on.worker.cpu() - cpu) / (time.monotonic() - began)


async def _ask(http: httpx.AsyncClient, prose: Prose, questions: int, errors: list[str]) -> list[float]:
    taken = []
    for question in [prose.question() for _ in range(questions)]:
        began = time.monotonic()
        answer = await http.post("/rag/search", json={"query": question, "collection": COLLECTION})
        taken.append(time.monotonic() - began)
        if answer.status_code != 200 or not answer.json()["results"]:
            errors.append(f"{question}: {answer.status_code} {answer.text[:300]}")
    return taken
