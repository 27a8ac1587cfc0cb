"""What the index has yet to learn, which spaces it has, and who may change it."""

from collections.abc import Collection, Sequence

from sqlalchemy import RowMapping, bindparam, delete, false, func, insert, or_, select, true, update

from app.domain.documents import DocumentStatus, IndexChange, IndexSpace
from app.models.base import DatabaseClock
from app.models.documents import documents, duties, index_changes, index_spaces
from app.repositories.base import Repository, new_id, now

_ADD = insert(index_changes)
_NEXT = (
    select(index_changes)
    .where(index_changes.c.space == bindparam("of_space"), index_changes.c.id > bindparam("after"))
    .order_by(index_changes.c.id)
    .limit(bindparam("at_most"))
)
# Of documents that are not there for the index: deleted, cancelled, or read anew.
_GONE = (
    select(index_changes)
    .outerjoin(documents, documents.c.id == index_changes.c.document_id)
    .where(
        index_changes.c.space == bindparam("of_space"),
        or_(
            documents.c.id.is_(None),
            documents.c.user_id.is_(None),
            documents.c.status.not_in((DocumentStatus.INDEXING.value, DocumentStatus.READY.value)),
        ),
    )
    .order_by(index_changes.c.id)
    .limit(bindparam("at_most"))
)
_NOTED = (
    select(index_changes.c.document_id)
    .where(
        index_changes.c.space == bindparam("of_space"),
        index_changes.c.document_id.in_(bindparam("documents", expanding=True)),
    )
    .distinct()
)
_LEARNT = delete(index_changes).where(index_changes.c.id.in_(bindparam("ids", expanding=True)))
_FORGET = delete(index_changes).where(index_changes.c.space == bindparam("of_space"))
_FORGET_STRANGERS = delete(index_changes).where(index_changes.c.space.not_in(select(index_spaces.c.name)))
_WAITING = select(func.count().label("total")).select_from(index_changes)
_SPACES = select(index_spaces).order_by(index_spaces.c.created_at)
_ADD_SPACE = insert(index_spaces)
_OF_NAME = index_spaces.c.name == bindparam("called")
_FILL = update(index_spaces).where(_OF_NAME)
_BEGIN_ANEW = update(index_spaces).where(_OF_NAME).values(filled_to="", current=false())
_RETIRE = update(index_spaces).where(index_spaces.c.current == true()).values(current=False)
_MAKE_CURRENT = update(index_spaces).where(_OF_NAME).values(current=True)
_DROP_SPACE = delete(index_spaces).where(_OF_NAME)
_EXPIRY = DatabaseClock() + bindparam("seconds")
_DUTY = duties.c.name == bindparam("duty")
_OURS = duties.c.owner_id == bindparam("holder")
_TAKE = (
    update(duties)
    .where(_DUTY, or_(_OURS, duties.c.expires_at < DatabaseClock()))
    .values(owner_id=bindparam("holder"), expires_at=_EXPIRY)
)
_ADD_DUTY = insert(duties).values(name=bindparam("duty"), owner_id=bindparam("holder"), expires_at=_EXPIRY)
_HOLD_DUTY = select(duties.c.name).where(_DUTY, _OURS, duties.c.expires_at > DatabaseClock()).with_for_update(read=True)
_FIND_DUTY = select(duties.c.name).where(_DUTY)
_LAY_DOWN = delete(duties).where(_DUTY, _OURS)


class DutyTaken(Exception):
    """Another has taken it at the same moment."""


class IndexRepository(Repository):
    def note(self, space: str, user_id: str, document_ids: Sequence[str | None]) -> None:
        """Have the index learn what the rows say of these documents; None: the user is gone."""
        rows = [
            {"id": new_id(), "space": space, "user_id": user_id, "document_id": document_id}
            for document_id in document_ids
        ]
        if rows:
            self._connection.later(_ADD, rows)

    async def next(self, space: str, *, after: str = "", limit: int) -> Sequence[IndexChange]:
        """What it has to learn next, the oldest first, behind the change `after`."""
        rows = await self._connection.rows(_NEXT, {"of_space": space, "after": after, "at_most": limit})
        return [_to_change(row) for row in rows]

    async def gone(self, space: str, *, limit: int) -> Sequence[IndexChange]:
        """Those of all that it has to learn by which something is to go, the oldest first."""
        return [_to_change(row) for row in await self._connection.rows(_GONE, {"of_space": space, "at_most": limit})]

    async def noted(self, space: str, document_ids: Sequence[str]) -> Collection[str]:
        """Of which of these documents it has something to learn."""
        rows = await self._connection.rows(_NOTED, {"of_space": space, "documents": document_ids})
        return {row["document_id"] for row in rows}

    def learnt(self, change_ids: Sequence[str]) -> None:
        self._connection.later(_LEARNT, {"ids": change_ids})

    async def forget_strangers(self) -> None:
        """Forget what spaces had to learn that are not there."""
        await self._connection.run(_FORGET_STRANGERS)

    async def waiting(self) -> int:
        """How many changes wait, in all spaces."""
        row = await self._row(_WAITING)
        return int(row["total"]) if row else 0

    async def spaces(self) -> Sequence[IndexSpace]:
        """All, the oldest first."""
        return [_to_space(row) for row in await self._connection.rows(_SPACES)]

    def add_space(self, space: IndexSpace) -> None:
        """The transaction fails with DutyTaken where another has added it."""
        values = {
            "name": space.name,
            "dimensions": space.dimensions,
            "current": space.current,
            "filled_to": space.filled_to,
            "created_at": now(),
        }
        self._connection.later(_ADD_SPACE, values, conflict=DutyTaken)

    def filled(self, name: str, upto: str | None) -> None:
        """How far a space is being filled; None: all is noted."""
        self._connection.later(_FILL, {"called": name, "filled_to": upto})

    def begin_anew(self, name: str) -> None:
        """It is empty, and to be filled from the first document on; until then nobody asks it."""
        self._connection.later(_BEGIN_ANEW, {"called": name})

    async def switch(self, name: str) -> None:
        """Ask this space from now on."""
        await self._connection.run(_RETIRE)
        await self._connection.run(_MAKE_CURRENT, {"called": name})

    def drop_space(self, name: str) -> None:
        """Forget it, and what it had to learn."""
        self._connection.later(_FORGET, {"of_space": name})
        self._connection.later(_DROP_SPACE, {"called": name})

    async def take_duty(self, duty: str, holder: str, seconds: float) -> bool:
        """Have it for so long, or keep it; false while another has it. The transaction may fail with DutyTaken."""
        if await self._connection.run(_TAKE, {"duty": duty, "holder": holder, "seconds": seconds}) == 1:
            return True
        found = await self._row(_FIND_DUTY, {"duty": duty})
        if found is not None:
            return False
        self._connection.later(_ADD_DUTY, {"duty": duty, "holder": holder, "seconds": seconds}, conflict=DutyTaken)
        return True

    async def hold_duty(self, duty: str, holder: str) -> bool:
        """Whether it is still this one's; if so nobody takes it before this transaction ends."""
        return await self._row(_HOLD_DUTY, {"duty": duty, "holder": holder}) is not None

    async def lay_down(self, duty: str, holder: str) -> None:
        await self._connection.run(_LAY_DOWN, {"duty": duty, "holder": holder})


def _to_change(row: RowMapping) -> IndexChange:
    return IndexChange(row["id"], row["space"], row["user_id"], row["document_id"])


def _to_space(row: RowMapping) -> IndexSpace:
    return IndexSpace(row["name"], row["dimensions"], bool(row["current"]), row["filled_to"])
