"""However a vendor fails, its failure is said once, the text is kept, and the conversation goes on."""

import asyncio
from typing import Any

import pytest

from tests.backend import User
from tests.chat.conftest import Service
from tests.chat.faults import BY_NAME, COUNT, FAULTS, FINE, VENDORS, Fault, broken, refusing
from tests.chat.ledger import booked
from tests.conftest import Serve
from tests.sse import Stream
from tests.upstream import Answer, Frame, Reset, Upstream


def rows(*names: str) -> list[Any]:
    """Each vendor that has such a fault, with each of these faults or all."""
    faults = [BY_NAME[name] for name in names] or FAULTS
    assert all(fault.not_at.keys() <= set(VENDORS) for fault in faults)
    return [
        pytest.param(at, fault, id=f"{at}-{fault.name}") for fault in faults for at in VENDORS if at not in fault.not_at
    ]


async def befall(vendor: Upstream, fault: Fault) -> None:
    if fault.scenario is None:
        await vendor.stop()
    else:
        vendor.script(fault.scenario)


async def recover(vendor: Upstream, fault: Fault) -> None:
    if fault.scenario is None:
        await vendor.start()
    vendor.script(FINE)


async def count(user: User, **body: Any) -> Stream:
    async with asyncio.timeout(15):
        return await user.chat("Count", **body)


@pytest.mark.parametrize(("at", "fault"), rows())
async def test_a_fault_is_said_once_and_the_text_is_kept(
    patient: Service, hasty: Service, vendor: Upstream, at: str, fault: Fault
) -> None:
    service = hasty if fault.hasty else patient
    alice = service.alice
    await befall(vendor, fault)

    stream = await count(alice, model=f"{at}/model")

    # What is said: one failure, then the end.
    code, retryable, detail = (stream.failure[name] for name in ("code", "retryable", "detail"))
    assert (code, retryable) == (fault.code, fault.retryable)
    assert stream.done["status"] == "failed"
    assert stream.events[-2].name == "failure"
    assert stream.seqs == list(range(1, len(stream.events) + 1))
    assert stream.text == fault.text
    # What is asked: as often as may help; who has stalled is hung up on.
    assert len(vendor.calls) == (fault.attempts if fault.scenario else 0)
    ends = [(await vendor.ended(number, within=10)).ended for number in range(1, len(vendor.calls) + 1)]
    assert not fault.hasty or ends == ["aborted"]
    # What is stored: the same.
    conversation = stream.start["conversation_id"]
    _, answer = await alice.messages(conversation)
    assert (answer["status"], answer["content"]) == ("failed", stream.text)
    assert answer["error"] == {"code": code, "detail": detail, "retryable": retryable}
    assert answer["usage"] == next(map(without_seq, stream.named("usage")), None)
    # What is not said: the vendor's words.
    assert "Canary" not in "".join(event.data for event in stream.events)
    assert "loopback" not in detail
    assert "127.0.0.1" not in detail
    # What is booked: each call, for what may have been used.
    bill = await booked(service.database_url, stream.start["generation_id"])
    reported = at in fault.billed_by
    assert [(row.outcome, row.estimated) for row in bill] == [(code, not reported)] * fault.attempts
    assert reported or all(bool(row.output_tokens) == bool(stream.text) for row in bill)
    # And it goes on.
    await recover(vendor, fault)
    after = await count(alice, conversation_id=conversation)
    assert (after.text, after.done["status"]) == ("Fine.", "complete")
    assert vendor.calls[-1].model == "model"


def without_seq(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != "seq"}


# For who waits for the whole answer


STATUSES = {
    "away": (502, False),
    "401-bad-key": (502, False),
    "cut-after-12": (502, False),
    "page-200": (502, False),
    "429-for-6s": (503, True),
    "503-for-an-hour": (503, True),
    "silence": (504, False),
    "stall-after-12": (504, False),
    "context-too-long": (422, False),
    "content-filter": (422, False),
}


@pytest.mark.parametrize(("at", "fault"), rows(*STATUSES))
async def test_who_waited_for_the_whole_answer_gets_the_fault_as_a_problem(
    patient: Service, hasty: Service, vendor: Upstream, at: str, fault: Fault
) -> None:
    alice = (hasty if fault.hasty else patient).alice
    status, comes_back = STATUSES[fault.name]
    await befall(vendor, fault)

    answer = await alice.http.post("/ai/chat", json={"message": "Count", "model": f"{at}/model"})

    await recover(vendor, fault)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["code"]) == (status, fault.code)
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert "Canary" not in answer.text
    assert ("retry-after" in answer.headers) == comes_back
    newest, *_ = (await alice.http.get("/conversations", params={"limit": 1})).json()["items"]
    stored = await alice.answer(newest["id"])
    assert (stored["status"], stored["content"]) == ("failed", fault.text)
    assert (stored["error"]["code"], stored["error"]["detail"]) == (fault.code, problem["detail"])


