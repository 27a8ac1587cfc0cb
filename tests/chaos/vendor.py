"""The upstream: it answers each question as its plan says, and keeps the ledger that everything is checked against."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from tests.chaos.history import VendorCall, VendorEnd
from tests.chaos.plans import Plan
from tests.upstream import (
    Answer,
    Cut,
    Drop,
    InBandError,
    Record,
    Refuse,
    Reset,
    Scenario,
    Silence,
    Stall,
    Upstream,
    Usage,
    Wire,
)

MODEL = "openai/chaos"
_HOWS = {"complete": VendorEnd.COMPLETE, "aborted": VendorEnd.LEFT, "fault": VendorEnd.FAULT}
_WIRES = {"frame": Wire(), "burst": Wire(packets="burst"), "bytes": Wire(packets=7)}
_FAULTS: Mapping[str, Callable[[int], Cut | Reset | Stall | InBandError]] = {
    "reset": Reset,
    "cut": Cut,
    "sever": lambda after: Cut(after, terminated=False),
    "stall": Stall,
    "error": InBandError,
}


class Vendor:
    """Writes its calls into `ledger` while it answers. Each instance has a key of its own, by which it is known."""

    def __init__(self, ledger: list[VendorCall]) -> None:
        self._ledger = ledger
        self._upstream = Upstream(models=["chaos"])
        self._upstream.decide(self._scenario, self._note)
        self._attempts: Counter[str] = Counter()
        self._open: dict[Record, VendorCall] = {}
        self._texts: dict[str, str] = {}
        self.strange: list[str] = []
        """What it was asked that nobody can have said."""

    async def __aenter__(self) -> Self:
        await self._upstream.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._upstream.stop()

    def settings(self, instance: str) -> dict[str, str]:
        """The environment of an instance that is to use it."""
        return {
            "OPENAI_API_KEY": f"sk-loopback-{instance}",
            "OPENAI_BASE_URL": f"{self._upstream.url}/v1",
            "DEFAULT_MODEL": MODEL,
        }

    def _scenario(self, record: Record) -> Scenario:
        prompt, system = self._asked(record.body)
        plan = Plan.of(prompt[-1][1]) if prompt else None
        if plan is None:
            self.strange.append(f"a question without a plan: {str(prompt[-1:])[:500]}")
            return Refuse(400)
        self._attempts[plan.nonce] += 1
        call = VendorCall(
            nonce=plan.nonce,
            attempt=self._attempts[plan.nonce],
            plan=plan,
            prompt=prompt,
            began=record.received,
            system=system,
            instance=record.headers.get("authorization", "").rpartition("-")[2],
        )
        scenario = answer(plan, call.attempt, _usage(prompt, plan))
        if isinstance(scenario, Refuse):
            call.refused = scenario.status
        self._ledger.append(call)
        self._open[record] = call
        return scenario

    def _asked(self, body: Mapping[str, Any]) -> tuple[Sequence[tuple[str, str]], str | None]:
        """The messages and the system prompt. A text is kept once, however many prompts hold it."""
        said = [(each["role"], self._texts.setdefault(each["content"], each["content"])) for each in body["messages"]]
        system = next((text for role, text in said if role == "system"), None)
        return tuple(each for each in said if each[0] != "system"), system

    def _note(self, record: Record) -> None:
        """A call has begun, has sent something or has ended."""
        call = self._open.get(record)
        if call is not None:
            self._write(call, record)
        if record.ended is not None:
            self._open.pop(record, None)
            # Bodies and headers would fill the memory of a long run.
            self._upstream.requests.remove(record)
            if record.call:
                self._upstream.calls.remove(record)

    def _write(self, call: VendorCall, record: Record) -> None:
        now = time.monotonic()
        call.sent = record.sent_chunks
        if record.sent_closing >= 1 and call.finish_sent is None:
            call.finish_sent = now
        if record.sent_closing >= 2 and call.plan.usage and call.usage is None:
            call.usage, call.usage_sent = _usage(call.prompt, call.plan), now
        if record.ended is not None:
            call.ended, call.how = now, _HOWS[record.ended]


def answer(plan: Plan, attempt: int, usage: tuple[int, int]) -> Scenario:
    """What the n-th call for a question gets."""
    word, _, number = plan.fault(attempt).partition(":")
    match word:
        case "silence":
            return Silence()
        case "drop":
            return Drop()
        case _ if word.isdigit():
            return Refuse(int(word), headers={"retry-after": number} if number else {})
        case _:
            return Answer(
                plan.spelled(attempt),
                delay=plan.gap / 1000,
                first_delay=plan.first / 1000,
                usage=Usage(*usage) if plan.usage else None,
                finish=plan.finish,
                fault=_FAULTS[word](int(number)) if word else None,
                wire=_WIRES[plan.wire],
            )


def _usage(prompt: Sequence[tuple[str, str]], plan: Plan) -> tuple[int, int]:
    """Unlike any estimate, and other for each question."""
    return 1000 + sum(len(text) for _, text in prompt), 3 * plan.chunks + 1
