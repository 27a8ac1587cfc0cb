"""Whoever repeats a call with its Idempotency-Key gets the first answer, though no conversation holds it."""

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import anthropic
import httpx
import openai
import pytest
from sqlalchemy import func, select, update

from app.models.generations import idempotency_records, kept_answers
from app.models.usage import usage_records
from tests.accounts.behind import alter, rows
from tests.backend import User
from tests.chat.reading import eventually
from tests.conftest import Serve
from tests.doors.conftest import Service
from tests.upstream import Upstream
from tests.upstream.scenarios import Answer, Cut, Page, Refuse, Silence

HELLO: Any = [{"role": "user", "content": "Hello"}]
CHAT = "/v1/chat/completions"
DOORS: dict[str, dict[str, Any]] = {
    CHAT: {"model": "openai/gpt", "messages": HELLO},
    "/v1/responses": {"model": "openai/gpt", "input": "Hello", "store": False},
    "/v1/messages": {"model": "openai/gpt", "messages": HELLO, "max_tokens": 99},
    "/ollama/api/chat": {"model": "openai/gpt", "messages": HELLO},
    "/ollama/api/generate": {"model": "openai/gpt", "prompt": "Hello"},
}
VECTORS: dict[str, dict[str, Any]] = {
    "/v1/embeddings": {"model": "openai/m", "input": ["cat", "犬"]},
    "/ollama/api/embed": {"model": "openai/m", "input": ["cat", "犬"]},
    "/ollama/api/embeddings": {"model": "openai/m", "prompt": "cat"},
}
JOINING = {"X-Conversation-ID": "new"}
every_door = pytest.mark.parametrize("path", DOORS)
# What Ollama tells of times is of each reading, and a refusal names its request.
_OWN = re.compile(rb'"(created_at|\w+_duration|request_id)": ?("[^"]*"|\d+)')


async def asked(user: User, path: str, key: str, /, **body: Any) -> httpx.Response:
    given = {**{**DOORS, **VECTORS}[path], **body}
    return await user.http.post(path, json=given, headers={"Idempotency-Key": key})


def told(answer: httpx.Response) -> tuple[int, bytes]:
    return answer.status_code, _OWN.sub(b"", answer.content)


async def requests(service: Service) -> int:
    """In the ledger."""
    await service.backend.house.engine.settle(20)
    found = await rows(service.database_url, select(func.count()).select_from(usage_records))
    count: int = found[0]["count_1"]
    return count


@every_door
@pytest.mark.parametrize("stream", [True, False])
async def test_a_repeat_gets_the_same_and_nobody_is_asked_again(
    patient: Service, vendor: Upstream, path: str, stream: bool
) -> None:
    vendor.script(Answer(("Hel", "lo, 世界", " 🙂"), usage=(9, 3)))
    before, key = await requests(patient), f"same {stream}"
    first = await asked(patient.alice, path, key, stream=stream)
    assert first.status_code == 200, first.text
    for _ in range(2):
        assert told(await asked(patient.alice, path, key, stream=stream)) == told(first)
    assert len(vendor.calls) == 1
    assert await requests(patient) == before + 1


@every_door
async def test_another_body_is_refused_in_the_doors_words(patient: Service, vendor: Upstream, path: str) -> None:
    await asked(patient.alice, path, "body", stream=False)
    refused = await asked(patient.alice, path, "body", stream=True)
    assert refused.status_code == 400
    assert "another body" in json.dumps(refused.json()["error"])
    # Nothing but what counts is compared.
    assert (await asked(patient.alice, path, "body", stream=False, unknown=1)).status_code == 200
    assert len(vendor.calls) == 1


async def test_to_join_a_conversation_is_to_ask_for_something_else(patient: Service, vendor: Upstream) -> None:
    await asked(patient.alice, CHAT, "join")
    headers = {"Idempotency-Key": "join", "X-Conversation-ID": "new"}
    assert (await patient.alice.http.post(CHAT, json=DOORS[CHAT], headers=headers)).status_code == 400