async def test_a_failed_whole_answer_is_replayed_and_not_asked_for_again(patient: Service, vendor: Upstream) -> None:
    vendor.script([refusing(401), FINE])
    key, body = {"Idempotency-Key": "one"}, {"message": "Hi", "model": "openai/model"}

    first, second = [await patient.alice.http.post("/ai/chat", json=body, headers=key) for _ in range(2)]

    assert (first.status_code, second.status_code) == (502, 502)
    assert first.json()["code"] == second.json()["code"] == "upstream_auth"
    assert len(vendor.calls) == 1


async def test_a_drain_is_told_to_who_waits_for_the_whole_answer(serve: Serve, upstream: Upstream) -> None:
    backend = await serve()
    alice = await backend.user()
    upstream.script(Answer(COUNT, hold=True))
    waiting = asyncio.create_task(alice.http.post("/ai/chat", json={"message": "Count"}))
    await upstream.release(3)

    await backend.house.engine.drain(0)

    answer = await waiting
    assert (answer.status_code, answer.json()["code"]) == (503, "instance_draining")
    assert int(answer.headers["retry-after"]) > 0


# Endings that are none of the vendor's faults


MARKED = {
    "openai": Frame(b'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n'),
    "deepseek": Frame(b'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n'),
    "anthropic": Frame(
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}\n\n'
        b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n'
    ),
    "ollama": Frame(b'{"message":{"role":"assistant","content":"Hi"},"done":true,"done_reason":"stop"}\n'),
}


@pytest.mark.parametrize("at", VENDORS)
async def test_a_reset_behind_the_finish_marker_costs_no_more_than_the_usage(
    patient: Service, vendor: Upstream, at: str
) -> None:
    vendor.script(Answer((MARKED[at],), fault=Reset(1)))

    stream = await count(patient.alice, model=f"{at}/model")

    assert (stream.text, stream.done["status"]) == ("Hi", "complete")
    ((outcome, estimated, _, output_tokens),) = await booked(patient.database_url, stream.start["generation_id"])
    assert (outcome, estimated, output_tokens > 0) == ("complete", True, True)


@pytest.mark.parametrize("at", VENDORS)
async def test_an_answer_that_ends_at_its_length_is_complete(patient: Service, vendor: Upstream, at: str) -> None:
    vendor.script(Answer(COUNT[:3], finish="length"))
    stream = await count(patient.alice, model=f"{at}/model")
    assert (stream.text, stream.done["status"]) == ("1 2 3 ", "complete")


@pytest.mark.parametrize("at", VENDORS)
async def test_an_answer_without_a_word_is_complete_and_empty(patient: Service, vendor: Upstream, at: str) -> None:
    vendor.script(Answer((), usage=(9, 0)))
    stream = await count(patient.alice, model=f"{at}/model")
    assert (stream.text, stream.done["status"]) == ("", "complete")
    assert (await patient.alice.answer(stream.start["conversation_id"]))["status"] == "complete"


async def test_an_answer_without_end_is_cut_at_the_limit_and_kept(serve: Serve, upstream: Upstream) -> None:
    alice = await (await serve(max_answer_bytes=4096)).user()
    upstream.script(Answer(("x" * 1000,) * 10_000))

    stream = await count(alice)

    assert (stream.failure["code"], stream.failure["retryable"]) == ("upstream_protocol", False)
    assert 0 < len(stream.text) <= 4096
    assert (await alice.answer(stream.start["conversation_id"]))["content"] == stream.text
    assert (await upstream.ended()).ended == "aborted"


async def test_an_answer_that_takes_too_long_is_cut_and_kept(serve: Serve, upstream: Upstream) -> None:
    alice = await (await serve(answer_timeout=0.5)).user()
    upstream.script(Answer(("x",) * 1000, delay=0.02))

    stream = await count(alice)

    assert (stream.failure["code"], stream.failure["retryable"]) == ("upstream_timeout", True)
    assert len(stream.text) > 0
    assert (await alice.answer(stream.start["conversation_id"]))["content"] == stream.text
    assert (await upstream.ended(within=10)).ended == "aborted"


@pytest.mark.parametrize("at", VENDORS)
async def test_one_failing_conversation_leaves_another_alone(patient: Service, vendor: Upstream, at: str) -> None:
    alice, bob = patient.alice, await patient.backend.user("bob")
    vendor.script(broken(Reset(12)), model="unlucky")
    vendor.script(Answer(COUNT, hold=True), model="lucky")
    theirs = asyncio.create_task(count(bob, model=f"{at}/lucky"))
    await vendor.release(3)

    failed = await count(alice, model=f"{at}/unlucky")
    await vendor.finish()

    assert failed.done["status"] == "failed"
    assert ((await theirs).text, (await theirs).done["status"]) == ("".join(COUNT), "complete")
