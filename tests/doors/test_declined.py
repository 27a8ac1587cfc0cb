"""An answer that its model declines is told as one, stored or not; a question that its vendor refuses is a 400."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest

from tests.doors.conftest import Service
from tests.doors.every_door import HELLO, both_ways
from tests.upstream import Upstream
from tests.upstream.scenarios import Answer, Page, Refusal

DOORS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": HELLO},
    "/v1/responses": {"input": "Hello"},
    "/v1/messages": {"messages": HELLO, "max_tokens": 99},
}
WORDS = {
    "/v1/chat/completions": '"finish_reason":"content_filter"',
    "/v1/responses": '"incomplete_details":{"reason":"content_filter"}',
    "/v1/messages": '"stop_reason":"refusal"',
}
FLAGGED = Page(b'{"error": {"message": "It was flagged.", "code": "content_filter"}}', 400, "application/json")
each_door = pytest.mark.parametrize("path", DOORS)
somehow_stored = pytest.mark.parametrize("joined", [True, False], ids=["joined", "unstored"])


@pytest.fixture
async def client(patient: Service) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=f"{patient.backend.url}/v1", api_key=patient.alice.token, max_retries=0
    ) as client:
        yield client


async def asked(service: Service, path: str, *, stream: bool, joined: bool, **headers: str) -> httpx.Response:
    body = {"model": "openai/gpt", "stream": stream, **DOORS[path]}
    if joined:
        headers["X-Conversation-ID"] = "new"
    elif path == "/v1/responses":
        body["store"] = False
    return await service.alice.http.post(path, json=body, headers=headers)


@each_door
@both_ways
@somehow_stored
@pytest.mark.parametrize("said", [("Hel", "lo"), ()], ids=["midway", "without a word"])
async def test_it_is_told_in_the_doors_own_word(
    patient: Service, vendor: Upstream, path: str, stream: bool, joined: bool, said: tuple[str, ...]
) -> None:
    vendor.script(Answer(said, finish="content_filter"))
    answer = await asked(patient, path, stream=stream, joined=joined)
    assert answer.status_code == 200, answer.text
    assert WORDS[path] in answer.text.replace('": ', '":')
    assert '"error":{' not in answer.text.replace('": ', '":')


@each_door
async def test_its_conversation_says_that_it_failed(patient: Service, vendor: Upstream, path: str) -> None:
    vendor.script(Answer(("Hel", "lo"), finish="content_filter"))
    answer = await asked(patient, path, stream=False, joined=True)
    conversation = answer.headers["x-conversation-id"]
    kept = (await patient.alice.http.get(f"/conversations/{conversation}/messages")).json()["items"][-1]
    assert (kept["content"], kept["status"], kept["error"]["code"]) == ("Hello", "failed", "refused")


@each_door
@both_ways
async def test_a_repeat_is_told_the_same(patient: Service, vendor: Upstream, path: str, stream: bool) -> None:
    vendor.script(Answer(("Hel", "lo"), finish="content_filter"))
    key = {"Idempotency-Key": f"declined {path} {stream}"}
    first, again = [await asked(patient, path, stream=stream, joined=True, **key) for _ in range(2)]
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert len(vendor.calls) == 1


@each_door
@both_ways
@somehow_stored
async def test_a_question_that_is_refused_up_front_is_a_fault_of_it(
    patient: Service, vendor: Upstream, path: str, stream: bool, joined: bool
) -> None:
    vendor.script(FLAGGED)
    answer = await asked(patient, path, stream=stream, joined=joined)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


async def test_the_words_of_it_reach_openais_client(client: openai.AsyncOpenAI, vendor: Upstream) -> None:
    vendor.script(Answer((Refusal("I cannot "), Refusal('help with "that", 对不起.'))))
    asked: Any = {"model": "openai/gpt", "messages": HELLO}
    async with client.chat.completions.stream(**asked) as stream:
        streamed = (await stream.get_final_completion()).choices[0]
    whole = (await client.chat.completions.create(**asked)).choices[0]
    for choice in (streamed, whole):
        assert choice.message.refusal == 'I cannot help with "that", 对不起.'
        assert (choice.message.content or None, choice.finish_reason) == (None, "stop")


async def test_they_are_a_part_of_a_response(client: openai.AsyncOpenAI, vendor: Upstream) -> None:
    vendor.script(Answer((Refusal("I cannot "), Refusal("help."))))
    asked: Any = {"model": "openai/gpt", "input": "Hello", "store": False}
    async with client.responses.stream(**asked) as stream:
        told = [event.delta async for event in stream if event.type == "response.refusal.delta"]
        streamed = await stream.get_final_response()
    whole = await client.responses.create(**asked)
    assert "".join(told) == "I cannot help."
    for response in (streamed, whole):
        (message,) = response.model_dump()["output"]
        assert [(part["type"], part["refusal"]) for part in message["content"]] == [("refusal", "I cannot help.")]
        assert (response.status, response.output_text) == ("completed", "")


async def test_what_was_declined_goes_back_as_it_was_said(client: openai.AsyncOpenAI, vendor: Upstream) -> None:
    vendor.script([Answer((Refusal("I cannot help."),)), Answer(("Fine.",))])
    declined = await client.chat.completions.create(model="openai/gpt", messages=HELLO)
    history: Any = [*HELLO, declined.choices[0].message.model_dump(exclude_none=True), *HELLO]
    await client.chat.completions.create(model="openai/gpt", messages=history)
    assert "I cannot help." in json.dumps(vendor.calls[-1].body)
