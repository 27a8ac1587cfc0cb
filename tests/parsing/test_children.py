"""The child that reads: what kills it costs a page, whoever leaves ends it, and it has nothing to give away."""

import asyncio
import os
import signal
import tempfile
from contextlib import aclosing
from pathlib import Path

import pytest

from app.domain.passages import Page
from app.parsing.errors import TooSlow
from app.parsing.kinds import FileKind
from app.parsing.limits import ReadingLimits
from app.parsing.reading import Reading, read
from tests.parsing.pdfs import lines, pdf
from tests.parsing.read import LIMITS, folders, left_over


def of(count: int) -> bytes:
    return pdf(*(lines(f"page {number}") for number in range(1, count + 1)))


@pytest.fixture
def document(tmp_path: Path) -> Path:
    file = tmp_path / "document"
    file.write_bytes(of(400))
    return file


def child_of(reading: Reading) -> int:
    assert reading.pid is not None
    return reading.pid


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def proc(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text()


async def _to_the_end(reading: Reading) -> None:
    async with aclosing(reading.pages()) as told:
        async for _ in told:
            pass


async def test_progress_is_told_before_the_pages(document: Path) -> None:
    async with read(document, FileKind.PDF, LIMITS) as reading:
        assert reading.page_count == 400


async def test_a_killed_child_costs_one_page(tmp_path: Path) -> None:
    """The pipe holds some pages already when it dies; those are told. It never holds all that are left."""
    document = tmp_path / "document"
    document.write_bytes(of(4000))
    limits = ReadingLimits(restarts=3, ocr=False)
    pages: list[Page] = []
    async with read(document, FileKind.PDF, limits) as reading, aclosing(reading.pages()) as told:
        async for page in told:
            pages.append(page)
            if page.number in {1, 200}:
                os.kill(child_of(reading), signal.SIGKILL)
    assert [page.number for page in pages] == list(range(1, 4001))
    flawed = [page for page in pages if page.flaw]
    assert len(flawed) == 2
    assert {page.flaw for page in flawed} == {"too_complex"}
    assert all(page.text == f"page {page.number}" for page in pages if not page.flaw)


async def test_restarts_are_bounded_and_what_is_left_is_told(document: Path) -> None:
    limits = ReadingLimits(restarts=2, ocr=False)
    pages: list[Page] = []
    pids = set()
    async with read(document, FileKind.PDF, limits) as reading, aclosing(reading.pages()) as told:
        async for page in told:
            pages.append(page)
            if reading.pid is not None:
                pids.add(child_of(reading))
                os.kill(child_of(reading), signal.SIGKILL)
    assert len(pids) <= 3
    assert [page.number for page in pages] == list(range(1, 401))
    assert pages[-1].flaw == "too_complex"


async def test_a_page_that_takes_too_long_costs_that_page(document: Path) -> None:
    limits = ReadingLimits(page_seconds=3, restarts=1, ocr=False)
    flaws = []
    async with read(document, FileKind.PDF, limits) as reading, aclosing(reading.pages()) as told:
        async for page in told:
            flaws.append(page.flaw)
            if page.number == 1:
                os.kill(child_of(reading), signal.SIGSTOP)
    assert flaws.count("too_complex") == 1
    assert len(flaws) == 400


async def test_a_document_that_takes_too_long_is_given_up(document: Path) -> None:
    async def hanging() -> None:
        async with read(document, FileKind.PDF, ReadingLimits(seconds=6, page_seconds=60, ocr=False)) as reading:
            os.kill(child_of(reading), signal.SIGSTOP)
            await _to_the_end(reading)

    with pytest.raises(TooSlow):
        await hanging()


async def test_whoever_stops_reading_ends_the_child(document: Path) -> None:
    async with read(document, FileKind.PDF, LIMITS) as reading:
        async with aclosing(reading.pages()) as told:
            await anext(told)
        pid = child_of(reading)
    assert gone(pid)


async def test_a_cancelled_reader_leaves_no_process_no_file_and_no_task(document: Path) -> None:
    before = asyncio.all_tasks(), folders(), len(os.listdir("/proc/self/fd"))
    pids: list[int] = []

    async def endless() -> None:
        async with read(document, FileKind.PDF, LIMITS) as reading:
            pids.append(child_of(reading))
            os.kill(pids[0], signal.SIGSTOP)
            await _to_the_end(reading)

    reader = asyncio.create_task(endless())
    while not pids:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    await _settled(before, pids)


@pytest.mark.parametrize("moment", [0.0, 0.001, 0.01, 0.1])
async def test_a_reader_cancelled_while_the_child_begins_leaves_nothing(document: Path, moment: float) -> None:
    before = asyncio.all_tasks(), folders(), len(os.listdir("/proc/self/fd"))

    async def opening() -> None:
        async with read(document, FileKind.PDF, LIMITS):
            pass

    reader = asyncio.create_task(opening())
    await asyncio.sleep(moment)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    await _settled(before, [])


async def _settled(before: tuple[set[asyncio.Task[object]], set[str], int], pids: list[int]) -> None:
    for _ in range(1000):
        tasks = asyncio.all_tasks() - before[0]
        if not tasks and all(map(gone, pids)) and len(os.listdir("/proc/self/fd")) <= before[2]:
            assert not left_over(before[1])
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"{tasks} {pids} {os.listdir('/proc/self/fd')}")


async def test_the_child_has_no_setting_of_ours_and_cannot_write(
    document: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "do not tell")
    async with read(document, FileKind.PDF, LIMITS) as reading:
        pid = child_of(reading)
        environment = proc(pid, "environ")
        limits = proc(pid, "limits")
        folder = os.readlink(f"/proc/{pid}/cwd").removesuffix(" (deleted)")
        # Already, so that none is left behind if we are killed.
        assert os.path.basename(folder) not in os.listdir(tempfile.gettempdir())
    assert "SECRET_KEY" not in environment
    told = {line[:25].strip(): line[25:].split()[0] for line in limits.splitlines()}
    assert told["Max file size"] == told["Max core file size"] == told["Max processes"] == "0"
    assert int(told["Max address space"]) < 600 * 1024 * 1024
    assert int(told["Max open files"]) <= 64


async def test_a_file_that_is_away_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        async with read(tmp_path / "none", FileKind.PDF, LIMITS):
            pass
