"""The engine's process dies, freezes, or is somebody else's: what was acknowledged is there, and nobody waits long."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.core.errors import VectorsUnavailable
from app.domain.vectors import Space
from app.stores.vectors.embedded import EmbeddedVectors
from app.stores.vectors.folder import FolderInUse
from tests.stores.vectors.points import ALICE, name, point, query

ROOT = Path(__file__).parents[3]
SPACE = Space("space", 3)
# A service that opens a folder, says so, and then does nothing.
SERVICE = """
import asyncio, sys
from pathlib import Path
from app.domain.vectors import Space
from app.stores.vectors.embedded import EmbeddedVectors

async def main():
    store = EmbeddedVectors(Path(sys.argv[1]), patience=20)
    await store.open(Space("space", 3))
    print(store.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def engine_of(store: EmbeddedVectors) -> int:
    assert store.pid is not None
    return store.pid


def lives(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False


def environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


async def gone(pid: int) -> bool:
    latest = time.monotonic() + 15
    while lives(pid) and time.monotonic() < latest:
        await asyncio.sleep(0.02)
    return not lives(pid)


async def impatient(folder: Path, **limits: float) -> EmbeddedVectors:
    """One that waits a second for its engine, with a point of alice's; to begin, a busy machine takes longer."""
    store, first = EmbeddedVectors(folder, patience=1, **limits), point({1: 1.0})
    async with asyncio.timeout(30):
        while True:
            try:
                await store.open(SPACE)
                await store.upsert(SPACE, ALICE, [first])
                return store
            except VectorsUnavailable:
                await asyncio.sleep(0.05)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "vectors"


@pytest.fixture
async def store(folder: Path) -> AsyncIterator[EmbeddedVectors]:
    made = EmbeddedVectors(folder, patience=20)
    await made.open(SPACE)
    yield made
    await made.close()


async def test_what_was_acknowledged_survives_twenty_kills(store: EmbeddedVectors) -> None:
    chance, document, written = random.Random(2), name(), 0  # noqa: S311
    for _ in range(20):
        for _ in range(chance.randint(1, 4)):
            count = chance.randint(1, 70)
            await store.upsert(SPACE, ALICE, [point({1: 1.0}, [1, 0, 0], document=document) for _ in range(count)])
            written += count
        before = engine_of(store)
        os.kill(before, signal.SIGKILL)

        assert await store.documents(SPACE, ALICE) == {document: written}
        assert engine_of(store) != before

    found = await store.search(SPACE, ALICE, query({1: 1.0}, [1, 0, 0], limit=10_000))
    assert len(found.sparse) == len(found.dense) == written


async def test_a_deletion_that_was_acknowledged_survives_too(store: EmbeddedVectors) -> None:
    going = name()
    for _ in range(5):
        await store.upsert(SPACE, ALICE, [point({1: 1.0}, document=going) for _ in range(40)])
        await store.delete(SPACE, ALICE, document_id=going)
        os.kill(engine_of(store), signal.SIGKILL)

        assert await store.documents(SPACE, ALICE) == {}


async def test_a_call_under_way_is_made_again(store: EmbeddedVectors) -> None:
    document, count, killed, stored = name(), 4000, 0, 0
    points = [point({1: 1.0}, [1, 0, 0], document=document) for _ in range(count)]

    async def write() -> None:
        await store.upsert(SPACE, ALICE, points)

    writing = asyncio.create_task(write())
    while not writing.done() and killed < 3:
        # One call that is hit twice is given up: so it goes on before the next is hit.
        found = (await store.documents(SPACE, ALICE)).get(document, 0)
        if found > stored:
            stored = found
            os.kill(engine_of(store), signal.SIGKILL)
            killed += 1
        await asyncio.sleep(0.01)
    await writing

    assert killed == 3
    assert await store.documents(SPACE, ALICE) == {document: count}


@pytest.fixture
def half_made(folder: Path) -> Path:
    half = folder / ".half"
    half.mkdir(parents=True)
    (half / "edge_config.json").write_text("{")
    return half


async def test_a_space_whose_making_was_cut_short_is_made_anew(folder: Path, half_made: Path) -> None:
    store = EmbeddedVectors(folder, patience=20)

    await store.open(SPACE)

    assert await store.spaces() == [SPACE.name]
    assert half_made.name not in os.listdir(folder)
    await store.close()


async def test_a_broken_space_says_so_and_harms_no_other(store: EmbeddedVectors, folder: Path) -> None:
    broken = Space("broken", 3)
    (folder / broken.name).mkdir()
    (folder / broken.name / "space.json").write_text("{}")

    for _ in range(10):
        with pytest.raises(VectorsUnavailable):
            await store.search(broken, ALICE, query({1: 1.0}))
    await store.upsert(SPACE, ALICE, [point({1: 1.0})])

    assert len(await store.documents(SPACE, ALICE)) == 1


async def test_a_frozen_engine_keeps_nobody_waiting(folder: Path) -> None:
    store = await impatient(folder)
    os.kill(engine_of(store), signal.SIGSTOP)

    began = time.monotonic()
    outcomes = await asyncio.gather(
        *(store.search(SPACE, ALICE, query({1: 1.0})) for _ in range(500)), return_exceptions=True
    )

    assert time.monotonic() - began < 6
    assert {type(each) for each in outcomes} == {VectorsUnavailable}
    os.kill(engine_of(store), signal.SIGCONT)
    async with asyncio.timeout(20):
        while store.away:
            await asyncio.sleep(0.05)
    assert len((await store.search(SPACE, ALICE, query({1: 1.0}))).sparse) == 1
    await store.close()


async def test_an_engine_that_stays_frozen_is_replaced(folder: Path) -> None:
    store = await impatient(folder, stall=5)
    frozen = engine_of(store)
    os.kill(frozen, signal.SIGSTOP)

    async with asyncio.timeout(30):
        while True:
            try:
                assert len((await store.search(SPACE, ALICE, query({1: 1.0}))).sparse) == 1
                break
            except VectorsUnavailable:
                await asyncio.sleep(0.1)

    assert not lives(frozen)
    await store.close()


async def test_who_gives_up_waiting_disturbs_nobody(store: EmbeddedVectors) -> None:
    for _ in range(50):
        task = asyncio.create_task(store.upsert(SPACE, ALICE, [point({1: 1.0})]))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})

    assert len((await store.search(SPACE, ALICE, query({1: 1.0}))).sparse) <= 50


