"""Tickets: what stands for a session or an API key in the address of a stream, for one generation."""

from dataclasses import dataclass
from datetime import timedelta

import msgspec
from sqlalchemy import RowMapping, and_, bindparam, delete, insert, or_, select, update

from app.core.errors import Unauthenticated
from app.domain.identity import User
from app.models.identity import api_keys, sessions, tickets, users
from app.repositories.base import Repository, now
from app.repositories.users import to_user

GOOD_FOR = timedelta(seconds=30)
"""How long a ticket waits for its first use."""
BOUND_FOR = timedelta(hours=24)
"""How long it stays good for the generation that it opened: as long as the log of that is kept."""
_UNSPENT_KEPT = timedelta(minutes=1)

_ADD = insert(tickets)
_ONE = tickets.c.ticket_hash == bindparam("ticket")
_FRESH = tickets.c.created_at > bindparam("unspent_since")
_KEPT = tickets.c.created_at > bindparam("bound_since")
# Session and key are looked at, and not only the ticket: both may have run out before somebody has tidied them away.
_STANDS = or_(
    sessions.c.expires_at > bindparam("moment"),
    and_(api_keys.c.id.is_not(None), or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > bindparam("moment"))),
)
_FIND = (
    select(
        users,
        tickets.c.session_id,
        tickets.c.api_key_id,
        tickets.c.generation_id,
        api_keys.c.scopes,
    )
    .select_from(tickets)
    .join(users, users.c.id == tickets.c.user_id)
    .outerjoin(sessions, sessions.c.id == tickets.c.session_id)
    .outerjoin(api_keys, api_keys.c.id == tickets.c.api_key_id)
    .where(_ONE, _STANDS, or_(_FRESH, tickets.c.generation_id.is_not(None)), _KEPT)
)
_BIND = update(tickets).where(
    _ONE, or_(tickets.c.generation_id.is_(None), tickets.c.generation_id == bindparam("generation"))
)
_FORGET = delete(tickets).where(or_(~_KEPT, and_(tickets.c.generation_id.is_(None), ~_FRESH)))


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket that is good, and what it stands for: a session, or an API key with these scopes."""

    user: User
    session_id: str | None
    key_id: str | None
    key_scopes: tuple[str, ...] | None
    generation_id: str | None
    """What it has opened; None while it is unspent."""


class TicketRepository(Repository):
    async def add(self, ticket_hash: str, *, user_id: str, session_id: str | None, key_id: str | None) -> None:
        """A fresh ticket. Raises Unauthenticated when what it is to stand for was revoked a moment ago."""
        values = {
            "ticket_hash": ticket_hash,
            "user_id": user_id,
            "session_id": session_id,
            "api_key_id": key_id,
            "created_at": now(),
        }
        await self._connection.run(_ADD, values, conflict=Unauthenticated)

    async def find(self, ticket_hash: str) -> Ticket | None:
        """A ticket that may be used: fresh, or bound, and what it stands for still stands."""
        moment = now()
        values = {
            "ticket": ticket_hash,
            "moment": moment,
            "unspent_since": moment - GOOD_FOR,
            "bound_since": moment - BOUND_FOR,
        }
        row = await self._row(_FIND, values)
        return _to_ticket(row) if row else None

    def bind(self, ticket_hash: str, generation_id: str) -> None:
        """From now on it is good for this generation alone.

        The transaction fails with Unauthenticated when it was spent on another before, or revoked.
        """
        values = {"ticket": ticket_hash, "generation": generation_id, "generation_id": generation_id}
        self._connection.later(_BIND, values, missed=Unauthenticated)

    async def forget_expired(self) -> None:
        moment = now()
        await self._connection.run(
            _FORGET, {"bound_since": moment - BOUND_FOR, "unspent_since": moment - _UNSPENT_KEPT}
        )


def _to_ticket(row: RowMapping) -> Ticket:
    scopes = row["scopes"]
    return Ticket(
        user=to_user(row),
        session_id=row["session_id"],
        key_id=row["api_key_id"],
        key_scopes=msgspec.json.decode(scopes, type=tuple[str, ...]) if scopes is not None else None,
        generation_id=row["generation_id"],
    )