@every_door
async def test_while_it_is_written_a_stream_joins_it_and_a_whole_answer_is_to_come_later(
    patient: Service, vendor: Upstream, path: str
) -> None:
    vendor.script(Answer(("Hel", "lo"), hold=True))
    first = asyncio.create_task(asked(patient.alice, path, "running", stream=True))
    await vendor.release()
    joined = asyncio.create_task(asked(patient.alice, path, "running", stream=True))
    await asyncio.sleep(0.05)
    await vendor.finish()
    assert told(await joined) == told(await first)

    vendor.script(Answer(("Hel", "lo"), hold=True))
    waiting = asyncio.create_task(asked(patient.alice, path, "waiting", stream=False))
    await eventually(lambda: len(vendor.calls) == 2)
    call = vendor.calls[-1]
    refused = await asked(patient.alice, path, "waiting", stream=False)
    assert (refused.status_code, refused.headers["retry-after"]) == (409, "1")
    await vendor.finish(request=call)
    waited = told(await waiting)
    assert told(await asked(patient.alice, path, "waiting", stream=False)) == waited
    assert len(vendor.calls) == 2


@pytest.mark.parametrize("stream", [True, False])
async def test_leaving_does_not_end_what_somebody_may_come_back_to(
    patient: Service, vendor: Upstream, stream: bool
) -> None:
    vendor.script(Answer(("Hel", "lo"), hold=True))
    key = f"leaving {stream}"
    reader = asyncio.create_task(asked(patient.alice, CHAT, key, stream=stream))
    call = await vendor.requested()
    await vendor.release(request=call)
    reader.cancel()
    await asyncio.sleep(0.1)
    assert call.ended is None
    await vendor.finish(request=call)
    async with asyncio.timeout(15):
        while (again := await asked(patient.alice, CHAT, key, stream=stream)).status_code == 409:
            await asyncio.sleep(0.02)
    assert again.status_code == 200
    assert "lo" in again.text
    assert len(vendor.calls) == 1


@every_door
async def test_a_failure_is_the_outcome_too(patient: Service, vendor: Upstream, path: str) -> None:
    vendor.script([Refuse(400, "context_length"), Answer(("Hel", "lo"), fault=Cut(1)), Answer(("Fine",))])
    for stream, status in ((False, 400), (True, 200)):
        first = await asked(patient.alice, path, f"failing {stream}", stream=stream)
        again = await asked(patient.alice, path, f"failing {stream}", stream=stream)
        assert first.status_code == status
        assert "error" in first.text
        assert told(again) == told(first)
    assert len(vendor.calls) == 2


async def test_a_client_is_told_that_trying_again_will_not_help(patient: Service, vendor: Upstream) -> None:
    vendor.script(Answer(("Hel", "lo"), fault=Cut(1)))
    for _ in range(2):
        answer = await asked(patient.alice, CHAT, "hopeless")
        assert (answer.status_code, answer.headers["x-should-retry"]) == (502, "false")
    assert len(vendor.calls) == 1


async def by_chat_completions(service: Service, user: User, *, retries: int, stored: bool) -> None:
    url = f"{service.backend.url}/v1"
    async with openai.AsyncOpenAI(base_url=url, api_key=user.token, max_retries=retries) as client:
        with pytest.raises(openai.InternalServerError):
            await client.chat.completions.create(
                model="openai/gpt", messages=HELLO, extra_headers=JOINING if stored else {}
            )


async def by_responses(service: Service, user: User, *, retries: int, stored: bool) -> None:
    url = f"{service.backend.url}/v1"
    async with openai.AsyncOpenAI(base_url=url, api_key=user.token, max_retries=retries) as client:
        with pytest.raises(openai.InternalServerError):
            await client.responses.create(model="openai/gpt", input="Hello", store=stored, stream=True)


async def by_messages(service: Service, user: User, *, retries: int, stored: bool) -> None:
    url = service.backend.url
    async with anthropic.AsyncAnthropic(base_url=url, api_key=user.token, max_retries=retries) as client:
        with pytest.raises(anthropic.InternalServerError):
            await client.messages.create(
                model="openai/gpt", messages=HELLO, max_tokens=9, extra_headers=JOINING if stored else {}
            )


with_sdks = pytest.mark.parametrize("ask", [by_chat_completions, by_responses, by_messages])