async def test_who_gives_up_while_it_begins_leaves_no_process_behind(folder: Path) -> None:
    store = EmbeddedVectors(folder, patience=20)
    task = asyncio.create_task(store.open(SPACE))
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait({task})

    await store.open(SPACE)
    begun = engine_of(store)
    await store.close()

    assert not lives(begun)


async def test_closing_ends_the_process_and_frees_the_folder(store: EmbeddedVectors, folder: Path) -> None:
    await store.upsert(SPACE, ALICE, [point({1: 1.0})])
    engine = engine_of(store)
    await store.close()

    assert not lives(engine)
    with pytest.raises(VectorsUnavailable):
        await store.spaces()
    again = EmbeddedVectors(folder, patience=20)
    await again.claim()
    assert len(await again.documents(SPACE, ALICE)) == 1
    await again.close()


async def test_a_folder_has_one_service(store: EmbeddedVectors, folder: Path) -> None:
    second = EmbeddedVectors(folder, patience=20)
    with pytest.raises(FolderInUse, match=r"DATA_DIR.*QDRANT_URL"):
        await second.claim()
    with pytest.raises(VectorsUnavailable):
        await second.spaces()
    await second.close()

    assert await store.spaces() == [SPACE.name]


async def test_the_engine_goes_with_its_service_and_the_next_one_finds_all(folder: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SERVICE, str(folder)),
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "SECRET_KEY": "not for the engine"},
    )
    assert process.stdout is not None
    engine = int(await process.stdout.readline())
    environment = environment_of(engine)
    process.kill()
    await process.wait()

    store = EmbeddedVectors(folder, patience=20)
    await store.claim()
    assert await store.spaces() == [SPACE.name]
    assert await gone(engine)
    await store.close()
    assert b"SECRET" not in environment


async def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = EmbeddedVectors(tmp_path / "file" / "vectors", patience=20)
    with pytest.raises(OSError, match="file"):
        await store.claim()
    with pytest.raises(VectorsUnavailable):
        await store.spaces()
    await store.close()


def test_the_service_loads_neither_engine_nor_client() -> None:
    heavy = "'qdrant_edge', 'qdrant_client', 'numpy', 'grpc'"
    code = f"import app.stores.vectors.embedded, sys; print(sorted({{{heavy}}} & sys.modules.keys()))"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, text=True)
    assert told.stdout.strip() == "[]"
