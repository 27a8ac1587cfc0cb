"""Event streams as a browser reads them: the parser of the WHATWG specification, and the shape of our own stream."""

import json
from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    name: str
    data: str
    id: str

    @property
    def json(self) -> Any:
        return json.loads(self.data)


def parse(body: bytes) -> list[Event]:
    """Whole events of a stream; lines end at CRLF, LF or CR, as the specification says, and nowhere else."""
    text = body.decode().replace("\r\n", "\n").replace("\r", "\n")
    events: list[Event] = []
    name, data, last_id = "", [""] * 0, ""
    for line in text.split("\n"):
        if not line:
            if data:
                events.append(Event(name or "message", "\n".join(data), last_id))
            name, data = "", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            name = value
        elif field == "id":
            last_id = value
    return events


@dataclass(frozen=True, slots=True)
class Stream:
    """A whole chat stream, taken apart."""

    events: list[Event]

    @classmethod
    def of(cls, body: bytes) -> "Stream":
        return cls(parse(body))

    @property
    def text(self) -> str:
        return "".join(event.json["text"] for event in self.messages if "text" in event.json)

    @property
    def messages(self) -> list[Event]:
        """What EventSource hands to `onmessage`."""
        return [event for event in self.events if event.name == "message"]

    def named(self, name: str) -> list[Any]:
        return [event.json for event in self.events if event.name == name]

    @property
    def start(self) -> Any:
        (start,) = self.named("start")
        return start

    @property
    def done(self) -> Any:
        """The one ending; it must be the last event."""
        (done,) = [event.json for event in self.messages if "done" in event.json]
        assert self.events[-1].json == done
        return done

    @property
    def failure(self) -> Any:
        (failure,) = self.named("failure")
        return failure

    @property
    def seqs(self) -> list[int]:
        return [event.json["seq"] for event in self.events]


async def blocks(chunks: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    """The blocks of a stream as they arrive, without their blank line."""
    buffer = b""
    async for chunk in chunks:
        buffer += chunk
        while b"\n\n" in buffer:
            block, _, buffer = buffer.partition(b"\n\n")
            yield block
