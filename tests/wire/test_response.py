"""The stream under a server that knows nothing of pipes: plain ASGI."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from app.core.metrics import Metrics
from app.domain.events import Kind, LogEvent
from app.domain.text import encode as json_string
from app.generation.log import EventLog
from app.wire.chat import encode, goodbye
from app.wire.response import SEND_BYTES, EventStreamResponse, Farewell, StreamLimits

Message = MutableMapping[str, Any]


class Client:
    """What a server would hand to the app, and what the app sent."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.leaves = asyncio.Event()
        self.reads = asyncio.Event()
        self.reads.set()

    async def receive(self) -> Message:
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        await self.reads.wait()
        self.sent.append(message)

    @property
    def bodies(self) -> list[bytes]:
        return [message["body"] for message in self.sent if message["type"] == "http.response.body"]

    async def until(self, arrived: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not arrived():
                await asyncio.sleep(0.005)


def text(log: EventLog, *pieces: str) -> None:
    for piece in pieces:
        log.append(Kind.TEXT, json_string(piece))
    log.publish()


def end(log: EventLog) -> None:
    log.append(Kind.DONE, b'{"done": true}')
    log.end()


def serve(
    log: EventLog,
    client: Client,
    ping: float = 15.0,
    stuck: float = 30.0,
    after: int = 0,
    farewell: Farewell | None = goodbye,
) -> Awaitable[None]:
    limits = StreamLimits(ping=ping, stuck=stuck)
    response = EventStreamResponse(
        log, encode, after=after, headers={}, limits=limits, metrics=Metrics((), "0"), farewell=farewell
    )
    scope = {"type": "http", "method": "POST"}
    return asyncio.ensure_future(response(scope, client.receive, client.send))


async def test_what_is_new_is_sent_as_it_comes_and_the_end_with_the_last_of_it() -> None:
    log, client = EventLog(), Client()
    response = serve(log, client)
    for number, piece in enumerate(("a", "b", "c"), 1):
        text(log, piece)
        await client.until(lambda number=number: len(client.bodies) == number)  # type: ignore[misc]  # mypy: defaults
    end(log)
    await response
    assert client.bodies == [
        b'data: {"text": "a", "seq": 1}\n\n',
        b'data: {"text": "b", "seq": 2}\n\n',
        b'data: {"text": "c", "seq": 3}\n\n',
        b'data: {"done": true, "seq": 4}\n\n',
    ]
    assert [message.get("more_body") for message in client.sent] == [None, True, True, True, False]


async def test_a_long_log_goes_out_in_whole_blocks() -> None:
    log, client = EventLog(), Client()
    text(log, *("汉" * 300 for _ in range(200)))
    end(log)
    await serve(log, client)
    assert all(len(body) <= SEND_BYTES and body.endswith(b"\n\n") for body in client.bodies)
    assert b"".join(client.bodies) == b"".join(map(encode, log.after(0)))


async def test_who_resumes_gets_the_rest() -> None:
    log, client = EventLog(), Client()
    text(log, "a", "b")
    end(log)
    await serve(log, client, after=2)
    assert client.bodies == [b'data: {"done": true, "seq": 3}\n\n']


async def test_a_reader_that_leaves_ends_only_its_own_reading() -> None:
    log, client, other = EventLog(), Client(), Client()
    leaving, staying = serve(log, client), serve(log, other)
    text(log, "a")
    await client.until(lambda: len(client.bodies) == 1)
    client.leaves.set()
    await leaving
    text(log, "b")
    end(log)
    await staying
    assert len(client.bodies) == 1
    assert len(other.bodies) > 1
    assert not log.followed


async def test_silence_is_pinged() -> None:
    log, client = EventLog(), Client()
    response = serve(log, client, ping=0.05)
    await client.until(lambda: client.bodies.count(b": ping\n\n") >= 2)
    end(log)
    await response


async def test_a_reader_that_takes_nothing_is_dropped_and_holds_nobody_up() -> None:
    log, client = EventLog(), Client()
    response = serve(log, client, stuck=0.1)
    await client.until(lambda: bool(client.sent))
    client.reads.clear()
    text(log, *("x" * 1000 for _ in range(100)))
    async with asyncio.timeout(5):
        await response
    assert not log.followed


async def test_what_is_not_published_is_not_sent_however_it_ends() -> None:
    log, client = EventLog(), Client()
    response = serve(log, client)
    text(log, "a")
    log.append(Kind.TEXT, json_string("not yet shared"))
    log.publish(1)
    await client.until(lambda: len(client.bodies) == 1)
    log.seal()
    text(log, "never")
    stored = [*log.after(0), *written_elsewhere(2)]
    log.end_as(stored)
    await response
    assert client.bodies == [b"".join(map(encode, stored[:1])), b"".join(map(encode, stored[1:]))]


def written_elsewhere(seq: int) -> list[LogEvent]:
    return [LogEvent(seq, Kind.FAILURE, b'{"code": "instance_lost"}'), LogEvent(seq + 1, Kind.DONE, b'{"done": true}')]


async def test_readers_are_sent_elsewhere_where_their_dialect_has_a_word_for_it() -> None:
    log, client, other = EventLog(), Client(), Client()
    leaving, staying = serve(log, client), serve(log, other, farewell=None)
    text(log, "a", "b")
    await client.until(lambda: bool(client.bodies))
    text(log, "c")
    log.part()
    await leaving
    late = Client()
    await serve(log, late, after=1)
    end(log)
    await staying
    farewell = b'retry: 500\n\nevent: goodbye\ndata: {"reason": "draining", "seq": 3}\n\n'
    assert b"".join(client.bodies) == b"".join(map(encode, log.after(0)[:3])) + farewell
    assert b"".join(late.bodies) == b"".join(map(encode, log.after(1)[:2])) + farewell
    assert b"".join(other.bodies) == b"".join(map(encode, log.after(0)))


async def test_who_comes_after_the_end_reads_the_end_although_all_were_sent_elsewhere() -> None:
    log, client = EventLog(), Client()
    text(log, "a")
    log.part()
    end(log)
    await serve(log, client)
    assert b"".join(client.bodies) == b"".join(map(encode, log.after(0)))
