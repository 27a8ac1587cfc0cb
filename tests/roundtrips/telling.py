"""What a client is to be told of an answer: all that its door has a word for."""

from collections.abc import Sequence
from dataclasses import replace

from tests.roundtrips.answers import STOP_SEQUENCE, Read, Scripted
from tests.roundtrips.cases import Part, Thought, sorted_out

# What each door has no word for is told as the nearest that it has.
FINISHES = {
    "chat": {"stop_sequence": "stop"},
    "responses": {"stop_sequence": "stop", "tool_calls": "stop"},
    "messages": {},
    "ollama": {"stop_sequence": "stop", "tool_calls": "stop", "refusal": "stop"},
}
COUNTS = {
    "chat": ("prompt", "completion", "cached", "reasoning"),
    "responses": ("prompt", "completion", "cached", "written", "reasoning"),
    "messages": ("prompt", "completion", "cached", "written", "reasoning"),
    "ollama": ("prompt", "completion"),
}


def told(answer: Scripted, door: str, *, sequence: str | None = STOP_SEQUENCE) -> Read:
    """What a client is to read; the vendor was told of this stop sequence."""
    finish = answer.finish
    if finish == "stop_sequence" and sequence is None:
        finish = "stop"
    stopped = door == "messages" and finish == "stop_sequence"
    return Read(
        parts=list(_parts(answer.parts, door)),
        finish=FINISHES[door].get(finish, finish),
        sequence=sequence if stopped else None,
        counts={name: getattr(answer.usage, name) for name in COUNTS[door]},
    )


def _parts(parts: Sequence[Part], door: str) -> Sequence[Part]:
    if door in ("messages", "responses"):
        return parts
    plain = [replace(part, seal=None) if isinstance(part, Thought) else part for part in parts]
    return [*sorted_out(plain)]
