"""Scenarios by model name, for a vendor in its own process and for tests that need no script.

    echo                    "You said: <message>"; so does every name that is not below
    count-200               200 chunks "1 ", "2 ", …
    burst-10000             so many chunks in one write
    cut-after-12            clean end without a finish marker; `sever-after-12` without HTTP's own end too
    reset-after-12          TCP reset
    stall-after-3           nothing more, until the client leaves; `stall`: not even a head
    error-after-3           the vendor's error as an event of the stream
    garbage-after-3         one frame of broken JSON, then more chunks
    status-429              a refusal (with Retry-After: 7 for 429, 1 for 503); any status
    context-length          400, as for a prompt that is too long
    missing                 404, unknown model
    flaky                   every other call is refused with 503
    html, json-error        a page and an error object, both with 200
    drop, drop-reset        the connection closed or reset instead of an answer
    refuse                  the model declines in its own words
    reasoning, tool         thinking before the answer; a call of the tool get_weather
    tools                   that call whole, then one of get_time in pieces
    length, filter          finish reasons other than stop
    no-usage, no-done       without the usage event, without the last event
    bytes, crlf, nospace, comments, bom, gzip, close
                            an echo with other bytes: one byte a packet, \\r\\n, "data:{", …
    huge-line-64            one line of 64 MiB; gzip-bomb-64: the same, compressed
    endless-headers         1 GiB of them

`-20ms` at the end of any name that answers spaces its chunks 20 ms apart. What stands before a slash is ignored.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from tests.upstream.scenarios import (
    Answer,
    Cut,
    Drop,
    Echo,
    EndlessHeaders,
    Fault,
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

NAME = re.compile(r"(?P<word>[a-z-]+?)(?:-(?P<n>\d+))?(?:-(?P<ms>\d+)ms)?")
RETRY_AFTER = {429: "7", 503: "1"}
GARBAGE = Frame(b'data: {"choices": [{"delta": {"content": oops\n\n')

PLAIN_WIRE = Wire()
PLAIN: dict[str, Scenario] = {
    "echo": Echo(),
    "stall": Silence(),
    "context-length": Refuse(400, "context_length"),
    "missing": Refuse(404, "model_not_found"),
    "html": Page(),
    "json-error": Refuse(200, "server_error"),
    "drop": Drop(),
    "drop-reset": Drop(reset=True),
    "refuse": Answer((Refusal("I cannot "), Refusal("help with that."))),
    "reasoning": Answer((Reasoning("Let me "), Reasoning("think."), "The answer ", "is 42."), usage=Usage(9, 6, 0, 2)),
    "tool": Answer(
        (ToolCall("get_weather"), ToolArguments('{"ci'), ToolArguments('ty":"Paris"}')), finish="tool_calls"
    ),
    "tools": Answer(
        (
            ToolCall("get_weather", '{"city":"Paris"}'),
            ToolCall("get_time", id="call_2", index=1),
            ToolArguments('{"city":', index=1),
            ToolArguments('"Paris"}', index=1),
        ),
        finish="tool_calls",
    ),
    "length": Echo(like=Answer(finish="length")),
    "filter": Echo(like=Answer(finish="content_filter")),
    "no-done": Echo(like=Answer(done=False)),
    "bytes": Echo(like=Answer(wire=Wire(packets=1))),
    "crlf": Echo(like=Answer(wire=Wire(newline=b"\r\n"))),
    "nospace": Echo(like=Answer(wire=Wire(space=False))),
    "comments": Echo(like=Answer(wire=Wire(comments=True))),
    "bom": Echo(like=Answer(wire=Wire(bom=True))),
    "gzip": Echo(like=Answer(wire=Wire(gzip=True))),
    "close": Echo(like=Answer(wire=Wire(transfer="close"))),
    "no-usage": Answer(usage=None),
    "endless-headers": EndlessHeaders(),
}


def _count(n: int, fault: Fault | None = None, wire: Wire = PLAIN_WIRE) -> Answer:
    return Answer(tuple(f"{i} " for i in range(1, n + 1)), usage=(9, n), fault=fault, wire=wire)


def _garbage(n: int) -> Answer:
    counted = _count(n + 10)
    return replace(counted, chunks=(*counted.chunks[:n], GARBAGE, *counted.chunks[n:]))


NUMBERED: dict[str, Callable[[int], Scenario]] = {
    "count": _count,
    "burst": lambda n: _count(n, wire=Wire(packets="burst")),
    "cut-after": lambda n: _count(n + 10, Cut(n)),
    "sever-after": lambda n: _count(n + 10, Cut(n, terminated=False)),
    "reset-after": lambda n: _count(n + 10, Reset(n)),
    "stall-after": lambda n: _count(n + 10, Stall(n)),
    "error-after": lambda n: _count(n + 10, InBandError(n)),
    "garbage-after": _garbage,
    "status": lambda n: Refuse(n, headers={"retry-after": RETRY_AFTER[n]} if n in RETRY_AFTER else {}),
    "huge-line": lambda n: Answer(("Hel", Filler(n << 20), "lo")),
    "gzip-bomb": lambda n: Answer(("Hel", Filler(n << 20), "lo"), wire=Wire(gzip=True)),
}


def scenario(model: str, nth: int) -> Scenario:
    """What a model of this name does; `nth` is how many calls came before this one."""
    name = model.rpartition("/")[2]
    if name == "flaky":
        return Echo() if nth % 2 else _numbered("status", 503)
    return _named(name)


@lru_cache(maxsize=256)  # the records of a long run share their scenarios
def _named(name: str) -> Scenario:
    match = NAME.fullmatch(name)
    if match is None:
        return Echo()
    word, n, ms = match.group("word", "n", "ms")
    found = PLAIN.get(word, Echo()) if n is None else _numbered(word, int(n))
    return found if ms is None else _paced(found, int(ms) / 1000)


def _numbered(word: str, n: int) -> Scenario:
    build = NUMBERED.get(word)
    return Echo() if build is None else build(n)


def _paced(scenario: Scenario, delay: float) -> Scenario:
    match scenario:
        case Answer():
            return replace(scenario, delay=delay)
        case Echo():
            return replace(scenario, like=replace(scenario.like, delay=delay))
        case _:
            return scenario
