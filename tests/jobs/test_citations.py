"""Answers from a document whose first worker was killed in the middle of it: each citation opens its page."""

import signal

from sqlalchemy import text

from tests.accounts.behind import alter
from tests.backend import User
from tests.documents.book import FACTS, bare, book
from tests.documents.citations import Opening
from tests.documents.papers import added, ready
from tests.documents.rows import pages_twice
from tests.grounding.library import ask
from tests.jobs.conftest import Crew
from tests.jobs.papers import midway
from tests.jobs.worker import Worker

PAGES = 1200
"""Some seconds' reading."""
SHELF = "/rag/collections/shelf/documents"


async def test_nothing_is_lost_or_done_twice_and_citations_are_true(
    alice: User, worker: Worker, crew: Crew, url: str
) -> None:
    data = book(PAGES)
    (document,) = await added(alice, ("A book 一本书.pdf", data), to=SHELF)
    await midway(alice, document["job_id"])
    worker.signal(signal.SIGKILL)
    await worker.exited()
    await alter(url, text("UPDATE jobs SET expires_at = expires_at - 60"))  # its lease runs out
    await crew.another()
    told = await ready(alice, document["document_id"], SHELF, within=90)
    assert (told["pages"], told["unreadable_count"]) == (PAGES, 0)
    assert await pages_twice(url) == 0
    opening = Opening(alice, url, data, "shelf")
    for fact in FACTS:
        stream = await ask(alice, fact.question, "shelf")
        await opening.answers(stream, fact)
        assert fact.key in bare(stream.text)
    assert (await alice.http.delete("/rag/collections/shelf")).status_code == 204
