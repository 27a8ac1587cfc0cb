"""The model's server: speaks OpenAI's protocol, stamps each chunk with the moment of its leaving, keeps what it said.

What an answer is made of stands in the name of its model (`Plan`); whose it is, behind the last `#` of the question.
A text is `~<whose>.<number>.<monotonic nanoseconds> `. `tests.upstream` can do far more to a client; this one has to
carry thousands of streams on a part of a core, so it has neither tasks nor records.
"""

import asyncio
import json
import random
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any, cast

from tests.upstream import Answer
from tests.upstream.dialects.openai import OpenAI

GO = "/-/go"
SAID = "/-/said"
_PLAN = re.compile(r"chunks-(\d+)-(\d+)b-(\d+)ms(-held)?")
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_END = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Plan:
    """So many chunks of so many letters at least, milliseconds apart; 0: all in one write.

    Held, only the first comes before `GO`, and the others from then on, at a random point of the pace.
    """

    chunks: int
    letters: int = 20
    apart: int = 0
    held: bool = False

    @property
    def model(self) -> str:
        return f"chunks-{self.chunks}-{self.letters}b-{self.apart}ms{'-held' * self.held}"

    @classmethod
    def of(cls, model: str) -> "Plan":
        found = _PLAN.fullmatch(model)
        return cls(int(found[1]), int(found[2]), int(found[3]), bool(found[4])) if found else cls(3)


def digest(text: bytes) -> str:
    return blake2b(text, digest_size=8).hexdigest()


def read_said(body: bytes) -> dict[str, str]:
    """What `SAID` answers: of each answer that was said to its end, by whose it is, the digest of its text."""
    said: dict[str, str] = json.loads(body)
    return said


class Vendor:
    def __init__(self) -> None:
        self.said: dict[str, str] = {}
        self._held: list[Callable[[], None]] = []

    def hold(self, go_on: Callable[[], None]) -> None:
        self._held.append(go_on)

    def go(self) -> None:
        held, self._held = self._held, []
        for go_on in held:
            go_on()


class _Connection(asyncio.Protocol):
    """One call after the other."""

    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor
        self._received = b""
        self._transport: asyncio.WriteTransport
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._transport.set_write_buffer_limits(high=1 << 30)  # what it has to say is bounded by its plan

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        _, _, length = head.lower().partition(b"content-length:")
        if len(body) < int(length.partition(b"\r\n")[0] or 0):
            return
        self._received = b""
        method, path, _ = head.split(b" ", 2)
        if method == b"POST" and path.endswith(b"/chat/completions"):
            self._answer(json.loads(body))
        else:
            self._whole(self._told(path.decode()))

    def _told(self, path: str) -> object:
        if path == GO:
            self._vendor.go()
        return self._vendor.said if path == SAID else {"object": "list", "data": []}

    def _whole(self, body: object) -> None:
        content = json.dumps(body).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
        self._transport.write(head.encode() + content)

    def _answer(self, body: dict[str, Any]) -> None:
        whose = body["messages"][-1]["content"].rpartition("#")[2]
        plan = Plan.of(body["model"])
        saying = _Saying(whose, plan, _frames(bool(body.get("stream_options"))))
        if not plan.apart:
            parts = [_HEAD, *(saying.next() for _ in range(plan.chunks)), self._ending(saying)]
            self._transport.write(b"".join(parts))
            return
        self._transport.write(_HEAD + saying.next())
        loop = asyncio.get_running_loop()
        apart = plan.apart / 1000

        def begin() -> None:
            due = loop.time() + apart * random.random()  # noqa: S311
            self._timer = loop.call_at(due, go_on, due)

        def go_on(due: float) -> None:
            if self._transport.is_closing():
                return
            chunk = saying.next()
            if saying.number < plan.chunks:
                self._transport.write(chunk)
                # Due times, not pauses: late once is not late for ever.
                self._timer = loop.call_at(max(due + apart, loop.time()), go_on, due + apart)
            else:
                self._transport.write(chunk + self._ending(saying))

        if plan.held:
            self._vendor.hold(begin)
        else:
            self._timer = loop.call_later(apart, go_on, loop.time() + apart)

    def _ending(self, saying: "_Saying") -> bytes:
        self._vendor.said[saying.whose] = saying.digest
        return saying.closing + _END


@dataclass(frozen=True, slots=True)
class _Frames:
    """What stands around a text, and around all."""

    opening: bytes
    before: bytes
    after: bytes
    closing: bytes


@lru_cache(maxsize=2)
def _frames(with_usage: bool) -> _Frames:
    body = {"model": "loopback", "stream": True, **({"stream_options": {"include_usage": True}} if with_usage else {})}
    script = OpenAI().script(Answer(("@",)), body, 1)
    chunk = script.chunks[0]
    assert isinstance(chunk, bytes)
    before, _, after = chunk.partition(b"@")
    return _Frames(script.opening, before, after, b"".join(map(_chunked, script.closing)))


class _Saying:
    """One answer as far as it was said."""

    __slots__ = ("_digest", "_frames", "_letters", "number", "whose")

    def __init__(self, whose: str, plan: Plan, frames: _Frames) -> None:
        self.whose = whose
        self.number = 0
        self._letters = plan.letters
        self._frames = frames
        self._digest = blake2b(digest_size=8)

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()

    @property
    def closing(self) -> bytes:
        return self._frames.closing

    def next(self) -> bytes:
        """The next chunk, which leaves now."""
        self.number += 1
        frames = self._frames
        text = f"~{self.whose}.{self.number}.{time.monotonic_ns()} ".ljust(self._letters, "x").encode()
        self._digest.update(text)
        frame = frames.before + text + frames.after
        return _chunked(frame if self.number > 1 else frames.opening + frame)


def _chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def serve(port: int) -> None:
    vendor = Vendor()
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: _Connection(vendor), "127.0.0.1", port, backlog=4096)
    await asyncio.Event().wait()


if __name__ == "__main__":
    from uvloop import run

    run(serve(int(sys.argv[1])))
