"""What may pass is tried once more, before the first token only; whose wish to wait is heeded, and how long."""

import asyncio
from typing import Any

import pytest

from tests.backend import User
from tests.chat.conftest import Service
from tests.chat.faults import BUSY, FINE, VENDORS, broken, refusing
from tests.chat.ledger import Booked, booked
from tests.sse import Stream
from tests.upstream import Answer, Cut, Drop, InBandError, Reasoning, Reset, Scenario, Upstream

PASSING = {
    "429-for-1s": (refusing(429, retry_after="1"), "upstream_rate_limited"),
    "429-for-50ms": (refusing(429, retry_after_ms="50"), "upstream_rate_limited"),
    "500": (refusing(500), "upstream_error"),
    "503": (refusing(503), "upstream_overloaded"),
    "529": (refusing(529, BUSY), "upstream_overloaded"),
    "drop": (Drop(), "upstream_error"),
    "cut-at-head": (broken(Cut(0)), "upstream_cut"),
    "reset-at-head": (broken(Reset(0)), "upstream_cut"),
    "error-at-head": (broken(InBandError(0)), "upstream_error"),
}


async def ask(user: User, **body: Any) -> Stream:
    async with asyncio.timeout(15):
        return await user.chat("Count", **body)


@pytest.mark.parametrize(("first", "outcome"), PASSING.values(), ids=PASSING)
async def test_what_may_pass_is_tried_again_before_the_first_token(
    patient: Service, vendor: Upstream, first: Scenario, outcome: str
) -> None:
    for at in VENDORS:
        vendor.script([first, FINE], model=f"first-{at}")

    streams = await asyncio.gather(*(ask(patient.alice, model=f"{at}/first-{at}") for at in VENDORS))

    for at, stream in zip(VENDORS, streams, strict=True):
        assert (stream.text, stream.done["status"]) == ("Fine.", "complete"), at
        assert stream.named("failure") == []
        assert len([call for call in vendor.calls if call.model == f"first-{at}"]) == 2
        bill = await booked(patient.database_url, stream.start["generation_id"])
        assert bill == [Booked(outcome, True, 0, 0), Booked("complete", False, 5, 1)]


async def test_a_wish_to_wait_is_heeded(patient: Service, vendor: Upstream) -> None:
    for at in VENDORS:
        vendor.script([refusing(429, retry_after="1"), FINE], model=f"later-{at}")

    await asyncio.gather(*(ask(patient.alice, model=f"{at}/later-{at}") for at in VENDORS))

    for at in VENDORS:
        first, second = (call for call in vendor.calls if call.model == f"later-{at}")
        assert 0.9 < second.received - first.received < 5, at


@pytest.mark.parametrize("at", VENDORS)
@pytest.mark.parametrize("first", ["1 ", Reasoning("Let me count.")], ids=["text", "reasoning"])
@pytest.mark.parametrize(
    "fault", [Cut(1), Reset(1), InBandError(1, "overloaded")], ids=lambda fault: type(fault).__name__
)
async def test_nothing_is_tried_again_once_something_was_seen(
    patient: Service, vendor: Upstream, at: str, first: str | Reasoning, fault: Cut | Reset | InBandError
) -> None:
    vendor.script([Answer((first, "2 "), fault=fault), FINE])

    stream = await ask(patient.alice, model=f"{at}/model")

    assert stream.failure["retryable"] is True
    assert (stream.text, stream.done["status"]) == ("1 " if first == "1 " else "", "failed")
    assert len(vendor.calls) == 1
