"""The simulated database server: real SQL on a real schema in memory, and everything that goes wrong around it."""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from sqlalchemy import Connection

from tests.simulation.loop import Process, VirtualLoop
from tests.simulation.trace import Trace

PATIENCE = 5.0
"""Seconds that a client waits for a statement."""

Work = Callable[[Connection], Any]


@dataclass(eq=False)
class Session:
    """The server's side of one connection, which is in one transaction at most."""

    process: Process | None
    writes: bool
    greeted: bool = False
    """Whether the server has ever answered on it."""
    closed: bool = False
    asked: int = 0
    """Requests under way."""


@dataclass(eq=False)
class _Request:
    session: Session
    work: Work
    future: "asyncio.Future[Any]"
    commits: bool
    until: float


class DatabaseServer:
    """One transaction writes at a time; others wait for it, as they would for a row's lock.

    `raw` and `connection` are of one database in memory, which holds the schema already. Requests and replies travel
    for some milliseconds each; a process that dies takes its connections with it, but what it had sent may arrive.
    """

    def __init__(
        self, loop: VirtualLoop, chance: Random, trace: Trace, raw: sqlite3.Connection, connection: Connection
    ) -> None:
        self._loop = loop
        self._chance = chance
        self._trace = trace
        self._raw = raw
        self._connection = connection
        self._sessions: dict[Session, None] = {}
        self._writer: Session | None = None
        self._waiting: deque[_Request] = deque()
        self._held: list[Callable[[], None]] = []
        """What has arrived at a frozen server."""
        self.latency = (0.0005, 0.003)
        self.lost_commits = 0.0
        """How often the connection breaks at a commit, just before it or just after."""
        self.broke: list[tuple[float, float]] = []
        """When that was."""
        self.cut_off: set[Process | None] = set()
        """Who cannot reach it, though it is there."""
        self.down = False
        self.frozen = False
        raw.create_function("julianday", 1, self._julian_day)

    @property
    def ready(self) -> bool:
        return not self.down and not self.frozen

    def open(self, process: Process | None, *, writes: bool) -> Session:
        session = Session(process, writes)
        self._sessions[session] = None
        return session

    def submit(self, session: Session, work: Work, *, commits: bool = False) -> "asyncio.Future[Any]":
        """Send a request; what comes of it is the future's."""
        request = _Request(session, work, self._loop.create_future(), commits, self._loop.time() + PATIENCE)
        session.asked += 1
        if self.down or session.process in self.cut_off:
            self._later(self._fail, request, ConnectionRefusedError("the database is down"))
        else:
            self._later(self._arrive, request)
        return request.future

    def close(self, session: Session) -> None:
        """The client is done with it; what is not committed is rolled back when the server hears of that."""
        if session.writes:
            self._later(self._end, session)
        else:
            self._sessions.pop(session, None)

    def lose(self, process: Process) -> None:
        """A process has died: its connections are closed, but what it had sent may come before."""
        for session in self._of(process):
            self._later(self._end, session)

    def idle(self, process: Process) -> None:
        """A process stands still: the server ends a transaction that waits for it."""
        self._loop.of_world(self._chance.uniform(0.1, 1.0), self._end_idle, process)

    def restart(self, seconds: float) -> None:
        """Refuse everybody for so long; who was connected is so no more."""
        self._trace.note("database", f"is down for {seconds:.1f} s")
        self.down = True
        for session in list(self._sessions):
            self._end(session)
        self._loop.of_world(seconds, self._come_back)

    def freeze(self, seconds: float) -> None:
        """Answer nobody for so long; what has arrived by then is done when it is over."""
        self._trace.note("database", f"stands still for {seconds:.1f} s")
        self.frozen = True
        self._loop.of_world(seconds, self._come_back)

    def look(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """For the judges: what is there, at once."""
        return self._raw.execute(statement, values).fetchall()

    def _come_back(self) -> None:
        self._trace.note("database", "is back")
        self.down = self.frozen = False
        held, self._held = self._held, []
        for arrived in held:
            arrived()

    def _arrive(self, request: _Request) -> None:
        session = request.session
        if session.closed:
            self._fail(request, ConnectionResetError("the connection is closed"))
        elif self.frozen:
            # Nobody sends a statement on a connection that was never answered on.
            if session.greeted:
                self._held.append(lambda: self._arrive(request))
            self._loop.of_world(request.until - self._loop.time(), self._time_out, request)
        elif self._writer not in (None, session):
            self._waiting.append(request)
            self._loop.of_world(request.until - self._loop.time(), self._time_out, request)
        else:
            self._serve(request)

    def _time_out(self, request: _Request) -> None:
        if request in self._waiting:
            self._waiting.remove(request)
        if not request.future.done():
            request.future.set_exception(TimeoutError("no answer in time"))

    def _serve(self, request: _Request) -> None:
        session = request.session
        session.greeted = True
        if session.writes and self._writer is None:
            self._raw.execute("BEGIN IMMEDIATE")
            self._writer = session
        if request.commits and self._chance.random() < self.lost_commits:
            self._break_at_commit(request)
            return
        try:
            result = request.work(self._connection)
            if request.commits:
                self._raw.execute("COMMIT")
                self._free(session)
        except Exception as error:
            self._later(self._fail, request, error)
            return
        self._later(self._reply, request, result)

    def _break_at_commit(self, request: _Request) -> None:
        session = request.session
        try:
            if self._chance.random() < 0.5:
                raise ConnectionResetError
            request.work(self._connection)
            self._raw.execute("COMMIT")
            self._trace.note("database", "commits, and the connection breaks")
        except Exception:
            self._raw.execute("ROLLBACK")
            self._trace.note("database", "loses a connection before its commit")
        self.broke.append((self._loop.time(), self._loop.time()))
        session.closed = True
        self._free(session)
        self._later(self._fail, request, ConnectionResetError("the connection broke"))

    def _end(self, session: Session) -> None:
        """Close a connection, and roll back what it had begun."""
        if self.frozen and self._writer is session:
            self._held.append(lambda: self._end(session))
            return
        session.closed = True
        self._sessions.pop(session, None)
        if self._writer is session:
            self._raw.execute("ROLLBACK")
            self._free(session)

    def _end_idle(self, process: Process) -> None:
        for session in self._of(process):
            if process.frozen and not session.asked and self._writer is session:
                self._end(session)

    def _free(self, session: Session) -> None:
        """The writer is done: whoever waits goes on, in order."""
        if self._writer is not session:
            return
        self._writer = None
        while self._waiting and self._writer is None:
            request = self._waiting.popleft()
            if not request.future.done():
                self._arrive(request)

    def _reply(self, request: _Request, result: object) -> None:
        session = request.session
        session.asked -= 1
        if session.process is not None and session.process.frozen:
            self.idle(session.process)
        if request.future.done():
            return
        if session.closed:
            request.future.set_exception(ConnectionResetError("the connection was closed"))
        else:
            request.future.set_result(result)

    def _fail(self, request: _Request, error: Exception) -> None:
        request.session.asked -= 1
        if not request.future.done():
            request.future.set_exception(error)

    def _later(self, callback: Callable[..., None], *args: object) -> None:
        self._loop.of_world(self._chance.uniform(*self.latency), callback, *args)

    def _of(self, process: Process) -> list[Session]:
        return [session for session in self._sessions if session.process is process]

    def _julian_day(self, when: str) -> float:
        return 2_460_000.5 + self._loop.time() / 86_400
