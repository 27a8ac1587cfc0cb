"""A deploy: the database is migrated first, then old and new version run side by side; and the way back."""

import asyncio
import signal
import sys
from pathlib import Path

import httpx
import pytest

from app.migrations import shipped
from tests.backend import PLAIN, Process
from tests.database.expanding import ROOT, plant, upgrade
from tests.database.test_expanding import EXPANDING
from tests.follower import Follower
from tests.process.conftest import Launch
from tests.process.test_drain import assert_left_quietly
from tests.upstream import Answer, Upstream

on_a_server = pytest.mark.parametrize("database_kind", ["postgresql", "mariadb"], indirect=True)


@pytest.fixture
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The next version: this code with one migration more."""
    folder = tmp_path_factory.mktemp("newer")
    plant(folder, EXPANDING, after=str(shipped().head))
    (folder / "app").symlink_to(ROOT / "app")
    return folder


async def migrate(process: Process) -> tuple[int | None, str]:
    """The release command, with a version's code and settings."""
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.cli", "migrate"),
        cwd="/",
        env=process.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(30):
        said, _ = await running.communicate()
    return running.returncode, said.decode()


async def state(process: Process) -> tuple[int, str]:
    async with httpx.AsyncClient(trust_env=False, verify=PLAIN) as http:
        answer = await http.get(f"{process.url}/ready")
    return answer.status_code, answer.json()["parts"]["database"]


async def assert_waits(process: Process, token: str) -> None:
    """It is up, begins no answers, and says why."""
    async with asyncio.timeout(20):
        while b" is ready: " not in process.output:
            await asyncio.sleep(0.05)
    assert await state(process) == (503, "schema_behind")
    async with httpx.AsyncClient(trust_env=False, verify=PLAIN, headers={"Authorization": f"Bearer {token}"}) as http:
        assert (await http.post(f"{process.url}/ai/chat", json={"message": "Hello"})).status_code == 503


@on_a_server
async def test_the_new_version_waits_for_its_migration_while_the_old_one_serves_and_both_serve_from_then_on(
    database_kind: str, database_url: str, launch: Launch, upstream: Upstream, newer: Path, tmp_path: Path
) -> None:
    upstream.script(Answer(("One ", "two ", "three"), hold=True))
    old = await launch()
    alice = await old.user()
    environment = {**old.environment, "PYTHONPATH": str(newer)}
    async with Follower.post(alice, "Count") as reader:
        await upstream.release()
        start = (await reader.until(lambda stream: stream.text == "One ")).start
        new = Process(tmp_path, database_url, **{name: environment[name] for name in environment if name != "PORT"})
        await new.start(ready=False)
        try:
            await assert_waits(new, alice.token)
            assert await state(old) == (200, "ok")

            code, said = await migrate(new)
            assert (code, "planted_1" in said) == (0, True), said
            await new.wait_ready()
            assert await state(old) == (200, "ok")

            with_new = await new.user()
            async with Follower.resume(with_new, start["generation_id"], after=1) as follower:
                await upstream.finish()
                told = [await reader.ended(), await follower.ended()]
            assert [(stream.text, stream.done["status"]) for stream in told] == [("One two three", "complete")] * 2

            upstream.script(Answer(("Yes",)))
            for user in (with_new, alice, with_new):
                assert (await user.chat("And?", conversation_id=start["conversation_id"])).done["status"] == "complete"
            old.signal(signal.SIGTERM)
            await assert_left_quietly(old, signal.SIGTERM, within=15)
            assert len(await with_new.messages(start["conversation_id"])) == 8
        finally:
            await new.__aexit__()


@on_a_server
async def test_an_old_version_lives_with_the_newer_schema_and_starts_on_it(
    database_kind: str, database_url: str, launch: Launch, upstream: Upstream, newer: Path
) -> None:
    upstream.script(Answer(("One ", "two"), hold=True))
    process = await launch()
    alice = await process.user()
    async with Follower.post(alice, "Count") as reader:
        await upstream.release()
        start = (await reader.until(lambda stream: stream.text == "One ")).start

        await upgrade(database_url, newer / "alembic")

        assert await state(process) == (200, "ok")
        bob = await process.signed_up("bob")
        await upstream.finish()
        assert (await reader.ended()).done["status"] == "complete"
    upstream.script(Answer(("Yes",)))
    assert (await bob.chat("Hello")).text == "Yes"
    process.signal(signal.SIGTERM)
    await assert_left_quietly(process, signal.SIGTERM, within=15)

    assert await migrate(process) == (0, "The schema is of a newer version, and stays as it is.\n")
    await process.start()

    assert (await alice.chat("Go on", conversation_id=start["conversation_id"])).text == "Yes"
    assert (await alice.http.delete("/users/me")).status_code == 204


async def test_an_old_version_starts_on_a_file_that_a_newer_one_has_migrated(
    database_url: str, launch: Launch, upstream: Upstream, newer: Path
) -> None:
    upstream.script(Answer(("Yes",)))
    process = await launch()
    alice = await process.user()
    said = await alice.chat("Hello")
    process.signal(signal.SIGTERM)
    await process.exited()
    await upgrade(database_url, newer / "alembic")

    await process.start()

    assert (await alice.chat("Go on", conversation_id=said.start["conversation_id"])).text == "Yes"
    assert [entry for entry in process.log if "newer version" in entry["message"]]
