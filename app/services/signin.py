"""Signing in and out, and the rotation of refresh tokens."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import uuid_utils

from app.core.errors import BadCredentials, RefreshInProgress, Unauthenticated
from app.core.security import Passwords, RefreshClaims, Tokens
from app.core.serving import served
from app.database import Database
from app.domain.addresses import address
from app.domain.identity import Principal

# Two tabs that wake together both send the refresh token; the slower one is no thief.
GRACE = timedelta(seconds=5)
LONGEST_USER_AGENT = 255


@dataclass(frozen=True, slots=True)
class TokenPair:
    """`expires_in`: how many seconds the access token is good for."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int


class SignIn:
    """A sign-in is a session in the database, so that revoking it takes effect at once, everywhere."""

    def __init__(self, database: Database, passwords: Passwords, tokens: Tokens) -> None:
        self._database = database
        self._passwords = passwords
        self._tokens = tokens

    async def login(self, *, email: str, password: str, user_agent: str | None) -> TokenPair:
        """A new session. Raises BadCredentials: the same, after the same work, for an unknown address."""
        known = address(email)
        if known is None or not _is_possible(password):
            await self._passwords.verify("", None)
            raise BadCredentials
        async with self._database.snapshot() as tx:
            found = await tx.users.with_password(known)
        if not await self._passwords.verify(password, found[1] if found else None):
            raise BadCredentials
        refresh_id = _new_id()
        async with self._database.transaction() as tx:
            # Again: while the hash was computed the account may have been closed or given another password.
            current = await tx.users.with_password(known)
            if current is None or found is None or current[1] != found[1] or not current[0].is_active:
                raise BadCredentials
            user_id = current[0].id
            session_id = await tx.sessions.add(
                user_id=user_id,
                refresh_id=refresh_id,
                expires_at=self._expiry(),
                user_agent=user_agent and user_agent.replace("\x00", "")[:LONGEST_USER_AGENT],
                address=served().address,
            )
        return self._pair(user_id, session_id, refresh_id)

    async def refresh(self, token: str) -> TokenPair:
        """A new pair for an unspent refresh token.

        A spent one raises RefreshInProgress within GRACE of its rotation; later it means that two parties hold it, so
        the session is revoked, and Unauthenticated raised.
        """
        claims = self._tokens.read_refresh(token)
        fresh = _new_id()
        if await self._rotate(claims, fresh):
            return self._pair(claims.user_id, claims.session_id, fresh)
        await self._judge_reuse(claims)
        raise Unauthenticated

    async def logout(self, principal: Principal) -> None:
        """End the session of these credentials, if they belong to one."""
        if principal.session_id is not None:
            async with self._database.transaction() as tx:
                await tx.sessions.revoke(principal.session_id)

    async def _rotate(self, claims: RefreshClaims, fresh: str) -> bool:
        async with self._database.transaction() as tx:
            user = await tx.sessions.user_of(claims.session_id)
            if user is None or user.id != claims.user_id or not user.is_active:
                raise Unauthenticated
            return await tx.sessions.rotate(
                claims.session_id,
                spent=claims.refresh_id,
                fresh=fresh,
                expires_at=self._expiry(),
                address=served().address,
            )

    async def _judge_reuse(self, claims: RefreshClaims) -> None:
        # A transaction of its own: one that has read before the rotation may go on seeing the session as it was.
        async with self._database.transaction() as tx:
            session = await tx.sessions.get(claims.session_id)
            if session is None:
                return
            if session.previous_refresh_id == claims.refresh_id and datetime.now(UTC) - session.rotated_at <= GRACE:
                raise RefreshInProgress(retry_after=1)
            await tx.sessions.revoke(claims.session_id)

    def _pair(self, user_id: str, session_id: str, refresh_id: str) -> TokenPair:
        return TokenPair(
            access_token=self._tokens.access(user_id, session_id),
            refresh_token=self._tokens.refresh(user_id, session_id, refresh_id),
            expires_in=int(self._tokens.access_ttl.total_seconds()),
        )

    def _expiry(self) -> datetime:
        return datetime.now(UTC) + self._tokens.refresh_ttl


def _is_possible(password: str) -> bool:
    """Whether any account can have this password; a form can bring lone surrogates, which cannot be hashed."""
    return len(password) <= Passwords.LONGEST and not any("\ud800" <= char <= "\udfff" for char in password)


def _new_id() -> str:
    return str(uuid_utils.uuid7())
