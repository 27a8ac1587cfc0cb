"""A database that is away costs nobody an answer or money, and its return needs no restart."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from app import migrations
from app.database import database_url as parse_url
from app.models.generations import generation_checkpoints
from tests import mariadb_server
from tests.accounts.behind import rows
from tests.backend import PLAIN, Backend, User
from tests.chat.ledger import booked
from tests.conftest import Serve
from tests.follower import Follower
from tests.holding import held
from tests.mariadb_server import MariaDBServer
from tests.postgresql import PostgreSQL
from tests.upstream import Answer, Upstream

_LATEST = select(func.max(generation_checkpoints.c.first_seq).label("seq"))
FINE = Answer(("Fine.",), usage=(5, 1))


Server = PostgreSQL | MariaDBServer


@pytest.fixture(scope="session", params=["postgresql", "mariadb"])
def own_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    if request.param == "mariadb":
        with mariadb_server.throwaway() as server:
            yield server
        return
    # Not among pytest's folders: for root PostgreSQL runs as another user, whom each new pytest locks out of them.
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        postgres = PostgreSQL(Path(folder))
        yield postgres
        postgres.close()


@pytest.fixture
async def server(own_server: Server) -> AsyncIterator[Server]:
    yield own_server
    own_server.thaw()
    await own_server.start()


@pytest.fixture
async def database_url(server: Server) -> str:
    """What the app is served on here, unless a test says otherwise."""
    return await server.database()


async def refused(user: User, path: str, *, within: float) -> None:
    """A post is refused in time, as the contract has it."""
    began = time.monotonic()
    answer = await user.http.post(path, json={"message": "Are you there?"})
    assert time.monotonic() - began <= within
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json"), answer.text
    assert answer.json()["code"] == "database_unavailable"
    assert int(answer.headers["retry-after"]) > 0


async def ready(backend: Backend) -> httpx.Response:
    async with httpx.AsyncClient(base_url=backend.url, trust_env=False, verify=PLAIN, timeout=20) as http:
        assert (await http.get("/health")).status_code == 200
        return await http.get("/ready")


async def recovered(user: User, *, within: float) -> None:
    """Posts succeed again in time, and until then are refused in no other way than before."""
    async with asyncio.timeout(within):
        while (answer := await user.http.post("/ai/chat", json={"message": "And now?"})).status_code != 200:
            assert answer.status_code == 503, answer.text
            await asyncio.sleep(0.1)
    assert answer.json()["reply"] == "Fine."


async def test_away_before_a_post_it_is_refused_at_once_and_costs_nothing(
    server: Server, backend: Backend, upstream: Upstream
) -> None:
    upstream.script(FINE)
    alice = await backend.user()
    assert (await alice.chat("Hello")).text == "Fine."

    await server.kill()

    for path in ("/ai/chat/stream", "/ai/chat", "/ai/chat/stream"):
        await refused(alice, path, within=4)
    state = await ready(backend)
    assert (state.status_code, state.json()["parts"]["database"]) == (503, "away")
    assert len(upstream.calls) == 1

    returning = asyncio.create_task(server.start())
    await recovered(alice, within=30)
    await returning
    assert (await ready(backend)).status_code == 200
    assert len(upstream.calls) == 2


async def test_away_in_mid_stream_the_answer_goes_on_and_is_stored_when_it_returns(
    server: Server, backend: Backend, upstream: Upstream, database_url: str
) -> None:
    upstream.script([Answer(("One ", "two ", "three ", "four"), hold=True, usage=(7, 4)), FINE])
    alice = await backend.user()
    async with Follower.post(alice, "Count") as follower:
        await upstream.release(2)
        await follower.until(lambda stream: stream.text == "One two ")

        await server.kill()

        await upstream.release()
        await follower.until(lambda stream: stream.text == "One two three ", within=10)
        await upstream.finish()
        await follower.until(lambda stream: stream.text == "One two three four", within=10)
        await asyncio.sleep(1.5)
        assert not follower.over, "an ending is saved before it is said"

        await server.start()

        told = await follower.ended(within=20)
    assert told.done["status"] == "complete"
    start = told.start
    answer = await alice.answer(start["conversation_id"])
    assert (answer["status"], answer["content"]) == ("complete", "One two three four")
    assert [attempt[:2] for attempt in await booked(database_url, start["generation_id"])] == [("complete", False)]
    async with Follower.resume(alice, start["generation_id"], after=2) as again:
        replayed = await again.ended()
    assert [event.data for event in replayed.events] == [event.data for event in told.events[2:]]
    assert (await alice.chat("Go on", conversation_id=start["conversation_id"])).text == "Fine."


async def test_away_while_a_title_is_asked_for_it_is_stored_and_booked_when_it_returns(
    server: Server, serve: Serve, upstream: Upstream, database_url: str
) -> None:
    upstream.script(FINE)
    upstream.script(Answer(("A greeting",), usage=(20, 3), hold=True), model="namer")
    alice = await (await serve(title_model="openai/namer")).user()
    start = (await alice.chat("Hello")).start
    await upstream.wait_for(lambda: len(upstream.calls) == 2)

    await server.kill()
    await upstream.finish()
    await asyncio.sleep(1)
    await server.start()

    conversation, title = f"/conversations/{start['conversation_id']}", ""
    async with asyncio.timeout(30):
        while title != "A greeting":
            answer = await alice.http.get(conversation)
            title = answer.json()["title"] if answer.status_code == 200 else ""
            await asyncio.sleep(0.1)
    assert (await alice.http.get("/users/me/usage")).json()["totals"]["input_tokens"] == 5 + 20


async def test_frozen_posts_fail_in_time_streams_go_on_and_no_connection_is_lost(
    server: Server, backend: Backend, upstream: Upstream, database_url: str
) -> None:
    upstream.script(FINE)
    upstream.script(Answer(("One ", "two ", "three"), hold=True), model="count")
    alice, bob = await backend.user("alice"), await backend.user("bob")
    async with Follower.post(alice, "Count", model="openai/count") as follower:
        await upstream.release()
        await follower.until(lambda stream: stream.text == "One ")

        server.freeze()

        await asyncio.gather(*(refused(bob, "/ai/chat/stream", within=10) for _ in range(15)))
        await refused(bob, "/ai/chat", within=10)
        assert (await ready(backend)).status_code == 503
        await upstream.finish()
        await follower.until(lambda stream: stream.text == "One two three", within=4)
        calls = len(upstream.calls)

        server.thaw()

        await recovered(bob, within=15)
        assert (await follower.ended(within=20)).done["status"] == "complete"
    assert len(upstream.calls) == calls + 1
    answers = await asyncio.gather(*(bob.http.get("/conversations") for _ in range(30)))
    assert {answer.status_code for answer in answers} == {200}
    assert await server.connections(database_url) <= backend.house.settings.database_pool_size + 2
    assert (await ready(backend)).status_code == 200


@pytest.mark.parametrize("own_server", ["postgresql"], indirect=True)  # it is not on it
async def test_a_locked_file_is_refused_before_any_call(
    serve: Serve, upstream: Upstream, tmp_path: Path, sqlite_template: Path
) -> None:
    upstream.script(FINE)
    file = tmp_path / "locked.db"
    await asyncio.to_thread(shutil.copy, sqlite_template, file)
    backend = await serve(database_url=f"sqlite:///{file}", database_statement_timeout=0.5)
    alice = await backend.user()
    assert (await alice.chat("Hello")).text == "Fine."
    async with held(file):
        await asyncio.gather(*(refused(alice, "/ai/chat/stream", within=4) for _ in range(4)))

        assert len(upstream.calls) == 1
    await recovered(alice, within=10)
    assert len((await alice.http.get("/conversations")).json()["items"]) == 2


@pytest.mark.parametrize("own_server", ["mariadb"], indirect=True)  # PostgreSQL's is tried with API keys
async def test_one_that_takes_no_writes_is_read_and_posts_are_refused(
    server: Server, backend: Backend, upstream: Upstream
) -> None:
    assert isinstance(server, MariaDBServer)
    upstream.script(FINE)
    alice = await backend.user()
    assert (await alice.chat("Hello")).text == "Fine."
    made = await alice.http.post("/users/me/api-keys", json={"name": "Key"})
    await server.administer("SET GLOBAL read_only=ON")
    try:
        for headers in (alice.http.headers, {"X-API-Key": made.json()["key"]}):
            async with httpx.AsyncClient(base_url=backend.url, headers=headers, trust_env=False, verify=PLAIN) as http:
                assert len((await http.get("/conversations")).json()["items"]) == 1
        await refused(alice, "/ai/chat", within=10)
    finally:
        await server.administer("SET GLOBAL read_only=OFF")
    await recovered(alice, within=15)
    assert len(upstream.calls) == 2


async def test_away_at_the_start_it_is_waited_for(server: Server, serve: Serve, upstream: Upstream) -> None:
    upstream.script(FINE)
    await server.kill()

    backend = await serve()

    state = await ready(backend)
    assert (state.status_code, state.json()["parts"]["database"]) == (503, "away")
    async with httpx.AsyncClient(base_url=backend.url, trust_env=False, verify=PLAIN, timeout=20) as http:
        signing_in = await http.post("/auth/login", data={"username": "a@example.com", "password": "12345678"})
        assert signing_in.status_code == 503
        await server.start()
        async with asyncio.timeout(5):
            while (await http.get("/ready")).status_code != 200:
                await asyncio.sleep(0.1)
    assert (await (await backend.user()).chat("Hello")).text == "Fine."


async def test_a_schema_that_is_behind_is_waited_for(server: Server, serve: Serve, upstream: Upstream) -> None:
    upstream.script(FINE)
    url = await server.empty_database()

    backend = await serve(database_url=url)

    state = await ready(backend)
    assert (state.status_code, state.json()["parts"]["database"]) == (503, "schema_behind")
    await migrations.migrate(parse_url(url))
    async with asyncio.timeout(5):
        while (await ready(backend)).status_code != 200:
            await asyncio.sleep(0.1)
    assert (await (await backend.user()).chat("Hello")).text == "Fine."


async def test_what_is_written_is_saved_while_requests_hold_every_connection(
    serve: Serve, upstream: Upstream, database_url: str
) -> None:
    backend = await serve(database_pool_size=1, checkpoint_seconds=0.1)
    alice = await backend.user()
    upstream.script(Answer(("Hel", "lo"), hold=True))
    reading = asyncio.create_task(alice.chat("Say hello"))
    await upstream.requested()

    async def saved(seq: int) -> None:
        async with asyncio.timeout(5):
            while (await rows(database_url, _LATEST))[0]["seq"] != seq:
                await asyncio.sleep(0.05)

    await saved(1)
    async with backend.house.database.transaction():
        await upstream.release(1)
        await saved(2)

    await upstream.finish()
    assert (await reading).text == "Hello"
