"""A signal to end: nothing new begins, what runs may finish, the rest is told, and nothing is lost."""

import asyncio
import signal
import time

import httpx
import pytest

from tests.backend import PLAIN, Process
from tests.conftest import Serve
from tests.follower import Follower
from tests.process.conftest import Launch
from tests.upstream import Answer, Upstream

COUNT = Answer(tuple(f"{number} " for number in range(1, 3001)), delay=0.02)
ENDED_BY_SIGNAL = {signal.SIGTERM: (0, -signal.SIGTERM, 128 + signal.SIGTERM), signal.SIGINT: (0, 130, -signal.SIGINT)}


async def assert_left_quietly(process: Process, number: signal.Signals, *, within: float) -> None:
    assert await process.exited(within=within) in ENDED_BY_SIGNAL[number]
    assert b"Traceback" not in process.output, process.output.decode()
    assert not [entry for entry in process.log if entry["level"] in ("error", "critical")]


async def draining(process: Process, *, within: float = 10.0) -> None:
    """Wait until the process says that it is draining."""
    async with asyncio.timeout(within), httpx.AsyncClient(trust_env=False, verify=PLAIN) as http:
        while True:
            answer = await http.get(f"{process.url}/ready")
            if answer.status_code == 503:
                break
            await asyncio.sleep(0.02)
    assert answer.json()["status"] == "draining"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
async def test_an_idle_process_goes_at_once(number: signal.Signals, launch: Launch) -> None:
    process = await launch()
    await process.user()  # whose connection stays open

    process.signal(number)

    await assert_left_quietly(process, number, within=4.5)  # less than open connections get


async def test_a_running_answer_finishes_and_nothing_new_begins(
    launch: Launch, serve: Serve, upstream: Upstream
) -> None:
    upstream.script(Answer(("One ", "two ", "three"), hold=True))
    process = await launch()
    alice = await process.user()
    async with Follower.post(alice, "Count") as reader:
        await upstream.release()
        start = (await reader.until(lambda stream: stream.text == "One ")).start

        process.signal(signal.SIGTERM)
        await draining(process)

        for path in ("/ai/chat/stream", "/ai/chat"):
            refused = await alice.http.post(path, json={"message": "Another"})
            assert refused.status_code == 503
            assert refused.headers["content-type"] == "application/problem+json"
            assert refused.json()["code"] == "draining"
            assert refused.headers["connection"] == "close"
            assert int(refused.headers["retry-after"]) > 0
        assert len(upstream.calls) == 1
        # The rest goes on: history can be read, and the answer followed.
        assert (await alice.messages(start["conversation_id"]))[-1]["status"] == "streaming"
        async with Follower.resume(alice, start["generation_id"], after=1) as follower:
            await follower.until(lambda stream: stream.text == "One ")
            await upstream.finish()
            told = [await reader.ended(), await follower.ended()]

    for stream in told:
        assert (stream.text, stream.done["status"]) == ("One two three", "complete")
    assert not reader.cut
    await assert_left_quietly(process, signal.SIGTERM, within=15)

    alice = await (await serve()).user()
    answer = (await alice.messages(start["conversation_id"]))[-1]
    assert (answer["status"], answer["content"], answer["error"]) == ("complete", "One two three", None)


async def test_an_answer_that_takes_too_long_is_ended_told_and_kept(
    launch: Launch, serve: Serve, upstream: Upstream
) -> None:
    upstream.script([COUNT, COUNT, Answer(("Again",))])
    process = await launch(drain_seconds="1")
    alice, bob = await process.user("alice"), await process.user("bob")
    async with Follower.post(alice, "Count") as reader:
        waiting = asyncio.create_task(bob.http.post("/ai/chat", json={"message": "Count"}))
        await reader.until(lambda stream: len(stream.text.split()) >= 20)
        await upstream.requested(2)

        asked_at = time.monotonic()
        process.signal(signal.SIGTERM)
        told = await reader.ended()

    assert 0.8 <= reader.last_at - asked_at <= 10
    assert not reader.cut
    assert (told.failure["code"], told.failure["retryable"]) == ("instance_draining", True)
    assert told.done["status"] == "failed"
    whole = await waiting
    assert (whole.status_code, whole.json()["code"]) == (503, "instance_draining")
    assert int(whole.headers["retry-after"]) > 0
    assert [call.ended for call in upstream.calls] == ["aborted", "aborted"]
    await assert_left_quietly(process, signal.SIGTERM, within=15)

    alice = await (await serve()).user()
    conversation_id = told.start["conversation_id"]
    answer = (await alice.messages(conversation_id))[-1]
    assert (answer["status"], answer["content"]) == ("failed", told.text)
    assert (answer["error"]["code"], answer["error"]["retryable"]) == ("instance_draining", True)
    resumed = await alice.http.get(f"/ai/generations/{told.start['generation_id']}/events", params={"after": 5})
    assert resumed.text.count("\n\n") == len(told.events) - 5
    assert (await alice.chat("Again", conversation_id=conversation_id)).done["status"] == "complete"


async def test_a_second_signal_ends_what_runs_at_once_told_and_kept(
    launch: Launch, serve: Serve, upstream: Upstream
) -> None:
    upstream.script(COUNT)
    process = await launch(drain_seconds="60")
    alice = await process.user()
    async with Follower.post(alice, "Count") as reader:
        await reader.until(lambda stream: len(stream.text.split()) >= 20)
        process.signal(signal.SIGINT)
        await draining(process)
        process.signal(signal.SIGINT)
        told = await reader.ended(within=15)
    assert not reader.cut
    assert told.failure["code"] == "instance_draining"
    await assert_left_quietly(process, signal.SIGINT, within=15)

    alice = await (await serve()).user()
    answer = (await alice.messages(told.start["conversation_id"]))[-1]
    assert (answer["status"], answer["content"]) == ("failed", told.text)
    assert answer["error"]["code"] == "instance_draining"


async def test_killed_while_it_drains_it_has_lost_no_more_than_a_moment(
    launch: Launch, serve: Serve, upstream: Upstream
) -> None:
    upstream.script(COUNT)
    process = await launch(drain_seconds="60")
    alice = await process.user()
    async with Follower.post(alice, "Count") as reader:
        await reader.until(lambda stream: len(stream.text.split()) >= 200)
        process.signal(signal.SIGTERM)
        await draining(process)
        await asyncio.sleep(1)
        process.signal(signal.SIGKILL)
        await process.exited()
        seen = await reader.ended()

    alice = await (await serve()).user()
    answer = (await alice.messages(seen.start["conversation_id"]))[-1]
    assert (answer["status"], answer["error"]["code"]) == ("failed", "instance_lost")
    assert seen.text.startswith(answer["content"])
    before = reader.seen_until(reader.last_at - 2.5).text
    assert before
    assert answer["content"].startswith(before)


async def test_readers_that_do_not_read_do_not_hold_the_process(launch: Launch, upstream: Upstream) -> None:
    upstream.script(Answer(("a" * 3000,) * 3000))
    process = await launch(drain_seconds="1", reader_timeout="300")
    alice = await process.user()
    async with alice.http.stream("POST", "/ai/chat/stream", json={"message": "Flood"}) as response:
        assert response.status_code == 200
        await upstream.ended(within=30)

        process.signal(signal.SIGTERM)

        assert await process.exited(within=30) in ENDED_BY_SIGNAL[signal.SIGTERM]
    assert b"Traceback" not in process.output, process.output.decode()
