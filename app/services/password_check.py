"""Whether somebody knows an account's password: where every guess is counted, judged and put on record."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from app.core.errors import DatabaseUnavailable, Overloaded
from app.core.passwords import Passwords
from app.core.serving import served
from app.database import Database
from app.domain.addresses import address
from app.domain.audit import Action
from app.domain.identity import Principal, User
from app.services.attempts import Attempt, Attempts
from app.services.audit import record

logger = logging.getLogger(__name__)

# Of a flood one guess at a time is at the database, for what streams need must not queue behind dozens of them. It is
# quicker there than two processors are with the hashes.
_AT_THE_DATABASE = 1
_PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class Proven:
    """Whose password it is; `password_hash` is the one that was stored when this was found out."""

    user: User
    password_hash: str = field(repr=False)


class PasswordCheck:
    def __init__(self, database: Database, passwords: Passwords, attempts: Attempts) -> None:
        self._database = database
        self._passwords = passwords
        self._attempts = attempts
        self._turns = asyncio.Semaphore(_AT_THE_DATABASE)

    async def sign_in(self, email: str, password: str) -> Proven | None:
        """None when they do not belong together or the account is closed: after the same work, whoever it is.

        Raises AccountLocked, Overloaded.
        """
        known = address(email)
        with self._passwords.place() as place:
            async with self._turn():
                found = await self._database.now.users.signing_in(known or "", served().address)
            attempt = await self._attempts.begin(known or email, session_id=found.session_id if found else None)
            verdict = await place.verify(password, found.password_hash if found else None)
        if found is None or not verdict.matches or not found.user.is_active:
            await self._failed(attempt, found.user if found else None)
            return None
        await self._attempts.succeeded(attempt)
        return Proven(found.user, await self._renewed(found.user, found.password_hash, verdict.renewed))

    async def confirm(self, principal: Principal, password: str) -> bool:
        """Whether it is the password of whoever is signed in. Raises AccountLocked, Overloaded."""
        user = principal.user
        with self._passwords.place() as place:
            async with self._turn():
                found = await self._database.now.users.with_password(user.email)
            attempt = await self._attempts.begin(user.email, session_id=principal.session_id, within=True)
            verdict = await place.verify(password, found[1] if found and found[0].id == user.id else None)
        if not verdict.matches:
            await self._failed(attempt, user, by=principal)
            return False
        await self._attempts.succeeded(attempt)
        return True

    async def _failed(self, attempt: Attempt, user: User | None, by: Principal | None = None) -> None:
        await self._attempts.failed(attempt)
        target = user.id if user else None
        # What is lost with the power is one failure among many.
        async with self._turn(), self._database.transaction(durable=False) as tx:
            record(tx, Action.SIGN_IN_FAILED, by=by, target_id=target)
            if attempt.is_last:
                record(tx, Action.SIGN_IN_LOCKED, by=by, target_id=target, session_id=attempt.session_id)

    async def _renewed(self, user: User, old: str, renewed: str | None) -> str:
        """The hash that is stored now. One that could not be stored is made anew at the next sign-in."""
        if renewed is None:
            return old
        try:
            async with self._database.transaction(durable=False) as tx:
                return renewed if await tx.users.renew_password_hash(user.id, old=old, new=renewed) else old
        except DatabaseUnavailable:
            logger.warning("the hash of a password was not renewed", extra={"user_id": user.id})
            return old

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Raises Overloaded when it does not come in time."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._turns.acquire()
        except TimeoutError:
            raise Overloaded(retry_after=2) from None
        try:
            yield
        finally:
            self._turns.release()
