"""The blocks of one event stream into the record of its connection; whatever breaks the contract is an oddity."""

import json
import time
from typing import Any

from tests.chaos.history import Connection, Ending, EventKind, History, Oddity, Route, Seen, digest
from tests.chaos.nonces import owners

_KINDS = {"start": EventKind.START, "usage": EventKind.USAGE, "failure": EventKind.FAILURE}
_OTHERS = {"sources", "reasoning", "tool_call", "tool_result"}
_WITH_IDS = {Route.GET, Route.RESUME}


class Blocks:
    """`ending` is set once the stream has said that it is over; `retry` is what a `goodbye` asks for, in seconds."""

    def __init__(self, history: History, connection: Connection) -> None:
        self._history = history
        self._connection = connection
        self._buffer = b""
        self._texts: list[str] = []
        self.ending: Ending | None = None
        self.retry = 0.5

    def feed(self, data: bytes) -> None:
        *blocks, self._buffer = (self._buffer + data).split(b"\n\n")
        for block in blocks:
            self._block(block)

    def close(self) -> None:
        """The connection is over: its record gets the text."""
        self._connection.text = "".join(self._texts)
        self._texts.clear()

    def _block(self, block: bytes) -> None:
        fields: dict[str, str] = {}
        for line in block.decode("utf-8", "surrogateescape").split("\n"):
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        if "retry" in fields:
            self.retry = int(fields["retry"]) / 1000
        if "data" not in fields:
            return None
        if self.ending is not None:
            return self._odd("something after the end", block)
        try:
            data = json.loads(fields["data"])
            seq = int(data.get("seq", 0))
        except (ValueError, AttributeError):
            return self._odd("a block that is no JSON object", block)
        self._check_id(fields, seq, block)
        return self._event(fields.get("event", ""), data, seq, fields["data"])

    def _event(self, name: str, data: Any, seq: int, raw: str) -> None:
        self._check_owner(raw, data)
        if name == "goodbye":
            self.ending = Ending.GOODBYE
        elif name == "queued":
            pass
        elif not name and "text" in data:
            self._texts.append(data["text"])
            self._add(seq, EventKind.TEXT, raw, len(data["text"]))
        elif not name and data.get("done") is True:
            self._connection.done_status = data.get("status")
            self._add(seq, EventKind.DONE, raw)
            self.ending = Ending.DONE
        elif name in _KINDS or name in _OTHERS:
            self._note(name, data)
            self._add(seq, _KINDS.get(name, EventKind.OTHER), raw)
        else:
            self._odd("an event that nobody knows", raw.encode())

    def _note(self, name: str, data: Any) -> None:
        connection = self._connection
        if name == "failure":
            connection.failure_code = data.get("code")
        elif name == "start":
            connection.message_id = data.get("message_id")
            connection.conversation_id = data.get("conversation_id")
            if data.get("generation_id") != connection.generation_id:
                self._odd("start names another generation than the head", json.dumps(data).encode())

    def _add(self, seq: int, kind: EventKind, raw: str, chars: int = 0) -> None:
        data = raw.encode("utf-8", "surrogateescape")
        self._connection.trace.add(Seen(seq, kind, digest(data), time.monotonic(), chars))

    def _check_id(self, fields: dict[str, str], seq: int, block: bytes) -> None:
        expected = f"{self._connection.generation_id}:{seq}" if self._connection.route in _WITH_IDS and seq else None
        if fields.get("event") in ("goodbye", "queued"):
            expected = fields.get("id")
        if fields.get("id") != expected:
            self._odd("an id line that is missing, wrong or too much", block)

    def _check_owner(self, raw: str, data: Any) -> None:
        said = json.dumps(data, ensure_ascii=False) if "\\u" in raw else raw
        if owners(said) - {self._connection.user}:
            self._odd("another user's nonce", raw.encode("utf-8", "surrogateescape"), foreign=True)

    def _odd(self, what: str, block: bytes, *, foreign: bool = False) -> None:
        detail = block[:300].decode("utf-8", "replace")
        self._history.oddities.append(
            Oddity(time.monotonic(), self._connection.user, what, detail, self._connection.generation_id, foreign)
        )
