"""What one scrape has of several workers."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from app.core.exposition import PATIENCE, Crew, Exposition
from app.core.metrics import Metrics
from tests.scrape import Scrape


@pytest.fixture
def metrics() -> list[Metrics]:
    return [Metrics(["openai"], "1") for _ in range(3)]


@pytest.fixture
async def workers(metrics: list[Metrics], tmp_path: Path) -> AsyncIterator[list[Exposition]]:
    """Two, of three that there should be."""
    workers = [Exposition(each) for each in metrics]
    for number, worker in enumerate(workers[:2], start=1):
        await worker.join(Crew(number, 3, tmp_path))
    yield workers
    for worker in workers:
        worker.close()


async def scrape(worker: Exposition) -> Scrape:
    return Scrape((await worker.text()).decode())


async def test_alone_a_process_tells_its_own_without_a_label(metrics: list[Metrics], workers: list[Exposition]) -> None:
    metrics[2].attempt("openai", "complete", input_tokens=3, output_tokens=0)

    alone = await scrape(workers[2])

    assert alone.value("ai_tokens_total", direction="input") == 3
    assert "worker" not in alone.text


async def test_whoever_is_asked_tells_the_series_of_all(metrics: list[Metrics], workers: list[Exposition]) -> None:
    metrics[0].attempt("openai", "complete", input_tokens=3, output_tokens=0)
    metrics[1].attempt("openai", "complete", input_tokens=4, output_tokens=0)

    first, second = await scrape(workers[0]), await scrape(workers[1])

    for each in (first, second):
        assert each.value("ai_tokens_total", direction="input", worker="1") == 3
        assert each.value("ai_tokens_total", direction="input", worker="2") == 4
        assert [each.value("ai_worker_up", worker=number) for number in ("1", "2", "3")] == [1, 1, 0]
        families = [family.name for family in each.families]
        assert len(families) == len(set(families)), "each once"
        assert {sample.labels.get("worker") for family in each.families for sample in family.samples} == {"1", "2", "3"}


async def test_one_that_died_is_followed_by_another_in_its_place(
    metrics: list[Metrics], workers: list[Exposition], tmp_path: Path
) -> None:
    workers[1]._server.close()  # type: ignore[union-attr]  # as the kernel does it: what lies in the folder stays
    assert (await scrape(workers[0])).value("ai_worker_up") == 1

    await workers[2].join(Crew(2, 3, tmp_path))

    assert (await scrape(workers[0])).value("ai_worker_up") == 2


async def test_workers_that_leave_together_are_followed_by_others(
    metrics: list[Metrics], workers: list[Exposition], tmp_path: Path
) -> None:
    for worker in workers[:2]:
        worker.close()

    await workers[2].join(Crew(2, 3, tmp_path))
    await workers[0].join(Crew(1, 3, tmp_path))

    assert (await scrape(workers[0])).value("ai_worker_up") == 2


async def test_when_their_parent_has_died_the_last_worker_leaves_nothing(
    metrics: list[Metrics], tmp_path: Path
) -> None:
    folder = tmp_path / "of the workers"
    folder.mkdir()
    workers = [Exposition(each) for each in metrics[:2]]
    for number, worker in enumerate(workers, start=1):
        await worker.join(Crew(number, 2, folder))
        worker.last_ones = True

    workers[0].close()
    assert folder.exists()
    workers[1].close()
    assert not folder.exists()


@pytest.mark.parametrize("left", [12, 900, -1])
async def test_what_one_that_died_did_not_tell_to_its_end_is_left_out(
    left: int, workers: list[Exposition], tmp_path: Path
) -> None:
    async def die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(workers[1]._labelled(Crew(3, 3, tmp_path))[:left])
        writer.close()

    async with await asyncio.start_unix_server(die, tmp_path / "3"):
        told = await scrape(workers[0])

    assert [told.value("ai_worker_up", worker=number) for number in ("1", "2", "3")] == [1, 1, 0]
    assert told.text.count('worker="3"') == 1


async def test_one_that_stands_still_is_not_waited_for_long(workers: list[Exposition], tmp_path: Path) -> None:
    async def stand(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.read()
        writer.close()

    async with await asyncio.start_unix_server(stand, tmp_path / "3"):
        began = time.monotonic()
        told = await scrape(workers[0])

    assert time.monotonic() - began < PATIENCE + 2
    assert told.value("ai_worker_up") == 2
