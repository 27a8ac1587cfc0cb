"""Paths through the trees of conversations, and what was said along them.

A page costs the same wherever it lies on a path and however long that is: it is a range of the index on branches. Only
a path that forks every few messages takes several.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from sqlalchemy import RowMapping, Select, bindparam, func, literal, or_, select

from app.domain.chat import Message, Page, Said
from app.domain.paths import Path, Stretch
from app.models.chat import messages
from app.repositories.base import Repository
from app.repositories.message_rows import to_page, to_position, to_said, to_spot

_HOPS = 500
"""Branches that one statement goes through: MySQL stops at 1,000."""
_TOGETHER = 16
"""Short stretches that one statement reads."""
_BATCH = 32
_END = 2**31 - 1

_C = messages.c
_PLACE = (_C.id, _C.parent_id, _C.role, _C.branch_id, _C.position)
_WAY = (
    select(*_PLACE, literal(1).label("hops"))
    .where(_C.id == bindparam("leaf"), _C.conversation_id == bindparam("conversation"))
    .cte("way", recursive=True)
)
_FIRST, _FORK = messages.alias("first"), messages.alias("fork")
_WAY = _WAY.union_all(
    select(*(_FORK.c[each.name] for each in _PLACE), _WAY.c.hops + 1)
    .select_from(_WAY)
    .join(_FIRST, _FIRST.c.id == _WAY.c.branch_id)
    .join(_FORK, _FORK.c.id == _FIRST.c.parent_id)
    .where(_WAY.c.hops < _HOPS)
)
_LAST = select(func.max(_C.position)).where(_C.branch_id == _WAY.c.branch_id).scalar_subquery()
_FIND = select(_WAY, _LAST.label("last_position")).order_by(_WAY.c.position.desc())
_SAID = (_C.id, _C.role, _C.content, _C.branch_id, _C.position, _C.model, _C.reasoning)

_Statements = Mapping[tuple[int, bool], Select[Any]]


def _along(*columns: Any) -> _Statements:
    """Statements that read one stretch or some, forwards or backwards."""
    return {
        (stretches, backwards): _reading(columns, stretches, _C.position.desc() if backwards else _C.position.asc())
        for stretches in (1, _TOGETHER)
        for backwards in (False, True)
    }


def _reading(columns: Sequence[Any], stretches: int, order: Any) -> Select[Any]:
    # By the index alone at first: asked for all of it at once, MariaDB reads the branch from its end on.
    found = (
        select(_C.id)
        .where(
            or_(
                *(
                    (_C.branch_id == bindparam(f"branch_{n}"))
                    & (_C.position <= bindparam(f"upto_{n}"))
                    & (_C.position > bindparam("after"))
                    for n in range(stretches)
                )
            )
        )
        .order_by(order)
        .limit(bindparam("at_most"))
        .subquery("found")
    )
    return select(*columns).join(found, found.c.id == _C.id).order_by(order)


MESSAGES_ALONG = _along(messages)
"""By how many stretches they read, and whether backwards."""
_SAID_ALONG = _along(*_SAID)
_LENGTHS_ALONG = _along(
    _C.position, (func.length(_C.content) + func.coalesce(func.length(_C.reasoning), 0)).label("length")
)


class PathRepository(Repository):
    async def find(self, conversation_id: str, leaf_id: str) -> Path | None:
        """The path that ends in a message; None when that is not of this conversation."""
        way: list[RowMapping] = []
        at = leaf_id
        while True:
            found = await self._connection.rows(_FIND, {"conversation": conversation_id, "leaf": at})
            # Each further part begins with the end of the one before.
            way += found[1:] if way else found
            if len(found) < _HOPS:
                break
            at = found[-1]["id"]
        if not way:
            return None
        return Path([Stretch(row["branch_id"], row["position"]) for row in reversed(way)], to_spot(way[0]))

    async def page(self, path: Path, *, limit: int, cursor: str | None, newest_first: bool = False) -> Page[Message]:
        """What was said along a path, oldest first unless otherwise asked. Raises InvalidCursor."""
        edge = to_position(cursor) if cursor is not None else None
        if newest_first:
            before = _END if edge is None else edge
            return to_page(await self._read(MESSAGES_ALONG, path, limit + 1, before=before, backwards=True), limit)
        return to_page(await self._read(MESSAGES_ALONG, path, limit + 1, after=edge or 0), limit)

    async def lengths(self, path: Path, *, after: int, limit: int) -> Sequence[int]:
        """How many characters each message has, with its reasoning, in order; of those behind position `after`."""
        return [row["length"] for row in await self._read(_LENGTHS_ALONG, path, limit, after=after)]

    async def before_last(self, path: Path, count: int) -> int:
        """The position behind which the last `count` messages of a path stand."""
        rows = await self._read(_LENGTHS_ALONG, path, count + 1, backwards=True)
        return int(rows[-1]["position"]) if len(rows) > count else 0

    async def history(self, path: Path, *, characters: int, after: int = 0) -> Sequence[Said]:
        """The newest of what was said along a path behind position `after`, oldest first.

        As much as has so many characters, and the one message that has more; at least the last.
        """
        said: list[Said] = []
        before = _END
        while True:
            rows = await self._read(_SAID_ALONG, path, _BATCH, after=after, before=before, backwards=True)
            for row in rows:
                said.append(to_said(row))
                characters -= len(row["content"])
                if characters < 0:
                    return said[::-1]
            if len(rows) < _BATCH:
                return said[::-1]
            before = rows[-1]["position"]

    async def _read(
        self,
        statements: _Statements,
        path: Path,
        limit: int,
        *,
        after: int = 0,
        before: int = _END,
        backwards: bool = False,
    ) -> Sequence[RowMapping]:
        found: list[RowMapping] = []
        stretches = list(_between(path, after, before))
        if backwards:
            stretches.reverse()
        while stretches and len(found) < limit:
            some = _some(stretches, limit - len(found))
            del stretches[: len(some)]
            slots = 1 if len(some) == 1 else _TOGETHER
            named: dict[str, str | int] = {"after": after, "at_most": limit - len(found)}
            for n in range(slots):
                branch_id, _, upto = some[n] if n < len(some) else ("", 0, 0)
                named |= {f"branch_{n}": branch_id, f"upto_{n}": upto}
            found += await self._connection.rows(statements[slots, backwards], named)
        return found


def _between(path: Path, after: int, before: int) -> Iterator[tuple[str, int, int]]:
    """The branches of a path between two positions, root first, with the positions that can be theirs: (,]."""
    edges = [0, *(each.upto for each in path.stretches)]
    for stretch, (fork, upto) in zip(path.stretches, pairwise(edges), strict=True):
        begin, end = max(fork, after), min(upto, before - 1)
        if begin < end:
            yield stretch.branch_id, begin, end


def _some(stretches: Sequence[tuple[str, int, int]], limit: int) -> Sequence[tuple[str, int, int]]:
    """The first stretches, as many as may be needed for so many messages: a statement reads all that it names."""
    room = limit
    for count, (_, begin, end) in enumerate(stretches[:_TOGETHER]):
        if end - begin > room:
            return stretches[: max(count, 1)]
        room -= end - begin
        if room <= 0:
            return stretches[: count + 1]
    return stretches[:_TOGETHER]
