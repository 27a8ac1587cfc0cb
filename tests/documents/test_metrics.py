"""What Prometheus learns of the reading of documents."""

import asyncio

import pytest

from tests.backend import Backend, User
from tests.conftest import Serve
from tests.documents.papers import added, failed, ids, ready, report
from tests.jobs.papers import long_report
from tests.parsing.pdfs import IMAGE, SCAN, lines, pdf
from tests.scrape import Scrape


@pytest.fixture
async def backend(serve: Serve) -> Backend:
    return await serve(ingest_at_once=1)


@pytest.fixture
async def alice(backend: Backend) -> User:
    return await backend.user("alice")


async def test_how_readings_end_is_counted_and_what_was_read(backend: Backend, alice: User) -> None:
    before = await Scrape.of(backend)
    assert before.value("ai_documents_read_total") == 0
    assert before.value("ai_documents_read_total", outcome="partly", code="none") == 0
    one_picture = pdf(lines("The first page."), SCAN, objects={900: IMAGE})
    whole, blank, partly = await added(
        alice, ("whole.pdf", report(3)), ("blank.pdf", pdf(b"", b"")), ("partly.pdf", one_picture)
    )
    assert await failed(alice, blank["document_id"]) == "no_text"
    for document in (whole, partly):
        await ready(alice, document["document_id"])
    found = await Scrape.of(backend)

    def ended(outcome: str, code: str = "none") -> float:
        return found.value("ai_documents_read_total", outcome=outcome, code=code)

    assert (ended("whole"), ended("partly"), ended("failed", "no_text")) == (1, 1, 1)
    assert found.value("ai_documents_read_total") == 3
    assert found.value("ai_document_reading_seconds_count") == 2
    assert 0 < found.value("ai_document_reading_seconds_sum") < 30
    assert found.value("ai_document_pages_read_total", outcome="read") >= 4
    assert found.value("ai_document_pages_read_total", outcome="unreadable") == 1


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])
async def test_documents_that_wait_are_counted_until_they_are_read(
    backend: Backend, alice: User, database_kind: str
) -> None:
    # The first keeps the others waiting for longer than it takes until that is looked at.
    pages = (250, 5, 5)
    documents = await added(alice, *((f"{number}.pdf", long_report(many)) for number, many in enumerate(pages)))
    await _told(backend, "ai_jobs_waiting", 1, 2)
    await asyncio.gather(*(ready(alice, each, within=60) for each in ids(documents)))
    await _told(backend, "ai_jobs_waiting", 0)
    await _told(backend, "ai_index_changes_waiting", 0)


async def _told(backend: Backend, name: str, *values: float) -> None:
    """Within a few seconds."""
    async with asyncio.timeout(20):
        while (await Scrape.of(backend)).value(name) not in values:
            await asyncio.sleep(0.1)
