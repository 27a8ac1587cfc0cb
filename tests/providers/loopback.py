"""A vendor on loopback that answers every request with the bytes that a test gives it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]

EVENTS = b"text/event-stream; charset=utf-8"
LINES = b"application/x-ndjson"


class Request(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: Any


class Loopback:
    """One address; `replies` are played in order, the last one again and again."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Request] = []
        self.connections = 0
        self.left = asyncio.Event()
        self.replies: list[Reply] = []
        self._writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while True:
                self.requests.append(await _read_request(reader))
                reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
                gone = asyncio.create_task(self._watch(reader))
                try:
                    await reply(writer)
                finally:
                    gone.cancel()
                    await asyncio.gather(gone, return_exceptions=True)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.left.set()
        finally:
            writer.close()

    async def _watch(self, reader: asyncio.StreamReader) -> None:
        """Notices the client's leaving while a reply is played; no client here sends two requests at once."""
        while not reader.at_eof() and reader.exception() is None:
            await asyncio.sleep(0.002)
        self.left.set()

    def close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


async def _read_request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    method, path, _ = first.split(" ")
    return Request(method, path, headers, json.loads(body) if body else None)


def events(
    *packets: bytes,
    pause: float = 0.0,
    end: bool = True,
    hold: bool = False,
    extra: bytes = b"",
    kind: bytes = EVENTS,
) -> Reply:
    """An event stream in these packets; without `end` it is cut, with `hold` it then stays open and silent."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: " + kind + b"\r\nTransfer-Encoding: chunked\r\n" + extra)
        writer.write(b"\r\n")
        for packet in packets:
            writer.write(b"%x\r\n%b\r\n" % (len(packet), packet))
            if pause:
                await writer.drain()
                await asyncio.sleep(pause)
        if hold:
            await writer.drain()
            await asyncio.sleep(60)
        elif end:
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        else:
            await writer.drain()
            writer.close()

    return reply


def page(status: int, body: bytes, kind: bytes = b"application/json", extra: bytes = b"") -> Reply:
    async def reply(writer: asyncio.StreamWriter) -> None:
        head = b"HTTP/1.1 %d Status\r\nContent-Type: %b\r\nContent-Length: %d\r\n%b\r\n"
        writer.write(head % (status, kind, len(body), extra) + body)
        await writer.drain()

    return reply


def endless_page(status: int) -> Reply:
    """An error page that never ends."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 %d Status\r\nContent-Type: text/plain\r\n\r\n" % status)
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
            await asyncio.sleep(0)

    return reply


def silence() -> Reply:
    async def reply(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    return reply


def chunk(content: str | None = None, *, finish: str | None = None, **delta: Any) -> bytes:
    """One chunk as OpenAI sends it, JSON in ASCII."""
    if content is not None:
        delta["content"] = content
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return frame(json.dumps({"id": "c1", "object": "chat.completion.chunk", "choices": [choice], "usage": None}))


def usage(**fields: Any) -> bytes:
    return frame(json.dumps({"id": "c1", "choices": [], "usage": fields}))


def frame(payload: str) -> bytes:
    return f"data: {payload}\n\n".encode("utf-8", "surrogatepass")


DONE = frame("[DONE]")
END = chunk(finish="stop") + usage(prompt_tokens=7, completion_tokens=3) + DONE
