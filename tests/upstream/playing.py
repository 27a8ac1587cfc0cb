"""Acting a scenario out on a connection."""

import asyncio

from tests.upstream.dialects import Dialect, Flood, Script
from tests.upstream.framing import Outlet
from tests.upstream.records import Journal, Record
from tests.upstream.scenarios import (
    Answer,
    Cut,
    Drop,
    EndlessHeaders,
    Fault,
    Headers,
    InBandError,
    Page,
    Played,
    Refuse,
    Reset,
    Silence,
    Stall,
)

JSON = "application/json"
PATIENCE = 600.0  # how long a stall or a hold lasts, if neither the client leaves nor the server stops


def _merged(*headers: Headers) -> Headers:
    return {name.lower(): value for some in headers for name, value in some.items()}


class Player:
    """Plays one scenario as the answer to one request."""

    def __init__(self, dialect: Dialect, record: Record, journal: Journal, out: Outlet) -> None:
        self._dialect, self._record, self._journal, self._out = dialect, record, journal, out

    async def play(self, scenario: Played) -> None:
        """Ends the record in the same step as the answer: who has read the last byte finds it there."""
        await self._play(scenario)
        self._journal.end(self._record, "complete" if self._sound(scenario) else "fault")

    def _sound(self, scenario: Played) -> bool:
        match scenario:
            case Answer(fault=None):
                return True
            case Page():
                return not self._record.call
            case _:
                return False

    async def _play(self, scenario: Played) -> None:
        out, headers = self._out, self._dialect.headers(self._record.number)
        match scenario:
            case Answer():
                await self._answer(scenario)
            case Refuse():
                body = self._dialect.error(scenario)
                await out.whole(scenario.status, _merged(headers, scenario.headers), JSON, body)
            case Page():
                await out.whole(scenario.status, scenario.headers, scenario.content_type, scenario.body)
            case Silence():
                await self._hang()
            case Drop():
                out.reusable = False
                if scenario.reset:
                    out.reset()
            case EndlessHeaders():
                await self._headers_without_end(scenario.size)

    async def _answer(self, answer: Answer) -> None:
        dialect, record, out = self._dialect, self._record, self._out
        streams, fault = dialect.streams(record.body), answer.fault
        if isinstance(fault, InBandError) and not streams:
            await self._play(Refuse(200, fault.reason, fault.message, answer.headers))
            return
        script = dialect.script(answer, record.body, record.number)
        headers = _merged({"content-type": script.content_type}, dialect.headers(record.number), answer.headers)
        await out.begin(200, headers, answer.wire, None if streams or fault else script.length)
        await self._chunks(answer, script, len(script.chunks) if fault is None else fault.after)
        if fault is None:
            await self._close(answer, script)
        else:
            await out.flush()
            await self._fail(fault, answer)

    async def _chunks(self, answer: Answer, script: Script, upto: int) -> None:
        """The first of the chunks, each at its time."""
        loop, out = asyncio.get_running_loop(), self._out
        due = loop.time() + answer.first_delay
        opening = script.opening
        for chunk in script.chunks[:upto]:
            # Due times, not pauses: a long stream stays on schedule however late each wake-up is.
            if (pause := due - loop.time()) > 0:
                await asyncio.sleep(pause)
            due += answer.delay
            if answer.hold:
                await self._released()
            if isinstance(chunk, Flood):
                await out.send(opening + chunk.before)
                await out.fill(chunk.size)
                await out.send(chunk.after)
            else:
                await out.send(opening + chunk)
            opening = b""
            self._record.sent_chunks += 1
            self._journal.changed(self._record)

    async def _close(self, answer: Answer, script: Script) -> None:
        if answer.hold:
            await self._released()
        *before, last = script.closing or (b"",)
        opening = b"" if script.chunks else script.opening
        for frame in before:
            await self._out.send(opening + frame)
            self._closing()
            opening = b""
        await self._out.end(opening + last)
        self._closing()

    def _closing(self) -> None:
        self._record.sent_closing += 1
        self._journal.changed(self._record)

    async def _fail(self, fault: Fault, answer: Answer) -> None:
        out = self._out
        match fault:
            case Cut(terminated=True):
                await out.end()
            case Cut():
                out.reusable = False
            case Reset():
                await out.settle()
                await asyncio.sleep(fault.pause)
                out.reset()
            case Stall():
                await self._hang()
            case InBandError():
                await out.end(self._dialect.error_event(fault, answer))

    async def _released(self) -> None:
        record = self._record
        async with asyncio.timeout(PATIENCE):
            await self._journal.until(lambda: record.released > record.sent_chunks)

    async def _hang(self) -> None:
        self._out.reusable = False
        await asyncio.sleep(PATIENCE)

    async def _headers_without_end(self, size: int) -> None:
        self._out.reusable = False
        await self._out.raw(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n")
        for number in range(size // 1024):
            name = b"x-filler-%d: " % number
            await self._out.raw(name + b"a" * (1022 - len(name)) + b"\r\n")
            await asyncio.sleep(0)
