"""Tickets for EventSource, which can set no header: what they are, and which generation they are good for."""

import hashlib
import re
import secrets
from dataclasses import dataclass, field

from app.core.errors import Forbidden, Unauthenticated
from app.database import Database
from app.domain.identity import Grants, Principal
from app.repositories.tickets import GOOD_FOR

_RANDOM_BYTES = 32
_FORM = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class IssuedTicket:
    """`ticket` is told once and kept as a hash; `expires_in`: in how many seconds it must have been used."""

    ticket: str = field(repr=False)
    expires_in: int


class Tickets:
    """A ticket stands for the credential that asked for it, with the same rights, and falls with it.

    It opens one generation, within 30 s, and is good for that one alone as long as its log is kept; so what an address
    leaks into histories and the logs of proxies opens nothing new, and reads that one answer at the most.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def issue(self, principal: Principal) -> IssuedTicket:
        """Raises Forbidden for a key of the settings, which stands in no table and could not be taken away."""
        if principal.session_id is None and principal.key_id is None:
            raise Forbidden("A key of this server's settings gets no tickets; send it in a header.")
        ticket = secrets.token_urlsafe(_RANDOM_BYTES)
        async with self._database.transaction(durable=False) as tx:
            await tx.tickets.add(
                _hash(ticket), user_id=principal.user.id, session_id=principal.session_id, key_id=principal.key_id
            )
        return IssuedTicket(ticket, int(GOOD_FOR.total_seconds()))

    async def prove(self, ticket: str) -> Principal:
        """Whom a ticket stands for. Raises Unauthenticated."""
        if not _FORM.fullmatch(ticket):
            raise Unauthenticated
        hashed = _hash(ticket)
        found = await self._database.now.tickets.find(hashed)
        if found is None or not found.user.is_active:
            raise Unauthenticated
        return Principal(
            user=found.user,
            session_id=found.session_id,
            key_id=found.key_id,
            grants=Grants.of_key(found.key_scopes) if found.key_id else Grants(),
            ticket=hashed,
            ticket_for=found.generation_id,
        )


def check_ticket(principal: Principal, generation_id: str | None) -> None:
    """Raises Unauthenticated where a ticket was spent on another generation than this; None is one to be begun.

    The same whatever generation is asked for, so that a spent ticket finds out nothing about others.
    """
    if principal.ticket_for not in (None, generation_id):
        raise Unauthenticated("This ticket was spent already.")


def _hash(ticket: str) -> str:
    return hashlib.sha256(ticket.encode()).hexdigest()
