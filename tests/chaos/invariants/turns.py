"""6. Turns do not interleave: a prompt holds the turns before it, and one answer at a time calls the vendor once."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from tests.chaos.evidence import Evidence, StoredGeneration, StoredMessage, Violation
from tests.chaos.history import FaultKind, VendorCall
from tests.chaos.windows import Windows

ATTEMPTS = 2
_HAIR = 0.05
"""Seconds between two instances' readings of one clock."""
_LINGERS = 1.0
"""Seconds until the vendor notices that a call was given up."""
_UNREAD = ("reset", "sever", "drop")
"""Faults at which what was sent before may never have been read."""

Turn = tuple[str, str]


def check(evidence: Evidence, windows: Windows) -> Iterator[Violation]:
    """The prompts of the vendor's ledger against the stored tree; calls a message; generations at one time."""
    for call in evidence.unclaimed:
        yield Violation(6, "the vendor was asked for an answer that is stored nowhere", nonce=call.nonce, at=call.began)
    for generation_id, calls in evidence.calls.items():
        generation = evidence.generations[generation_id]
        expected = _prompt(evidence, generation)
        for call in calls:
            if list(call.prompt) != expected:
                yield Violation(6, _prompt_differs(call.prompt, expected), generation_id, call.nonce, at=call.began)
        wrong = _attempts(calls)
        if wrong is not None:
            yield Violation(6, wrong, generation_id)
    yield from _one_at_a_time(evidence, windows)


def _prompt(evidence: Evidence, generation: StoredGeneration) -> list[Turn]:
    """What is to be asked: the turns on the path, without empty answers, and what then follows each other as one."""
    turns: list[Turn] = []
    for message in _path(evidence, generation):
        if message.role == "assistant" and not message.content:
            continue
        if turns and turns[-1][0] == message.role:
            role, before = turns.pop()
            turns.append((role, f"{before}\n\n{message.content}"))
        else:
            turns.append((message.role, message.content))
    return turns


def _path(evidence: Evidence, generation: StoredGeneration) -> Sequence[StoredMessage]:
    """From the root to the question."""
    found: list[StoredMessage] = []
    message = evidence.messages.get(generation.message_id)
    while message is not None and message.parent_id is not None:
        message = evidence.messages.get(message.parent_id)
        if message is not None:
            found.append(message)
    return found[::-1]


def _prompt_differs(prompt: Sequence[Turn], expected: Sequence[Turn]) -> str:
    if len(prompt) != len(expected):
        return f"a prompt holds {len(prompt)} turns, {len(expected)} are stored before it"
    place = next(index for index, pair in enumerate(zip(prompt, expected, strict=True)) if pair[0] != pair[1])
    return f"turn {place + 1} of {len(prompt)} of a prompt differs from what is stored"


def _attempts(calls: Sequence[VendorCall]) -> str | None:
    if len(calls) > ATTEMPTS:
        return f"the vendor was called {len(calls)} times for one answer"
    for first, _ in pairwise(calls):
        if first.finish_sent is not None:
            return "the vendor was called again after it had answered"
        if first.sent and not first.plan.fault(first.attempt).startswith(_UNREAD):
            return f"the vendor was called again after it had sent {first.sent} chunks"
    return None


def _one_at_a_time(evidence: Evidence, windows: Windows) -> Iterator[Violation]:
    talks: dict[str, list[StoredGeneration]] = defaultdict(list)
    for generation in evidence.generations.values():
        talks[generation.conversation_id].append(generation)
    for generations in talks.values():
        for before, after in pairwise(sorted(generations, key=lambda each: each.began)):
            if after.began < windows.end(before) - _HAIR:
                yield Violation(6, "two generations live in one conversation", after.id, at=after.began)
            for call in evidence.calls.get(before.id, ()):
                later = evidence.calls.get(after.id, ())
                if later and _still_runs(windows, before, call, later[0].began):
                    sentence = "the vendor still answers one turn of a conversation while it is asked for the next"
                    yield Violation(6, sentence, after.id, at=later[0].began)


def _still_runs(windows: Windows, generation: StoredGeneration, call: VendorCall, moment: float) -> bool:
    """Whether a call that should be over runs at this moment; that of a frozen owner lingers until it wakes."""
    over = call.finish_sent or call.ended or float("inf")
    if over <= moment + _LINGERS:
        return False
    frozen = windows.hits(call.instance or "", call.began, moment, FaultKind.FREEZE, FaultKind.KILL)
    return not any(True for _ in frozen)
