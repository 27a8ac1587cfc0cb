"""Several workers behind one port: one service, whoever dies or is told to go."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from tests.backend import PLAIN, Process, User
from tests.follower import Follower
from tests.process.conftest import Launch
from tests.process.test_drain import ENDED_BY_SIGNAL, assert_left_quietly, draining
from tests.process.test_start import refusal
from tests.process.workers import Workers, ending
from tests.scrape import Scrape
from tests.upstream import Answer, Upstream

COUNT = Answer(tuple(f"{number} " for number in range(1, 3001)), delay=0.02)
NOBODY = "postgresql://app:canary@127.0.0.1:1/app"

on_a_server = pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)


@pytest.fixture
async def workers(database_kind: str, launch: Launch, redis_url: str) -> AsyncIterator[Workers]:
    """Two of them."""
    workers = Workers(await launch(web_concurrency="2", redis_url=redis_url, drain_seconds="60"))
    async with ending(workers):
        await workers.complete()
        yield workers


async def busy(workers: Workers, stack: AsyncExitStack, upstream: Upstream, answer: Answer) -> list[Follower]:
    """Streams are begun until each worker writes one at least."""
    upstream.script(answer)
    readers: list[Follower] = []
    async with asyncio.timeout(40):
        while 0 in (await workers.measured("ai_live_generations")).values():
            alice = await workers.process.user(f"user{len(readers)}")
            readers.append(await stack.enter_async_context(Follower.post(alice, "Count")))
            await readers[-1].until(lambda stream: bool(stream.events))
    return readers


# --- What is refused ---------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, {"DATABASE_URL", "REDIS_URL"}),
        ({"REDIS_URL": "redis://127.0.0.1:1/0"}, {"DATABASE_URL"}),
        ({"DATABASE_URL": NOBODY}, {"REDIS_URL"}),
    ],
    ids=["nothing is shared", "a file", "no Redis"],
)
async def test_workers_need_servers_and_are_told_which_setting_is_missing(
    settings: dict[str, str], named: set[str], tmp_path: Path
) -> None:
    (line,) = (await refusal(tmp_path, WEB_CONCURRENCY="2", **settings)).splitlines()

    assert line.startswith("WEB_CONCURRENCY: 2 workers ")
    assert {name for name in ("DATABASE_URL", "REDIS_URL") if name in line} == named
    assert "canary" not in line


async def test_a_number_of_workers_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    for said in await asyncio.gather(*(refusal(tmp_path, WEB_CONCURRENCY=number) for number in ("0", "many", "1000"))):
        (line,) = said.splitlines()
        assert line.startswith("WEB_CONCURRENCY: ")


async def test_an_empty_number_is_one_worker_on_embedded_parts(launch: Launch) -> None:
    process = await launch(web_concurrency="")

    await process.user()
    assert "ai_worker_up" not in (await Scrape.of(process)).text


# --- Serving -----------------------------------------------------------------


@on_a_server
async def test_both_serve_as_one_and_a_scrape_counts_what_each_has_done(workers: Workers) -> None:
    process = workers.process
    before = await workers.complete()
    asked = 0
    # Which worker takes a connection is the kernel's.
    async with asyncio.timeout(40):
        while 0 in (served := await workers.measured("ai_http_requests_total", route="/health")).values() or asked < 40:
            async with httpx.AsyncClient(trust_env=False, verify=PLAIN) as http:
                assert (await http.get(f"{process.url}/health")).status_code == 200
            asked += 1

    assert sum(served.values()) == before.value("ai_http_requests_total", route="/health") + asked
    assert len(set(workers.pids.values()) | {process.pid}) == 3
    assert process.output.count(b" is ready: ") == 1
    assert process.output.count(b"shown once") == 1
    assert {entry.get("worker") for entry in process.log} == {1, 2}


@on_a_server
async def test_a_stream_is_followed_and_stopped_whichever_worker_writes_it(
    workers: Workers, upstream: Upstream
) -> None:
    upstream.script(COUNT)
    alice = await workers.process.user()
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(Follower.post(alice, "Count"))
        start = (await first.until(lambda stream: len(stream.text.split()) >= 10)).start
        # Each has a connection of its own, for all are open at the same time; which worker takes one is the kernel's.
        others: list[Follower] = []
        async with asyncio.timeout(40):
            while 0 in (await workers.measured("ai_open_streams")).values() or len(others) < 8:
                resumed = Follower.resume(alice, start["generation_id"], after=len(others))
                others.append(await stack.enter_async_context(resumed))
                await others[-1].until(lambda stream: len(stream.text.split()) >= 20)

        assert (await alice.http.post(f"/ai/generations/{start['generation_id']}/stop")).status_code == 202
        told = await first.ended()
        for number, other in enumerate(others):
            assert [event.data for event in (await other.ended()).events] == [
                event.data for event in told.events[number:]
            ]
    assert told.done["status"] == "stopped"


# --- Deaths ------------------------------------------------------------------


@on_a_server
async def test_a_worker_that_is_killed_is_replaced_and_another_ends_what_it_wrote(
    workers: Workers, upstream: Upstream
) -> None:
    before = workers.pids
    async with AsyncExitStack() as stack:
        upstream.script(COUNT)
        alice = await workers.process.user()
        reader = await stack.enter_async_context(Follower.post(alice, "Count"))
        await reader.until(lambda stream: len(stream.text.split()) >= 50)
        (owner,) = [number for number, count in (await workers.measured("ai_live_generations")).items() if count]

        workers.kill(owner)
        seen = await reader.ended()

        fresh = User(workers.process.url, alice.token, alice.email)
        stack.push_async_callback(fresh.http.aclose)
        answer = await fresh.answer(seen.start["conversation_id"], within=40)
        assert (answer["status"], answer["error"]["code"]) == ("failed", "instance_lost")
        upstream.script(Answer(("Go", " on")))
        assert (await fresh.chat("Go on", conversation_id=seen.start["conversation_id"])).text == "Go on"
    await workers.complete()
    after = workers.pids
    assert after[owner] != before[owner]
    assert after[3 - owner] == before[3 - owner]
    (death,) = workers.messages("a worker died")
    assert (death["worker"], death["pid"], death["exit"]) == (owner, before[owner], "SIGKILL")


@on_a_server
async def test_a_replacement_that_cannot_start_is_told_and_tried_again_and_with_nobody_left_all_ends(
    workers: Workers, tmp_path: Path
) -> None:
    key = (tmp_path / "secret_key").read_text()
    (tmp_path / "secret_key").write_text("short")
    workers.kill(1)
    async with asyncio.timeout(30):
        while len(workers.messages("a worker died")) < 3:
            assert (await Scrape.of(workers.process)).value("ai_worker_up", worker="2") == 1
            await asyncio.sleep(0.2)
    killed, *refused = workers.messages("a worker died")
    assert [death["exit"] for death in (killed, *refused[:2])] == ["SIGKILL", 2, 2]
    assert [death["replaced_in_seconds"] for death in refused[:2]] == [1, 2]

    (tmp_path / "secret_key").write_text(key)
    await workers.complete()

    (tmp_path / "secret_key").write_text("short")
    workers.kill(1)
    workers.kill(2)
    assert await workers.process.exited() == 2
    assert workers.messages("a worker did not start, and no other serves")
    assert b"secret_key holds no key" in workers.process.output
    assert b"Traceback" not in workers.process.output


@on_a_server
async def test_when_the_parent_is_killed_the_workers_finish_and_go_and_leave_the_port_at_once(
    workers: Workers, upstream: Upstream
) -> None:
    async with AsyncExitStack() as stack:
        readers = await busy(workers, stack, upstream, Answer(("One ", "two ", "three"), hold=True))
        port = int(workers.process.url.rpartition(":")[2])

        workers.process.signal(signal.SIGKILL)

        async with asyncio.timeout(15):
            while True:
                try:
                    socket.create_server(("127.0.0.1", port)).close()
                    break
                except OSError:
                    await asyncio.sleep(0.05)
        for call in upstream.calls:
            await upstream.finish(request=call)
        for reader in readers:
            assert (await reader.ended()).done["status"] == "complete"
    # The last one to hold its output has closed it.
    assert await workers.process.exited(within=10) == -signal.SIGKILL
    assert len(workers.messages("the parent of the workers has died")) == 2


# --- Signals -----------------------------------------------------------------


@on_a_server
async def test_idle_workers_go_at_once(workers: Workers) -> None:
    workers.process.signal(signal.SIGINT)

    await assert_left_quietly(workers.process, signal.SIGINT, within=4.5)


@on_a_server
@pytest.mark.parametrize("whom", ["the parent", "the whole group"])
async def test_running_answers_finish_on_all_workers(whom: str, workers: Workers, upstream: Upstream) -> None:
    """A terminal, or systemd, signals the whole group: the parent's word is then the second that a worker hears."""
    async with AsyncExitStack() as stack:
        readers = await busy(workers, stack, upstream, Answer(("One ", "two ", "three"), hold=True))

        workers.process.signal(signal.SIGTERM)
        if whom == "the whole group":
            for pid in workers.pids.values():
                os.kill(pid, signal.SIGTERM)
        await draining(workers.process)
        await asyncio.sleep(0.5)
        for call in upstream.calls:
            await upstream.finish(request=call)

        for reader in readers:
            told = await reader.ended()
            assert (told.text, told.done["status"]) == ("One two three", "complete")
            assert not reader.cut
    await assert_left_quietly(workers.process, signal.SIGTERM, within=15)


@on_a_server
async def test_a_second_signal_ends_what_runs_on_all_workers(workers: Workers, upstream: Upstream) -> None:
    async with AsyncExitStack() as stack:
        readers = await busy(workers, stack, upstream, COUNT)
        workers.process.signal(signal.SIGINT)
        await draining(workers.process)
        workers.process.signal(signal.SIGINT)
        for reader in readers:
            await reader.ended(within=15)
            assert not reader.cut
    assert await workers.process.exited(within=15) in ENDED_BY_SIGNAL[signal.SIGINT]


@on_a_server
async def test_a_signal_during_the_start_ends_it(
    database_kind: str, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    process = Process(tmp_path, database_url, WEB_CONCURRENCY="2", REDIS_URL=redis_url)
    await process.start(ready=False)
    workers = Workers(process)
    async with ending(workers), asyncio.timeout(30):
        while not workers.pids:
            await asyncio.sleep(0.01)
        process.signal(signal.SIGTERM)
        assert await process.exited(within=10) in ENDED_BY_SIGNAL[signal.SIGTERM]
