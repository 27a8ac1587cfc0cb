"""The vendor does what a question says, and its ledger tells exactly what it did."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from tests.chaos.history import VendorCall, VendorEnd
from tests.chaos.http import Broken, Exchange
from tests.chaos.plans import Plan
from tests.chaos.vendor import Vendor
from tests.sse import parse


class Asking:
    def __init__(self) -> None:
        self.ledger: list[VendorCall] = []
        self.vendor = Vendor(self.ledger)

    async def ask(self, *said: str, leave_after: int | None = None) -> tuple[int, bytes, bool]:
        """Status, body, and whether HTTP's own end came."""
        roles = ("user", "assistant")
        messages = [{"role": roles[index % 2], "content": text} for index, text in enumerate(said)]
        body = json.dumps({"model": "chaos", "messages": messages, "stream": True, "stream_options": USAGE}).encode()
        settings = self.vendor.settings("b")
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {settings['OPENAI_API_KEY']}"}
        url = settings["OPENAI_BASE_URL"].removesuffix("/v1")
        read = b""
        async with Exchange(url, "POST", "/v1/chat/completions", headers, body) as exchange:
            try:
                await exchange.head()
                async for piece in exchange.pieces():
                    read += piece
                    if leave_after is not None and read.count(b"\n\n") >= leave_after:
                        return exchange.status, read, False
            except Broken:
                return exchange.status, read, False
        return exchange.status, read, True

    async def ended(self) -> VendorCall:
        async with asyncio.timeout(5):
            while not self.ledger or self.ledger[-1].ended is None:
                await asyncio.sleep(0.01)
        return self.ledger[-1]


USAGE = {"include_usage": True}


@pytest.fixture
async def asking() -> AsyncIterator[Asking]:
    asking = Asking()
    async with asking.vendor:
        yield asking


def text(body: bytes) -> str:
    """Of the answer; half a pair at its end is left out."""
    chunks = [json.loads(event.data) for event in parse(body) if event.data != "[DONE]"]
    deltas = (choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"])
    return "".join(deltas).encode("utf-16", "surrogatepass").decode("utf-16", "ignore")


@pytest.mark.parametrize(
    "plan", [Plan("u1-1", 40, 0), Plan("u2-7", 3, 5, wire="bytes"), Plan("u3-9", 25, 0, wire="burst")]
)
async def test_a_whole_answer_is_that_of_its_plan_and_booked(asking: Asking, plan: Plan) -> None:
    before = Plan("u1-0", 3)
    status, body, whole = await asking.ask(f"One {before}", before.text(1), f"Two {plan}")

    call = await asking.ended()
    assert (status, whole, text(body)) == (200, True, plan.text(1))
    assert (call.nonce, call.attempt, call.instance, call.sent) == (plan.nonce, 1, "b", plan.chunks)
    assert call.prompt == (("user", f"One {before}"), ("assistant", before.text(1)), ("user", f"Two {plan}"))
    assert call.how is VendorEnd.COMPLETE
    assert call.finish_sent is not None
    usage = next(json.loads(event.data)["usage"] for event in parse(body) if '"usage":{' in event.data)
    assert call.usage == (usage["prompt_tokens"], usage["completion_tokens"])


async def test_faults_come_in_the_order_of_the_plan_and_then_no_more(asking: Asking) -> None:
    plan = Plan("u1-1", 10, 0, faults=("429:1", "cut:4", "error:0"))
    question = f"Go {plan}"

    assert (await asking.ask(question))[0] == 429
    assert (await asking.ended()).refused == 429
    _, body, whole = await asking.ask(question)
    cut = await asking.ended()
    assert (whole, text(body), cut.sent, cut.finish_sent, cut.how) == (True, plan.text(2, 4), 4, None, VendorEnd.FAULT)
    assert b"server_error" in (await asking.ask(question))[1]
    assert (await asking.ended()).usage is None
    assert text((await asking.ask(question))[1]) == plan.text(4)
    assert [call.attempt for call in asking.ledger] == [1, 2, 3, 4]


async def test_who_leaves_is_noted_with_what_was_sent(asking: Asking) -> None:
    await asking.ask(f"Go {Plan('u1-1', 4000, 5)}", leave_after=10)

    call = await asking.ended()
    assert call.how is VendorEnd.LEFT
    assert 9 <= call.sent < 4000
    assert call.finish_sent is None


async def test_the_last_plan_of_joined_questions_counts(asking: Asking) -> None:
    last = Plan("u1-2", 3, 0)

    _, body, _ = await asking.ask(f"One {Plan('u1-1', 9)}\n\nTwo {last}")

    assert text(body) == last.text(1)


async def test_a_question_that_nobody_can_have_asked_is_told(asking: Asking) -> None:
    assert (await asking.ask("Hello"))[0] == 400
    assert len(asking.vendor.strange) == 1


def test_a_plan_is_what_it_says() -> None:
    plan = Plan("u1-1", 7, 3, first=20, faults=("429", "reset:2"), usage=False, finish="length", wire="bytes")

    assert Plan.of(f"before {plan} after") == plan
    assert Plan.of("nothing") is None
    assert plan.text(1) != plan.text(2)
    assert plan.text(1).startswith(plan.text(1, 3))
