"""A process ends while an answer from documents is made ready: it is told and kept, and can be had anew."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.backend import User
from tests.follower import Follower
from tests.grounding.library import PUMP, ask, read, sources
from tests.process.conftest import Launch
from tests.process.test_drain import assert_left_quietly, draining
from tests.qdrant_server import QdrantServer
from tests.sse import Stream
from tests.upstream import Answer, Silence, Upstream

FIRST = "How long is the warranty of the filter F3?"
NEXT = "And how often?"
ALONE = Answer(("How often is the filter F3 rinsed?",))
MOMENTS = ("rewriting", "searching")


@pytest.fixture
def qdrant(tmp_path: Path) -> Iterator[QdrantServer]:
    folder = tmp_path / "qdrant"
    folder.mkdir()
    with QdrantServer(folder) as server:
        yield server


@asynccontextmanager
async def preparing(
    moment: str, alice: User, upstream: Upstream, qdrant: QdrantServer
) -> AsyncIterator[tuple[Follower, str]]:
    """A question that goes on, while it is put in other words, or while those are looked for; and its conversation."""
    await read(alice, "house", manual=PUMP)
    rewritten = Silence() if moment == "rewriting" else Answer(ALONE.chunks, hold=True)
    upstream.script([Answer(("Five years [1].",)), rewritten, Answer(("Monthly [1].",))])
    first = await ask(alice, FIRST)
    conversation_id = first.start["conversation_id"]
    body = {"question": NEXT, "collection": "house", "conversation_id": conversation_id}
    async with Follower(alice, "POST", "/rag/query", json=body) as reader:
        await reader.until(lambda stream: bool(stream.named("start")))
        await upstream.requested(2)
        if moment == "searching":
            qdrant.answer_with(delay=60)
            await upstream.finish()
            await asyncio.sleep(0.3)
        yield reader, conversation_id


async def assert_ended(alice: User, conversation_id: str, code: str) -> None:
    """And another answer can be had in its place."""
    answer = (await alice.messages(conversation_id))[-1]
    assert (answer["status"], answer["content"], answer["error"]["code"]) == ("failed", "", code)
    assert answer["error"]["retryable"] is True
    resumed = await alice.http.get(f"/ai/generations/{answer['generation_id']}/events", params={"after": 1})
    told = Stream.of(resumed.content)
    assert (told.failure["code"], told.done["status"]) == (code, "failed")


async def assert_goes_on(alice: User, upstream: Upstream, qdrant: QdrantServer, conversation_id: str) -> None:
    qdrant.heal()
    upstream.script([ALONE, Answer(("Monthly [1].",))])
    async with asyncio.timeout(30):
        while (again := await _asked(alice, conversation_id)) is None:
            await asyncio.sleep(0.2)
    assert (again.text, again.done["status"]) == ("Monthly [1].", "complete")
    assert "rinsed each month" in sources(again)["sources"][0]["quote"]


async def _asked(alice: User, conversation_id: str) -> Stream | None:
    """None while the index is not asked yet, which was away a moment ago."""
    body = {"question": NEXT, "collection": "house", "conversation_id": conversation_id}
    answer = await alice.http.post("/rag/query", json=body)
    assert answer.status_code in (200, 503), answer.text
    return Stream.of(answer.content) if answer.status_code == 200 else None


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_drain_ends_it_told_and_kept(
    launch: Launch, upstream: Upstream, qdrant: QdrantServer, moment: str
) -> None:
    process = await launch(drain_seconds="1", qdrant_url=qdrant.url)
    alice = await process.user()
    async with preparing(moment, alice, upstream, qdrant) as (reader, conversation_id):
        process.signal(signal.SIGTERM)
        told = await reader.ended()
    assert not reader.cut
    assert (told.failure["code"], told.done["status"]) == ("instance_draining", "failed")
    await assert_left_quietly(process, signal.SIGTERM, within=15)

    await process.start()
    await assert_ended(alice, conversation_id, "instance_draining")
    await assert_goes_on(alice, upstream, qdrant, conversation_id)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_the_next_process_ends_what_a_killed_one_was_preparing(
    launch: Launch, upstream: Upstream, qdrant: QdrantServer, moment: str
) -> None:
    process = await launch(qdrant_url=qdrant.url)
    alice = await process.user()
    async with preparing(moment, alice, upstream, qdrant) as (reader, conversation_id):
        process.signal(signal.SIGKILL)
        assert await process.exited() == -signal.SIGKILL
        await reader.ended()
    assert reader.cut

    await process.start()
    await assert_ended(alice, conversation_id, "instance_lost")
    await assert_goes_on(alice, upstream, qdrant, conversation_id)


async def test_while_it_drains_an_answer_is_still_made_ready_and_written(launch: Launch, upstream: Upstream) -> None:
    """By the embedded index: it is there as long as anybody searches."""
    process = await launch(drain_seconds="20")
    alice = await process.user()
    await read(alice, "house", manual=PUMP)
    upstream.script([Answer(("Five years [1].",)), Answer(ALONE.chunks, hold=True), Answer(("Monthly [1].",))])
    first = await ask(alice, FIRST)
    body = {"question": NEXT, "collection": "house", "conversation_id": first.start["conversation_id"]}
    async with Follower(alice, "POST", "/rag/query", json=body) as reader:
        await upstream.requested(2)
        process.signal(signal.SIGTERM)
        await draining(process, within=15)
        await upstream.finish()
        told = await reader.ended()
    assert (told.text, told.done["status"]) == ("Monthly [1].", "complete")
    assert "rinsed each month" in sources(told)["sources"][0]["quote"]
    await assert_left_quietly(process, signal.SIGTERM, within=15)
