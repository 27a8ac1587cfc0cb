"""A process that is killed or frozen loses at most the last second of a text, and somebody ends what it began."""

import asyncio
import signal
import time
from collections.abc import Sequence
from typing import Any

import pytest

from app.domain.tokens import estimate
from tests.backend import Process, User
from tests.chat.ledger import booked
from tests.conftest import Serve
from tests.follower import Follower
from tests.process.conftest import Launch
from tests.sse import Event, Stream
from tests.upstream import Answer, Upstream

PACE = 0.02
COUNT = Answer(tuple(f"{number} " for number in range(1, 3001)), delay=PACE)
LONGEST_LOSS = 2.5
"""Seconds of text that a crash may take: a tick of the checkpointer each second, and what a busy machine adds."""
TAKEN_OVER_WITHIN = 30.0
FROZEN_FOR = 20.0

on_a_server = pytest.mark.parametrize("database_kind", ["postgresql", "mariadb"], indirect=True)


def keys(events: Sequence[Event]) -> list[tuple[str, str]]:
    return [(event.name, event.data) for event in events]


def assert_lost(stream: Stream) -> None:
    """The stream says, last, that the instance was lost."""
    assert (stream.failure["code"], stream.failure["retryable"]) == ("instance_lost", True)
    assert stream.done["status"] == "failed"


def assert_survives(kept: str, reader: Follower) -> None:
    """`kept` is what was seen, but for what came in the last moment."""
    assert reader.stream.text.startswith(kept)
    before = reader.seen_until(reader.last_at - LONGEST_LOSS).text
    assert before
    assert kept.startswith(before)


async def kill(process: Process) -> None:
    process.signal(signal.SIGKILL)
    assert await process.exited() == -signal.SIGKILL


async def begin(reader: Follower, chunks: int) -> Stream:
    return await reader.until(lambda stream: len(stream.text.split()) >= chunks)


async def resumed(user: User, generation_id: str, after: int, *, within: float = 10.0) -> Stream:
    async with Follower.resume(user, generation_id, after) as reader:
        stream = await reader.ended(within=within)
        assert reader.status == 200
    return stream


async def test_killed_in_mid_stream_the_text_is_there_up_to_the_last_checkpoint(
    launch: Launch, upstream: Upstream, database_url: str
) -> None:
    upstream.script([COUNT, Answer(("Go", " on"))])
    process = await launch()
    alice = await process.user()
    async with Follower.post(alice, "Count") as reader:
        await begin(reader, 200)
        await kill(process)
        seen = await reader.ended()
    assert reader.cut

    await process.start()

    conversation_id, generation_id = seen.start["conversation_id"], seen.start["generation_id"]
    answer = (await alice.messages(conversation_id))[-1]
    assert (answer["status"], answer["error"]["code"]) == ("failed", "instance_lost")
    assert answer["error"]["retryable"] is True
    assert_survives(answer["content"], reader)

    whole = await resumed(alice, generation_id, 0)
    survived = whole.events[:-2]
    assert keys(survived) == keys(seen.events)[: len(survived)]
    assert whole.text == answer["content"]
    assert_lost(whole)

    await follows_from_every_place(alice, generation_id, whole, seen)

    (attempt,) = await booked(database_url, generation_id)
    assert (attempt.outcome, attempt.estimated) == ("instance_lost", True)
    assert attempt.output_tokens == estimate(answer["content"])
    again = await alice.chat("Go on", conversation_id=conversation_id)
    assert (again.text, again.done["status"]) == ("Go on", "complete")
    history = [message["content"] for message in upstream.calls[-1].body["messages"]]
    assert history == ["Count", answer["content"], "Go on"]


