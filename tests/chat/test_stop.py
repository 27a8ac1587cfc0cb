"""Stopping an answer: upstream too, at once, with the text kept, and as often as one likes."""

import asyncio
from uuid import uuid4

import httpx
import pytest

from tests.backend import Backend, User
from tests.chat.ledger import booked
from tests.chat.reading import Reader, follow, posting
from tests.sse import Stream
from tests.upstream import Answer, Refuse, Reset, Silence, Upstream

COUNT = tuple(f"{number} " for number in range(1, 11))
HELD = Answer(COUNT, hold=True)
FINE = Answer(("Fine.",), usage=(5, 1))


async def stop(user: User, generation_id: str) -> httpx.Response:
    async with asyncio.timeout(5):
        return await user.http.post(f"/ai/generations/{generation_id}/stop")


async def begin(reader: Reader, upstream: Upstream, chunks: int = 3) -> str:
    """Read so many chunks of an answer on hold; answers the id of its generation."""
    start = await reader.event()
    await upstream.release(chunks)
    await reader.events(chunks)
    generation_id: str = start.json["generation_id"]
    return generation_id


async def test_a_stop_in_mid_stream_ends_it_everywhere_and_keeps_the_text(
    database_kind: str, backend: Backend, upstream: Upstream
) -> None:
    alice = await backend.user()
    upstream.script(HELD)
    async with posting(alice, "Count") as reader:
        generation_id = await begin(reader, upstream)

        stopped = await stop(alice, generation_id)

        assert (stopped.status_code, stopped.json()) == (202, {"generation_id": generation_id, "status": "stopped"})
        ending = Stream(await reader.rest(within=10))
    assert (await upstream.ended(within=10)).ended == "aborted"
    assert ending.done["status"] == "stopped"
    assert ending.named("failure") == []
    whole = await follow(alice, generation_id)
    assert whole.text == "1 2 3 "
    assert whole.seqs == list(range(1, len(whole.events) + 1))
    _, answer = await alice.messages(whole.start["conversation_id"])
    assert (answer["status"], answer["content"], answer["error"]) == ("stopped", "1 2 3 ", None)
    assert len(upstream.calls) == 1


async def test_what_was_used_until_the_stop_is_booked_as_an_estimate(
    backend: Backend, upstream: Upstream, database_url: str
) -> None:
    alice = await backend.user()
    upstream.script(HELD)
    async with posting(alice, "Count to ten for me") as reader:
        generation_id = await begin(reader, upstream)
        await stop(alice, generation_id)
        ending = Stream(await reader.rest())

    (row,) = await booked(database_url, generation_id)
    assert (row.outcome, row.estimated) == ("stopped", True)
    assert row.input_tokens > 0
    assert row.output_tokens > 0
    (usage,) = ending.named("usage")
    assert (usage["input_tokens"], usage["output_tokens"]) == (row.input_tokens, row.output_tokens)


