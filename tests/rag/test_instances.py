"""Several processes: without a Qdrant server one of them has the search in documents, with one all have."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest

from app.database import Database
from app.domain.documents import DocumentStatus
from tests.backend import Process, User
from tests.qdrant_server import QdrantServer
from tests.rag import rows
from tests.rag.keeper import eventually
from tests.rag.test_search import ENGLISH

QUERY = {"query": "How long is the warranty of the pump?", "collection": "manuals"}


pytestmark = [pytest.mark.usefixtures("database_kind"), pytest.mark.parametrize("database_kind", ["postgresql"])]

Start = Callable[..., Awaitable[Process]]


@pytest.fixture
async def start(tmp_path: Path, database_url: str) -> AsyncIterator[Start]:
    """Processes that share the database, each with a folder of its own unless one is named."""
    async with AsyncExitStack() as stack:
        count = 0

        async def start(folder: Path | None = None, **environment: str) -> Process:
            nonlocal count
            count += 1
            given = {"SECRET_KEY": "s" * 40, **environment}
            return await stack.enter_async_context(Process(folder or tmp_path / str(count), database_url, **given))

        yield start


async def asked(process: Process, user: User) -> tuple[int, Any]:
    response = await user.http.post(f"{process.url}/rag/search", json=QUERY)
    return response.status_code, response.json()


async def finds(process: Process, user: User) -> bool:
    status, body = await asked(process, user)
    return status == 200 and len(body["results"]) == 1


async def vectors(process: Process, user: User) -> tuple[str, str]:
    body = (await user.http.get(f"{process.url}/ready")).json()
    return body["status"], body["parts"]["vectors"]


async def document(database: Database, user: User) -> None:
    made = await rows.read(database, str((await user.http.get("/users/me")).json()["id"]), ENGLISH)

    async def ready() -> bool:
        return await rows.status(database, made) is DocumentStatus.READY

    await eventually(ready)


async def test_without_a_server_one_has_the_search_and_another_says_what_is_missing(
    database: Database, start: Start
) -> None:
    first = await start()
    alice = await first.signed_up()
    await document(database, alice)
    second = await start()

    assert await finds(first, alice)
    status, problem = await asked(second, alice)
    assert (status, problem["code"]) == (503, "rag_unavailable")
    assert "QDRANT_URL" in problem["detail"]
    assert await vectors(first, alice) == ("ready", "ok")
    assert await vectors(second, alice) == ("ready", "elsewhere")
    said = [line for line in second.log if "QDRANT_URL" in line["message"]]
    assert len(said) == 1

    first.signal(SIGKILL)
    await first.exited()
    await eventually(lambda: finds(second, alice), within=60)
    assert await vectors(second, alice) == ("ready", "ok")


async def test_two_on_one_folder_get_along(database: Database, start: Start, tmp_path: Path) -> None:
    first = await start(tmp_path / "shared")
    alice = await first.signed_up()
    await document(database, alice)
    second = await start(tmp_path / "shared")

    assert (await asked(second, alice))[0] == 503

    first.signal(SIGKILL)
    await first.exited()
    await eventually(lambda: finds(second, alice), within=60)


async def test_with_a_server_every_one_searches(database: Database, start: Start, tmp_path: Path) -> None:
    (tmp_path / "qdrant").mkdir()
    with QdrantServer(tmp_path / "qdrant") as server:
        first = await start(QDRANT_URL=server.url)
        second = await start(QDRANT_URL=server.url)
        alice = await first.signed_up()
        await document(database, alice)

        assert await finds(first, alice)
        assert await finds(second, alice)
        assert await vectors(second, alice) == ("ready", "ok")

        first.signal(SIGKILL)
        await first.exited()
        await document(database, await second.signed_up("bob"))