async def follows_from_every_place(alice: User, generation_id: str, whole: Stream, seen: Stream) -> None:
    """Each reader gets what it has not seen, once, then the failure and the ending."""
    survived = len(whole.events) - 2
    middle = await resumed(alice, generation_id, survived // 2)
    assert keys(middle.events) == keys(whole.events)[survived // 2 :]
    for after in (survived, survived + 1, len(seen.events), len(seen.events) + 1000):
        if after != survived + 2:
            beyond = await resumed(alice, generation_id, after)
            assert [event.name for event in beyond.events] == ["failure", "message"]
            assert_lost(beyond)
    all_read = await alice.http.get(f"/ai/generations/{generation_id}/events", params={"after": survived + 2})
    assert all_read.status_code == 204


@on_a_server
async def test_started_again_on_a_server_it_ends_what_it_left_and_tells_who_waits(
    database_kind: str, launch: Launch, upstream: Upstream, database_url: str
) -> None:
    upstream.script([COUNT, Answer(("Go", " on"))])
    process = await launch()
    alice = await process.user()
    async with Follower.post(alice, "Count") as reader:
        await begin(reader, 200)
        await kill(process)
        seen = await reader.ended()
    conversation_id, generation_id = seen.start["conversation_id"], seen.start["generation_id"]

    await process.start()

    started = time.monotonic()
    assert (await alice.messages(conversation_id))[-1]["status"] == "streaming"
    busy = await alice.http.post("/ai/chat/stream", json={"message": "Go on", "conversation_id": conversation_id})
    assert busy.status_code == 409
    async with (
        Follower.resume(alice, generation_id) as whole,
        Follower.resume(alice, generation_id, after=30) as later,
        # Behind the end, whatever survived.
        Follower.resume(alice, generation_id, after=len(seen.events) + 1000) as ahead,
    ):
        for follower in (whole, later, ahead):
            await follower.ended(within=started + TAKEN_OVER_WITHIN - time.monotonic())

    survived = len(whole.stream.events) - 2
    assert keys(whole.stream.events)[:survived] == keys(seen.events)[:survived]
    assert keys(later.stream.events) == keys(whole.stream.events)[30:]
    assert [event.name for event in ahead.stream.events] == ["failure", "message"]
    for follower in (whole, later, ahead):
        assert_lost(follower.stream)
    answer = (await alice.messages(conversation_id))[-1]
    assert (answer["status"], answer["error"]["code"]) == ("failed", "instance_lost")
    assert answer["content"] == whole.stream.text
    assert_survives(answer["content"], reader)
    assert [(each.outcome, each.estimated) for each in await booked(database_url, generation_id)] == [
        ("instance_lost", True)
    ]
    assert (await alice.chat("Go on", conversation_id=conversation_id)).done["status"] == "complete"


@on_a_server
async def test_the_instance_that_lives_ends_what_a_killed_and_a_frozen_one_left(
    database_kind: str, launch: Launch, serve: Serve, upstream: Upstream, database_url: str
) -> None:
    upstream.script([COUNT, COUNT, Answer(("Awake",))])
    survivor, killed, frozen = await asyncio.gather(serve(), launch(), launch())
    bob, carol = await survivor.user("bob"), await survivor.user("carol")
    async with (
        Follower.post(await killed.user("bob"), "Count") as bobs,
        Follower.post(await frozen.user("carol"), "Count") as carols,
    ):
        await asyncio.gather(begin(bobs, 200), begin(carols, 200))
        await kill(killed)
        frozen.signal(signal.SIGSTOP)
        gone_at = time.monotonic()
        await asyncio.sleep(0.3)  # what it had sent is on its way
        await bobs.ended()
        left = [(bob, bobs), (carol, carols)]
        async with asyncio.timeout_at(asyncio.get_running_loop().time() + TAKEN_OVER_WITHIN):
            kept = [await assert_taken_over(user, reader) for user, reader in left]

        await asyncio.sleep(gone_at + FROZEN_FOR - time.monotonic())
        frozen.signal(signal.SIGCONT)

        # What it still had is shown to who listens, and the ending is the one that the other instance wrote.
        assert_lost(await carols.ended())
    assert [(await user.messages(reader.stream.start["conversation_id"]))[-1] for user, reader in left] == kept
    for _, reader in left:
        (attempt,) = await booked(database_url, reader.stream.start["generation_id"])
        assert attempt.outcome == "instance_lost"
    await frozen.wait_ready()
    awake = await (await frozen.user("carol")).chat("Are you there?")
    assert (awake.text, awake.done["status"]) == ("Awake", "complete")


async def assert_taken_over(user: User, reader: Follower) -> dict[str, Any]:
    """Another instance tells a reader of the end, and has stored it; answers the message."""
    seen = reader.stream
    generation_id, conversation_id = seen.start["generation_id"], seen.start["conversation_id"]
    # Far behind the end, whatever survived: by chance, the number of the last that was seen could be that of the end.
    stream = await resumed(user, generation_id, len(seen.events) + 1000, within=TAKEN_OVER_WITHIN)
    assert [event.name for event in stream.events] == ["failure", "message"]
    assert_lost(stream)
    answer = (await user.messages(conversation_id))[-1]
    assert (answer["status"], answer["error"]["code"]) == ("failed", "instance_lost")
    assert_survives(answer["content"], reader)
    return answer


@on_a_server
async def test_another_instance_reads_along_and_stops(
    database_kind: str, launch: Launch, serve: Serve, upstream: Upstream
) -> None:
    upstream.script(COUNT)
    owner, other = await asyncio.gather(launch(), serve())
    alice, elsewhere = await owner.user(), await other.user()
    async with Follower.post(alice, "Count") as first:
        start = (await begin(first, 20)).start
        generation_id, conversation_id = start["generation_id"], start["conversation_id"]
        read = first.stream.seqs[-1]

        async with (
            Follower.resume(elsewhere, generation_id) as second,
            Follower.resume(elsewhere, generation_id, after=read) as third,
        ):
            await begin(second, 200)
            long_there = first.seen_until(time.monotonic() - LONGEST_LOSS - 1).text
            assert second.stream.text.startswith(long_there), "behind by a checkpoint and a look at it"
            assert (await elsewhere.messages(conversation_id))[-1]["status"] == "streaming"

            asked_at = time.monotonic()
            stop = await elsewhere.http.post(f"/ai/generations/{generation_id}/stop")
            assert stop.status_code == 202
            told = await first.ended(within=15)
            assert first.last_at - asked_at < 10
            assert upstream.calls[0].ended == "aborted"
            followed = await second.ended(within=15)
            caught_up = await third.ended(within=15)

    assert told.done["status"] == "stopped"
    assert keys(followed.events) == keys(told.events)
    assert keys(caught_up.events) == keys(told.events)[read:]
    answer = (await elsewhere.messages(conversation_id))[-1]
    assert (answer["status"], answer["content"]) == ("stopped", told.text)
    again = await elsewhere.http.post(f"/ai/generations/{generation_id}/stop")
    assert (again.status_code, again.json()["status"]) == (202, "stopped")