async def test_a_stop_may_be_repeated(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()
    upstream.script(HELD)
    async with posting(alice, "Count") as reader:
        generation_id = await begin(reader, upstream)
        at_once = await asyncio.gather(*(stop(alice, generation_id) for _ in range(5)))
        ending = Stream(await reader.rest())

    later = await stop(alice, generation_id)

    for answer in (*at_once, later):
        assert (answer.status_code, answer.json()["status"]) == (202, "stopped")
    assert ending.done["status"] == "stopped"


async def test_stopping_what_has_ended_changes_nothing(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()
    upstream.script([FINE, Answer(COUNT, fault=Reset(2))])
    complete = await alice.chat("Hi")
    failed = await alice.chat("Hi")

    answers = [await stop(alice, stream.start["generation_id"]) for stream in (complete, failed)]

    assert [(answer.status_code, answer.json()["status"]) for answer in answers] == [(202, "complete"), (202, "failed")]
    for stream in (complete, failed):
        assert [event.json for event in (await follow(alice, stream.start["generation_id"])).events] == [
            event.json for event in stream.events
        ]
        _, message = await alice.messages(stream.start["conversation_id"])
        assert (message["status"], message["content"]) == (stream.done["status"], stream.text)


@pytest.mark.parametrize("scenario", [HELD, Silence()], ids=["after-the-head", "before-the-head"])
async def test_a_stop_before_the_first_token(
    backend: Backend, upstream: Upstream, database_url: str, scenario: Answer | Silence
) -> None:
    alice = await backend.user()
    upstream.script(scenario)
    async with posting(alice, "Count") as reader:
        start = (await reader.event()).json
        await upstream.requested()

        stopped = await stop(alice, start["generation_id"])

        ending = Stream(await reader.rest(within=10))
    assert (stopped.status_code, stopped.json()["status"]) == (202, "stopped")
    assert (await upstream.ended(within=10)).ended == "aborted"
    assert (ending.text, ending.done["status"]) == ("", "stopped")
    _, answer = await alice.messages(start["conversation_id"])
    assert (answer["status"], answer["content"]) == ("stopped", "")
    (row,) = await booked(database_url, start["generation_id"])
    assert (row.outcome, row.estimated, row.output_tokens) == ("stopped", True, 0)


async def test_a_stop_between_two_attempts_calls_no_more(
    backend: Backend, upstream: Upstream, database_url: str
) -> None:
    alice = await backend.user()
    upstream.script(Refuse(503, headers={"retry-after": "5"}))
    async with posting(alice, "Count") as reader:
        start = (await reader.event()).json
        await upstream.ended()

        await stop(alice, start["generation_id"])

        ending = Stream(await reader.rest(within=4))
    assert (ending.done["status"], ending.named("failure")) == ("stopped", [])
    assert len(upstream.calls) == 1
    (row,) = await booked(database_url, start["generation_id"])
    assert row.outcome == "upstream_overloaded"


async def test_who_waits_for_the_whole_answer_gets_what_was_written(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()
    upstream.script(HELD)
    waiting = asyncio.create_task(alice.http.post("/ai/chat", json={"message": "Count"}))
    await upstream.release(3)
    (conversation,) = (await alice.http.get("/conversations")).json()["items"]
    _, streaming = await alice.messages(conversation["id"])

    await stop(alice, streaming["generation_id"])

    answer = await waiting
    assert answer.status_code == 200
    assert (answer.json()["reply"], answer.json()["status"]) == ("1 2 3 ", "stopped")
    assert answer.json()["message_id"] == streaming["id"]


async def test_every_reader_sees_the_same_end(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()
    upstream.script(HELD)
    async with posting(alice, "Count") as reader:
        generation_id = await begin(reader, upstream)
        others = [asyncio.create_task(follow(alice, generation_id)) for _ in range(3)]

        await stop(alice, generation_id)

        ending = Stream(await reader.rest())
        whole = [await other for other in others]
    assert all(stream.text == "1 2 3 " for stream in whole)
    assert all(stream.done == ending.done for stream in whole)


async def test_the_conversation_goes_on_at_once(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()
    upstream.script(HELD, model="slow")
    upstream.script(FINE, model="quick")
    async with posting(alice, "Count", model="openai/slow") as reader:
        generation_id = await begin(reader, upstream)
        await stop(alice, generation_id)
        conversation_id = reader.response.headers["x-conversation-id"]

        after = await alice.chat("And now?", conversation_id=conversation_id, model="openai/quick")

    assert (after.text, after.done["status"]) == ("Fine.", "complete")
    sent = upstream.calls[-1].body["messages"]
    assert [message["content"] for message in sent] == ["Count", "1 2 3 ", "And now?"]


async def test_a_stop_of_what_is_not_ones_own_is_a_stop_of_nothing(backend: Backend, upstream: Upstream) -> None:
    alice, mallory = await backend.user("alice"), await backend.user("mallory")
    upstream.script(HELD)
    async with posting(alice, "Count") as reader:
        generation_id = await begin(reader, upstream)

        foreign, unknown = await stop(mallory, generation_id), await stop(mallory, str(uuid4()))
        no_id = await stop(mallory, "nonsense")

        for answer in (foreign, unknown, no_id):
            assert answer.status_code == 404
            assert answer.headers["content-type"] == "application/problem+json"
        alike = [{**answer.json(), "request_id": None} for answer in (foreign, unknown)]
        assert alike[0] == alike[1]
        await upstream.finish()
        rest = Stream(await reader.rest())
    assert rest.done["status"] == "complete"
    assert (await follow(alice, generation_id)).text == "".join(COUNT)
