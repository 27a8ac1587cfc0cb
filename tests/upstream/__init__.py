"""The loopback vendor: a model provider on 127.0.0.1 that speaks each vendor's bytes, and breaks them on request.

    async with Upstream() as upstream:
        upstream.script([Refuse(503), Answer(("Hel", "lo"), fault=Reset(after=1))])   # the last one repeats
        ...                                                   # the app calls upstream.url + "/v1"
        assert upstream.calls[1].ended == "fault"

What an answer does is said in `scenarios`; by which model name the same is had without a script, in `named`; what was
seen of each call, in `records`. `python -m tests.upstream --port 0` serves from a process of its own. A further vendor
is one more module in `dialects`.
"""

from tests.upstream.records import Record
from tests.upstream.scenarios import (
    Answer,
    Cut,
    Drop,
    Echo,
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
    ToolArguments,
    ToolCall,
    Usage,
    Wire,
)
from tests.upstream.server import Upstream

__all__ = [
    "Answer",
    "Cut",
    "Drop",
    "Echo",
    "EndlessHeaders",
    "Filler",
    "Frame",
    "InBandError",
    "Page",
    "Reasoning",
    "Record",
    "Refusal",
    "Refuse",
    "Reset",
    "Scenario",
    "Silence",
    "Stall",
    "ToolArguments",
    "ToolCall",
    "Upstream",
    "Usage",
    "Wire",
]
