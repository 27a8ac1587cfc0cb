"""One transaction's statements: how they are gathered, carried to the connection and run there."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

from sqlalchemy import Connection, CursorResult, Executable, RowMapping
from sqlalchemy.exc import IntegrityError

from app.repositories.base import Parameters

T = TypeVar("T")


class Carry(Protocol):
    """Runs `work` where the connection lives: in its thread, or where its awaits are bridged."""

    def __call__(self, work: Callable[[Connection], T], /) -> Awaitable[T]: ...


class _Step(NamedTuple):
    statement: Executable
    parameters: Parameters | None
    conflict: type[Exception] | None
    missed: type[Exception] | None = None


class Unit:
    """A connection in one transaction, as the repositories see it (`app.repositories.base.Connection`).

    Going to the connection costs more than most statements do, so writes of which nobody awaits anything wait for the
    next statement that somebody does, or for the commit.
    """

    __slots__ = ("_carry", "_waiting")

    def __init__(self, carry: Carry) -> None:
        self._carry = carry
        self._waiting: list[_Step] = []

    async def rows(self, statement: Executable, parameters: Parameters | None = None) -> Sequence[RowMapping]:
        return await self._carry(partial(_rows, self._taken(), _Step(statement, parameters, None)))

    async def run(
        self,
        statement: Executable,
        parameters: Parameters | None = None,
        *,
        conflict: type[Exception] | None = None,
    ) -> int:
        return await self._carry(partial(_run, self._taken(), _Step(statement, parameters, conflict)))

    def later(
        self,
        statement: Executable,
        parameters: Parameters | None = None,
        *,
        conflict: type[Exception] | None = None,
        missed: type[Exception] | None = None,
    ) -> None:
        self._waiting.append(_Step(statement, parameters, conflict, missed))

    def rest(self) -> Callable[[Connection], None]:
        """What still waits, to be run before the commit."""
        return partial(_perform, self._taken())

    def _taken(self) -> Sequence[_Step]:
        taken, self._waiting = self._waiting, []
        return taken


class Glance:
    """The same for queries that stand each by itself; it takes no writes."""

    __slots__ = ("_carry",)

    def __init__(self, carry: Carry) -> None:
        self._carry = carry

    async def rows(self, statement: Executable, parameters: Parameters | None = None) -> Sequence[RowMapping]:
        return await self._carry(partial(_rows, (), _Step(statement, parameters, None)))

    async def run(
        self, statement: Executable, parameters: Parameters | None = None, *, conflict: type[Exception] | None = None
    ) -> int:
        raise TypeError("a glance writes nothing")

    def later(
        self,
        statement: Executable,
        parameters: Parameters | None = None,
        *,
        conflict: type[Exception] | None = None,
        missed: type[Exception] | None = None,
    ) -> None:
        raise TypeError("a glance writes nothing")


def _perform(steps: Sequence[_Step], connection: Connection) -> None:
    for step in steps:
        result = _execute(step, connection)
        if step.missed is not None and result.rowcount == 0:
            raise step.missed


def _rows(before: Sequence[_Step], step: _Step, connection: Connection) -> Sequence[RowMapping]:
    _perform(before, connection)
    return _execute(step, connection).mappings().all()


def _run(before: Sequence[_Step], step: _Step, connection: Connection) -> int:
    _perform(before, connection)
    return _execute(step, connection).rowcount


def _execute(step: _Step, connection: Connection) -> CursorResult[tuple[object, ...]]:
    try:
        return connection.execute(step.statement, step.parameters)
    except IntegrityError as error:
        if step.conflict is None:
            raise
        raise step.conflict from error