@with_sdks
async def test_clients_that_repeat_by_themselves_store_a_question_once(
    patient: Service, vendor: Upstream, ask: Any
) -> None:
    vendor.script(Page())
    user = await patient.backend.user(ask.__name__)
    await ask(patient, user, retries=2, stored=True)
    [conversation] = (await user.http.get("/conversations")).json()["items"]
    assert [each["role"] for each in await user.messages(conversation["id"])] == ["user", "assistant"]
    assert len(vendor.calls) == 1


@with_sdks
async def test_clients_may_repeat_what_is_stored_nowhere(patient: Service, vendor: Upstream, ask: Any) -> None:
    vendor.script(Page())
    await ask(patient, patient.alice, retries=1, stored=False)
    assert len(vendor.calls) == 2


async def test_what_was_refused_is_not_on_record(patient: Service, vendor: Upstream) -> None:
    assert (await asked(patient.alice, CHAT, "refused", model="nothing")).status_code == 404
    assert (await asked(patient.alice, CHAT, "refused", top_logprobs=3, logprobs=True)).status_code in (200, 400)
    assert (await asked(patient.alice, CHAT, "x" * 256)).status_code == 400
    assert (await asked(patient.alice, "/v1/embeddings", "refused", model="nothing")).status_code == 404
    assert (await asked(patient.alice, "/v1/embeddings", "refused")).status_code == 200


async def test_a_key_is_its_users_and_its_routes(patient: Service, vendor: Upstream) -> None:
    bob = await patient.backend.user("bob")
    ids = [(await asked(user, CHAT, "shared")).json()["id"] for user in (patient.alice, bob, patient.alice, bob)]
    assert (ids[:2], len(set(ids))) == (ids[2:], 2)
    assert (await asked(patient.alice, "/v1/messages", "shared")).status_code == 200
    assert len(vendor.calls) == 3


@pytest.mark.parametrize("path", [CHAT, "/v1/responses"])
async def test_many_at_once_begin_one_answer_and_all_read_it(patient: Service, vendor: Upstream, path: str) -> None:
    vendor.script(Answer(("Hel", "lo"), delay=0.02))
    answers = await asyncio.gather(*(asked(patient.alice, path, "crowd", stream=True) for _ in range(10)))
    assert {told(answer) for answer in answers} == {told(answers[0])}
    assert answers[0].status_code == 200
    assert len(vendor.calls) == 1


async def test_a_day_later_it_is_a_new_request(patient: Service, vendor: Upstream) -> None:
    first = await asked(patient.alice, CHAT, "yesterday")
    past = datetime.now(UTC) - timedelta(hours=25)
    record = idempotency_records.c.key == "yesterday"
    await alter(patient.database_url, update(idempotency_records).where(record).values(created_at=past))
    second = await asked(patient.alice, CHAT, "yesterday")
    assert first.json()["id"] != second.json()["id"]
    assert len(vendor.calls) == 2


async def test_without_a_key_nothing_is_kept(patient: Service, vendor: Upstream) -> None:
    count = select(func.count()).select_from(kept_answers)
    before = await rows(patient.database_url, count)
    await patient.alice.http.post(CHAT, json=DOORS[CHAT])
    assert await rows(patient.database_url, count) == before


async def test_a_response_that_is_stored_is_repeated_as_it_is_stored(patient: Service, vendor: Upstream) -> None:
    first = await asked(patient.alice, "/v1/responses", "stored", store=None)
    again = await asked(patient.alice, "/v1/responses", "stored", store=None)
    assert first.json()["store"] is again.json()["store"] is True
    assert again.json() == first.json()
    assert again.headers["x-generation-id"] == first.headers["x-generation-id"]
    assert len(vendor.calls) == 1


@pytest.mark.parametrize("path", VECTORS)
async def test_vectors_are_made_once(patient: Service, vendor: Upstream, path: str) -> None:
    before = await requests(patient)
    first = await asked(patient.alice, path, "vectors")
    assert first.status_code == 200, first.text
    for _ in range(2):
        assert told(await asked(patient.alice, path, "vectors")) == told(first)
    assert (await asked(patient.alice, path, "vectors", model="openai/other")).status_code == 400
    assert len(vendor.calls) == 1
    assert await requests(patient) == before + 1


