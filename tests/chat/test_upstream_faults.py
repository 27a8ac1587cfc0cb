"""However the upstream fails, its failure is said once, the text is kept, and the conversation goes on."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.backend import Backend, User
from tests.chat.ledger import Booked, booked
from tests.conftest import Serve
from tests.sse import Stream
from tests.upstream import (
    Answer,
    Cut,
    Drop,
    EndlessHeaders,
    Filler,
    Frame,
    InBandError,
    Page,
    Reasoning,
    Refusal,
    Refuse,
    Reset,
    Scenario,
    Silence,
    Stall,
    Upstream,
)

VENDOR = "Canary: the vendor's own words about sk-loopback-key"
COUNT = tuple(f"{number} " for number in range(1, 21))
TWELVE = "".join(COUNT[:12])
GARBAGE = Frame(b'data: {"choices": [{"delta": {"content": oops\n\n')
FINE = Answer(("Fine.",), usage=(5, 1))


@dataclass(frozen=True)
class Fault:
    """What the upstream does, None being away; what is to come of it, after how many attempts, with how much text."""

    name: str
    scenario: Scenario | None
    code: str
    retryable: bool
    attempts: int = 1
    text: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


def refusing(status: int, **headers: str) -> Refuse:
    return Refuse(status, message=VENDOR, headers={name.replace("_", "-"): value for name, value in headers.items()})


def broken(fault: Cut | Reset | Stall | InBandError) -> Answer:
    return Answer(COUNT, fault=fault)


FIRST_TOKEN = {"first_token_timeout": 0.3}
NEXT_CHUNK = {"chunk_timeout": 0.3}
UNMARKED = Answer(COUNT[:12], finish=None, done=False, usage=None)
HUGE_LINE = Answer(("Hel", Filler(2 << 20), "lo"))

FAULTS = [
    Fault("away", None, "upstream_error", True, attempts=2),
    Fault("400", refusing(400), "upstream_error", False),
    Fault("401", refusing(401), "upstream_auth", False),
    Fault("403", refusing(403), "upstream_auth", False),
    Fault("404", refusing(404), "upstream_error", False),
    Fault("418", refusing(418), "upstream_error", False),
    Fault("429-for-long", refusing(429, retry_after="30"), "upstream_rate_limited", True),
    Fault("429-always", refusing(429, retry_after_ms="20"), "upstream_rate_limited", True, attempts=2),
    Fault("no-credit", Refuse(429, "quota", VENDOR), "upstream_rate_limited", True),
    Fault("500-always", refusing(500), "upstream_error", True, attempts=2),
    Fault("503-always", refusing(503, retry_after_ms="20"), "upstream_overloaded", True, attempts=2),
    Fault("503-for-long", refusing(503, retry_after="3600"), "upstream_overloaded", True),
    Fault("page-502", Page(VENDOR.encode(), status=502), "upstream_error", True, attempts=2),
    Fault("page-200", Page(VENDOR.encode()), "upstream_protocol", True),
    Fault("broken-json-200", Page(b'{"error"', content_type="application/json"), "upstream_protocol", True),
    Fault("json-error-200", Refuse(200, message=VENDOR), "upstream_error", True, attempts=2),
    Fault("context-length", Refuse(400, "context_length", VENDOR), "context_too_long", False),
    Fault("drop", Drop(), "upstream_error", True, attempts=2),
    Fault("drop-reset", Drop(reset=True), "upstream_error", True, attempts=2),
    Fault("endless-headers", EndlessHeaders(), "upstream_error", True, attempts=2),
    Fault("silence", Silence(), "upstream_timeout", True, settings=FIRST_TOKEN),
    Fault("stall-at-head", broken(Stall(0)), "upstream_timeout", True, settings=FIRST_TOKEN),
    Fault("stall-after-12", broken(Stall(12)), "upstream_timeout", True, text=TWELVE, settings=NEXT_CHUNK),
    Fault("reset-after-12", broken(Reset(12)), "upstream_cut", True, text=TWELVE),
    Fault("cut-after-12", broken(Cut(12)), "upstream_cut", True, text=TWELVE),
    Fault("sever-after-12", broken(Cut(12, terminated=False)), "upstream_cut", True, text=TWELVE),
    Fault("cut-after-0", broken(Cut(0)), "upstream_cut", True, attempts=2),
    Fault("reset-after-0", broken(Reset(0)), "upstream_cut", True, attempts=2),
    Fault("no-finish-marker", UNMARKED, "upstream_cut", True, text=TWELVE),
    Fault("error-after-3", broken(InBandError(3, message=VENDOR)), "upstream_error", True, text="1 2 3 "),
    Fault(
        "limit-after-3", broken(InBandError(3, "rate_limited", VENDOR)), "upstream_rate_limited", True, text="1 2 3 "
    ),
    Fault("garbage-after-3", Answer((*COUNT[:3], GARBAGE, *COUNT[3:])), "upstream_protocol", True, text="1 2 3 "),
    Fault("huge-line", HUGE_LINE, "upstream_protocol", True, text="Hel"),
    Fault("content-filter", Answer(COUNT[:3], finish="content_filter"), "refused", False, text="1 2 3 "),
    Fault("refusal", Answer((Refusal(VENDOR),)), "refused", False),
]
BY_NAME = {fault.name: fault for fault in FAULTS}


async def befall(upstream: Upstream, fault: Fault) -> None:
    if fault.scenario is None:
        await upstream.stop()
    else:
        upstream.script(fault.scenario)


async def recover(upstream: Upstream, fault: Fault) -> None:
    if fault.scenario is None:
        await upstream.start()
    upstream.script(FINE)


async def count(user: User, **body: Any) -> Stream:
    async with asyncio.timeout(15):
        return await user.chat("Count", **body)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_a_fault_is_said_once_and_the_text_is_kept(
    serve: Serve, upstream: Upstream, database_url: str, fault: Fault
) -> None:
    alice = await (await serve(**fault.settings)).user()
    await befall(upstream, fault)

    stream = await count(alice)

    # What is said: one failure, then the end.
    code, retryable, detail = (stream.failure[name] for name in ("code", "retryable", "detail"))
    assert (code, retryable) == (fault.code, fault.retryable)
    assert stream.done["status"] == "failed"
    assert stream.events[-2].name == "failure"
    assert stream.seqs == list(range(1, len(stream.events) + 1))
    assert stream.text == fault.text
    assert len(upstream.calls) == (fault.attempts if fault.scenario else 0)
    # What is stored: the same.
    _, answer = await alice.messages(stream.start["conversation_id"])
    assert (answer["status"], answer["content"]) == ("failed", stream.text)
    assert answer["error"] == {"code": code, "detail": detail, "retryable": retryable}
    assert answer["usage"] == next(map(without_seq, stream.named("usage")), None)
    # What is not said: the vendor's words.
    assert "Canary" not in "".join(event.data for event in stream.events)
    assert "loopback" not in detail
    assert "127.0.0.1" not in detail
    # What is booked: each call, for what may have been used.
    bill = await booked(database_url, stream.start["generation_id"])
    assert [(row.outcome, row.estimated) for row in bill] == [(code, True)] * fault.attempts
    assert all(bool(row.output_tokens) == bool(stream.text) for row in bill)
    # And it goes on.
    await recover(upstream, fault)
    after = await count(alice, conversation_id=stream.start["conversation_id"])
    assert (after.text, after.done["status"]) == ("Fine.", "complete")


def without_seq(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != "seq"}


@pytest.mark.parametrize(
    ("name", "status", "comes_back"),
    [
        ("away", 502, False),
        ("401", 502, False),
        ("cut-after-12", 502, False),
        ("page-200", 502, False),
        ("429-for-long", 503, True),
        ("503-for-long", 503, True),
        ("silence", 504, False),
        ("stall-after-12", 504, False),
        ("context-length", 422, False),
        ("content-filter", 422, False),
    ],
)
async def test_who_waited_for_the_whole_answer_gets_the_fault_as_a_problem(
    serve: Serve, upstream: Upstream, name: str, status: int, comes_back: bool
) -> None:
    fault = BY_NAME[name]
    alice = await (await serve(**fault.settings)).user()
    await befall(upstream, fault)

    answer = await alice.http.post("/ai/chat", json={"message": "Count"})

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["code"]) == (status, fault.code)
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert "Canary" not in answer.text
    assert ("retry-after" in answer.headers) == comes_back
    (conversation,) = (await alice.http.get("/conversations")).json()["items"]
    stored = await alice.answer(conversation["id"])
    assert (stored["status"], stored["content"]) == ("failed", fault.text)
    assert (stored["error"]["code"], stored["error"]["detail"]) == (fault.code, problem["detail"])


async def test_a_failed_whole_answer_is_replayed_and_not_asked_for_again(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()
    upstream.script([refusing(401), FINE])
    key = {"Idempotency-Key": "one"}

    first, second = [await alice.http.post("/ai/chat", json={"message": "Hi"}, headers=key) for _ in range(2)]

    assert (first.status_code, second.status_code) == (502, 502)
    assert first.json()["code"] == second.json()["code"] == "upstream_auth"
    assert len(upstream.calls) == 1


async def test_a_drain_is_told_to_who_waits_for_the_whole_answer(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()
    upstream.script(Answer(COUNT, hold=True))
    waiting = asyncio.create_task(alice.http.post("/ai/chat", json={"message": "Count"}))
    await upstream.release(3)

    await backend.house.engine.drain(0)

    answer = await waiting
    assert (answer.status_code, answer.json()["code"]) == (503, "instance_draining")
    assert int(answer.headers["retry-after"]) > 0


# Tried again, or not


@pytest.mark.parametrize(
    ("first", "outcome"),
    [
        (refusing(429, retry_after="1"), "upstream_rate_limited"),
        (refusing(429, retry_after_ms="50"), "upstream_rate_limited"),
        (refusing(500), "upstream_error"),
        (refusing(503), "upstream_overloaded"),
        (Drop(), "upstream_error"),
        (broken(Cut(0)), "upstream_cut"),
        (broken(Reset(0)), "upstream_cut"),
        (broken(InBandError(0, message=VENDOR)), "upstream_error"),
    ],
    ids=["429-for-1s", "429-for-50ms", "500", "503", "drop", "cut-at-head", "reset-at-head", "error-at-head"],
)
async def test_what_passes_at_once_is_tried_again_before_the_first_token(
    backend: Backend, upstream: Upstream, database_url: str, first: Scenario, outcome: str
) -> None:
    alice = await backend.user()
    upstream.script([first, FINE])

    stream = await count(alice)

    assert (stream.text, stream.done["status"]) == ("Fine.", "complete")
    assert stream.named("failure") == []
    assert len(upstream.calls) == 2
    bill = await booked(database_url, stream.start["generation_id"])
    assert bill == [Booked(outcome, True, 0, 0), Booked("complete", False, 5, 1)]


async def test_a_wish_to_wait_is_heeded(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()
    upstream.script([refusing(429, retry_after="1"), FINE])

    await count(alice)

    first, second = upstream.calls
    assert 0.9 < second.received - first.received < 5


@pytest.mark.parametrize("first", ["1 ", Reasoning("Let me count.")], ids=["text", "reasoning"])
@pytest.mark.parametrize(
    "fault", [Cut(1), Reset(1), InBandError(1, "overloaded")], ids=lambda fault: type(fault).__name__
)
async def test_nothing_is_tried_again_once_something_was_seen(
    backend: Backend, upstream: Upstream, first: str | Reasoning, fault: Cut | Reset | InBandError
) -> None:
    alice = await backend.user()
    upstream.script([Answer((first, "2 "), fault=fault), FINE])

    stream = await count(alice)

    assert stream.failure["retryable"] is True
    assert (stream.text, stream.done["status"]) == ("1 " if first == "1 " else "", "failed")
    assert len(upstream.calls) == 1


# Endings that are none of the upstream's faults


async def test_a_reset_behind_the_finish_marker_costs_no_more_than_the_usage(
    backend: Backend, upstream: Upstream, database_url: str
) -> None:
    alice = await backend.user()
    whole = Frame(b'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n')
    upstream.script(Answer((whole,), fault=Reset(1)))

    stream = await count(alice)

    assert (stream.text, stream.done["status"]) == ("Hi", "complete")
    ((outcome, estimated, _, output_tokens),) = await booked(database_url, stream.start["generation_id"])
    assert (outcome, estimated, output_tokens > 0) == ("complete", True, True)


async def test_an_answer_that_ends_at_its_length_is_complete(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()
    upstream.script(Answer(COUNT[:3], finish="length"))

    stream = await count(alice)

    assert (stream.text, stream.done["status"]) == ("1 2 3 ", "complete")


async def test_an_answer_without_a_word_is_complete_and_empty(backend: Backend, upstream: Upstream) -> None:
    alice = await backend.user()
    upstream.script(Answer((), usage=(9, 0)))

    stream = await count(alice)

    assert (stream.text, stream.done["status"]) == ("", "complete")
    assert (await alice.answer(stream.start["conversation_id"]))["status"] == "complete"


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
    assert (await upstream.ended(within=1)).ended == "aborted"


@pytest.mark.parametrize("name", ["silence", "stall-after-12"])
async def test_a_stalled_upstream_is_hung_up_on(serve: Serve, upstream: Upstream, name: str) -> None:
    fault = BY_NAME[name]
    alice = await (await serve(**fault.settings)).user()
    await befall(upstream, fault)

    await count(alice)

    assert (await upstream.ended(within=1)).ended == "aborted"


async def test_one_failing_conversation_leaves_another_alone(backend: Backend, upstream: Upstream) -> None:
    alice, bob = await backend.user("alice"), await backend.user("bob")
    upstream.script(broken(Reset(12)), model="unlucky")
    upstream.script(Answer(COUNT, hold=True), model="lucky")
    theirs = asyncio.create_task(count(bob, model="openai/lucky"))
    await upstream.release(3)

    failed = await count(alice, model="openai/unlucky")
    await upstream.finish()

    assert failed.done["status"] == "failed"
    assert ((await theirs).text, (await theirs).done["status"]) == ("".join(COUNT), "complete")
