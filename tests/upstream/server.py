"""The vendor itself: where it listens, what it is told to do, what it saw."""

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, cycle, repeat
from typing import Self

from tests.ports import free_port
from tests.upstream import connection, named
from tests.upstream.dialects import Dialect, Telling
from tests.upstream.dialects.anthropic import Anthropic
from tests.upstream.dialects.ollama import Ollama
from tests.upstream.dialects.openai import OpenAI
from tests.upstream.dialects.ranking import Ranking
from tests.upstream.dialects.responses import Responses
from tests.upstream.dialects.vectors import OllamaVectors, OpenAIVectors
from tests.upstream.framing import Inlet, Outlet, Request
from tests.upstream.playing import Player
from tests.upstream.records import Ended, Journal, Record
from tests.upstream.scenarios import Answer, Echo, Page, Played, Refuse, Scenario

# The records as JSON, for those who watch from another process; DELETE forgets them. Itself not recorded.
LEDGER = "/-/requests"


class Upstream:
    """A scripted vendor on loopback. Starts with `async with` or `start`; may be stopped and started on the same port.

    A call's scenario is what was scripted for its model, else what was scripted for all, else what the model's name
    says (`tests.upstream.named`). `models` is the answer of the list of models: names, or a scenario.
    """

    def __init__(self, *, port: int = 0, models: Sequence[str] | Played = ("echo", "count-200-20ms")) -> None:
        self.models = models
        self._port = port or free_port()
        self._dialects: tuple[Dialect, ...] = (
            OpenAI(),
            Anthropic(),
            Ollama(),
            OpenAIVectors(),
            OllamaVectors(),
            Ranking(),
            Responses(),
        )
        self._journal = Journal()
        self._scripts: dict[str | None, Iterator[Scenario]] = {}
        self._decide: Callable[[Record], Scenario] | None = None
        self._server: asyncio.Server | None = None
        self.connections = 0
        """How many it has taken so far."""
        self._connections: dict[asyncio.Task[None], asyncio.WriteTransport] = {}
        self._broken: list[BaseException] = []

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """Without a path, as Ollama's clients want it; OpenAI's want `url + "/v1"`, Anthropic's may add `/anthropic`.

        Stays the same over stop and start.
        """
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        # What asyncio.start_server does, but with a reader that notices the client's leaving.
        self._server = await loop.create_server(self._protocol, "127.0.0.1", self._port, backlog=2048)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuses connections from now on, ends those there are, raises what went wrong in the vendor itself."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        for task, transport in self._connections.items():
            transport.abort()
            task.cancel()
        if self._connections:
            await asyncio.wait(set(self._connections))
        await server.wait_closed()
        broken, self._broken = self._broken, []
        if broken:
            raise broken[0]

    # What it does

    def script(
        self, scenarios: Scenario | Sequence[Scenario], *, model: str | None = None, repeating: bool = False
    ) -> None:
        """What the next calls get, in order, of one model or of all. Afterwards the last is repeated, or the whole."""
        scripted = scenarios if isinstance(scenarios, Sequence) else [scenarios]
        self._scripts[model] = cycle(scripted) if repeating else chain(scripted, repeat(scripted[-1]))

    def decide(self, decide: Callable[[Record], Scenario], on_change: Callable[[Record], None]) -> None:
        """Instead of a script: what each call gets is asked for, and each arrival, chunk and end is told."""
        self._decide, self._journal.on_change = decide, on_change

    def reset(self) -> None:
        """Forgets scripts and records, for a test that shares the vendor with others. What still runs goes on."""
        self._scripts.clear()
        self._journal.forget()

    async def release(self, n: int = 1, *, request: Record | None = None, within: float = 10.0) -> None:
        """Lets n more chunks of the answer on hold through and waits until they are sent.

        Waits for such an answer first, if there is none yet; several at once have to be told apart by `request`.
        """
        record = request or await self._held(within)
        # Chunks sent count from zero for every request, so what is released is a total as well.
        target = record.sent_chunks + n
        record.released = max(record.released, target)
        self._journal.changed(record)
        await self.wait_for(lambda: record.sent_chunks >= target or record.ended is not None, within)
        assert record.sent_chunks >= target, f"{record.ended} after {record.sent_chunks} chunks"

    async def finish(self, *, request: Record | None = None, within: float = 10.0) -> None:
        """Lets the rest and the ending of the answer on hold through and waits until it is over."""
        record = request or await self._held(within)
        record.released = float("inf")
        self._journal.changed(record)
        await self.wait_for(lambda: record.ended is not None, within)

    # What it saw

    @property
    def requests(self) -> list[Record]:
        return self._journal.records

    @property
    def calls(self) -> list[Record]:
        """The requests for an answer: what costs money."""
        return self._journal.calls

    async def requested(self, n: int = 1, *, within: float = 10.0) -> Record:
        """Waits for the n-th call to arrive."""
        await self.wait_for(lambda: len(self.calls) >= n, within)
        return self.calls[n - 1]

    async def ended(self, n: int = 1, *, within: float = 10.0) -> Record:
        """Waits for the n-th call to be over."""
        record = await self.requested(n, within=within)
        await self.wait_for(lambda: record.ended is not None, within)
        return record

    async def wait_for(self, predicate: Callable[[], bool], within: float = 10.0) -> None:
        """Waits until the predicate holds; it is looked at after each arrival, chunk and end here."""
        await self._journal.wait_for(predicate, within)

    async def _held(self, within: float) -> Record:
        def held() -> list[Record]:
            return [r for r in self.calls if isinstance(r.scenario, Answer) and r.scenario.hold and r.ended is None]

        await self.wait_for(lambda: bool(held()), within)
        record, *others = held()
        assert not others, "several answers are on hold; say which by request="
        return record

    # How it answers

    def _protocol(self) -> asyncio.StreamReaderProtocol:
        inlet = Inlet()
        return asyncio.StreamReaderProtocol(inlet, lambda _, writer: self._connected(inlet, writer))

    def _connected(self, inlet: Inlet, writer: asyncio.StreamWriter) -> None:
        if self._server is None:
            writer.transport.abort()
            return
        self.connections += 1
        task = asyncio.create_task(connection.serve(inlet, writer, self._answer))
        self._connections[task] = writer.transport
        task.add_done_callback(self._disconnected)

    def _disconnected(self, task: asyncio.Task[None]) -> None:
        del self._connections[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            self._broken.append(error)

    async def _answer(self, request: Request, out: Outlet, inlet: Inlet) -> None:
        if request.path == LEDGER:
            if request.method == "DELETE":
                self.reset()
            await out.whole(200, {}, "application/json", self._ledger())
            return
        body = connection.parsed(request)
        dialect, wants = self._dialect(request)
        number = len(self.requests) + 1
        call = wants == "answer"
        record = Record(number, request.method, request.path, request.query, request.headers, body or {}, call)
        record.scenario = Refuse(400) if body is None else self._scenario(dialect, wants, record)
        self._journal.begin(record)
        otherwise: Ended = "fault"  # if the server is stopped
        try:
            player = Player(dialect, record, self._journal, out)
            if not await connection.until_left(player.play(record.scenario), inlet):
                otherwise = "aborted"
        finally:
            if record.ended is None:
                self._journal.end(record, otherwise)

    def _dialect(self, request: Request) -> tuple[Dialect, str | None]:
        for dialect in self._dialects:
            if (wants := dialect.wants(request.method, request.path)) is not None:
                return dialect, wants
        return self._dialects[0], None

    def _scenario(self, dialect: Dialect, wants: str | None, record: Record) -> Played:
        if wants == "answer":
            found = self._found(record)
            return found.answer(dialect.question(record.body)) if isinstance(found, Echo) else found
        if wants is None:
            return Refuse(404)
        if not isinstance(self.models, Sequence):
            return self.models
        if wants == "about" and isinstance(dialect, Telling):
            return dialect.about(record.path, record.body, self.models)
        return Page(dialect.models(self.models), content_type="application/json")

    def _found(self, record: Record) -> Scenario:
        if self._decide is not None:
            return self._decide(record)
        script = self._scripts.get(record.model) or self._scripts.get(None)
        return next(script) if script else named.scenario(record.model, len(self.calls))

    def _ledger(self) -> bytes:
        seen = ("number", "method", "path", "query", "headers", "body", "call", "received", "sent_chunks", "ended")
        return json.dumps([{name: getattr(r, name) for name in (*seen, "ended_at")} for r in self.requests]).encode()