async def test_vectors_are_the_same_in_every_spelling(patient: Service, vendor: Upstream) -> None:
    for encoding in ("float", "base64"):
        first = await asked(patient.alice, "/v1/embeddings", encoding, encoding_format=encoding)
        assert told(await asked(patient.alice, "/v1/embeddings", encoding, encoding_format=encoding)) == told(first)


async def test_vectors_are_made_though_nobody_waits_and_a_failure_is_kept(patient: Service, vendor: Upstream) -> None:
    vendor.script(Silence())
    reader = asyncio.create_task(asked(patient.alice, "/v1/embeddings", "left"))
    call = await vendor.requested()
    refused = await asked(patient.alice, "/v1/embeddings", "left")
    assert (refused.status_code, refused.headers["retry-after"]) == (409, "1")
    reader.cancel()
    await asyncio.sleep(0.1)
    assert call.ended is None

    vendor.script([Refuse(400), Answer(())])
    failed = [await asked(patient.alice, "/v1/embeddings", "failed") for _ in range(2)]
    assert [each.status_code for each in failed] == [400, 400]
    assert failed[0].json() == failed[1].json()
    assert len(vendor.calls) == 2


async def test_after_a_restart_it_is_replayed_uncounted_and_what_was_lost_is_said_to_be(
    serve: Serve, upstream: Upstream, database_url: str
) -> None:
    settings = {"rate_limit_ai": "3/hour", "max_answer_bytes": 1024, "secret_key": "0f1e2d3c4b5a69788796a5b4c3d2e1f0"}
    before = await serve(**settings)
    alice = await before.user()
    first = await asked(alice, CHAT, "kept", stream=True)
    vectors = await asked(alice, "/v1/embeddings", "kept")
    many = {"input": [f"word {number}" for number in range(9)]}
    assert (await asked(alice, "/v1/embeddings", "large", **many)).status_code == 200
    assert (await asked(alice, "/v1/embeddings", "large", **many)).status_code == 410  # more than is kept
    assert (await asked(alice, CHAT, "fourth")).status_code == 429
    assert told(await asked(alice, CHAT, "kept", stream=True)) == told(first)
    token = alice.token
    await before.stop()

    after = await serve(**settings)
    again = User(after.url, token, alice.email)
    try:
        assert told(await asked(again, CHAT, "kept", stream=True)) == told(first)
        assert told(await asked(again, "/v1/embeddings", "kept")) == told(vectors)
        await alter(database_url, update(kept_answers).values(content=None))  # as if it had died before the end
        for path, stream in ((CHAT, {"stream": True}), ("/v1/embeddings", {})):
            lost = await asked(again, path, "kept", **stream)
            assert (lost.status_code, lost.json()["error"]["code"]) == (503, "instance_lost")
    finally:
        await again.http.aclose()
    assert len(upstream.calls) == 3


@pytest.mark.parametrize("database_kind", ["postgresql"])
async def test_another_instance_tells_that_it_is_written_and_replays_it_then(
    database_kind: str, serve: Serve, upstream: Upstream
) -> None:
    one, other = [await serve(secret_key="0f1e2d3c4b5a69788796a5b4c3d2e1f0") for _ in range(2)]
    here, there = await one.user(), await other.user()
    upstream.script(Answer(("Hel", "lo"), hold=True))
    reading = asyncio.create_task(asked(here, CHAT, "apart", stream=True))
    await upstream.release()
    for stream in (True, True):
        elsewhere = await asked(there, CHAT, "apart", stream=stream)
        assert (elsewhere.status_code, elsewhere.headers["x-should-retry"]) == (409, "true")
        assert int(elsewhere.headers["retry-after"]) >= 1
    await upstream.finish()
    first = await reading
    assert told(await asked(there, CHAT, "apart", stream=True)) == told(first)
    assert len(upstream.calls) == 1

    upstream.reset()
    crowd = [asked(user, path, "crowd") for path in (CHAT, "/v1/embeddings") for user in (here, there) * 4]
    answers = await asyncio.gather(*crowd)
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len(upstream.calls) == 2
    await eventually(lambda: all(call.ended == "complete" for call in upstream.calls))
