"""Signing in and out, and the rotation of refresh tokens."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from app.core.errors import BadCredentials, RefreshInProgress, Unauthenticated
from app.core.serving import served
from app.core.tokens import RefreshClaims, Tokens
from app.database import Database
from app.domain.audit import Action
from app.domain.identity import Principal
from app.repositories.base import new_id
from app.services.audit import record
from app.services.password_check import PasswordCheck, Proven

# Two tabs that wake together both send the refresh token; the slower one is no thief.
GRACE = timedelta(seconds=5)
LONGEST_USER_AGENT = 255
# Of two at once with an outdated hash one renews it, and the other has compared with what is no longer stored.
_TRIES = 2


@dataclass(frozen=True, slots=True)
class TokenPair:
    """`expires_in`: how many seconds the access token is good for."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int


class SignIn:
    """A sign-in is a session in the database, so that revoking it takes effect at once, everywhere."""

    def __init__(self, database: Database, check: PasswordCheck, tokens: Tokens) -> None:
        self._database = database
        self._check = check
        self._tokens = tokens

    async def login(self, *, email: str, password: str, user_agent: str | None) -> TokenPair:
        """A new session. Raises AccountLocked, and BadCredentials: the same, after the same work, for an unknown
        address. Raises Overloaded when too many sign in at this moment.
        """
        for _ in range(_TRIES):
            proven = await self._check.sign_in(email, password)
            if proven is None:
                break
            if pair := await self.begin(proven, user_agent and user_agent.replace("\x00", "")[:LONGEST_USER_AGENT]):
                return pair
        raise BadCredentials

    async def refresh(self, token: str) -> TokenPair:
        """A new pair for an unspent refresh token.

        A spent one raises RefreshInProgress within GRACE of its rotation; later it means that two parties hold it, so
        the session is revoked, and Unauthenticated raised.
        """
        claims = self._tokens.read_refresh(token)
        fresh = new_id()
        if await self._rotate(claims, fresh):
            return self._pair(claims.user_id, claims.session_id, fresh)
        await self._judge_reuse(claims)
        raise Unauthenticated

    async def logout(self, principal: Principal) -> None:
        """End the session of these credentials, if they belong to one."""
        if principal.session_id is not None:
            async with self._database.transaction() as tx:
                await tx.sessions.revoke(principal.session_id)
                record(tx, Action.SIGNED_OUT, by=principal)

    async def begin(self, proven: Proven, user_agent: str | None) -> TokenPair | None:
        """A session for whoever has proven his password; None when meanwhile the account was closed or the password is
        stored as another hash.

        Who changes that, and ends all sessions with it, waits for this transaction, and so ends this one, too.
        """
        refresh_id = new_id()
        async with self._database.transaction() as tx:
            current = await tx.users.hold_with_password(proven.user.email)
            if current is None or current[1] != proven.password_hash or not current[0].is_active:
                return None
            user = current[0]
            session_id = await tx.sessions.add(
                user_id=user.id,
                refresh_id=refresh_id,
                expires_at=self._expiry(),
                user_agent=user_agent,
                address=served().address,
            )
            record(tx, Action.SIGNED_IN, by=Principal(user=user, session_id=session_id))
        return self._pair(user.id, session_id, refresh_id)

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
            record(tx, Action.REFRESH_REUSED, target_id=session.user_id, session_id=claims.session_id)

    def _pair(self, user_id: str, session_id: str, refresh_id: str) -> TokenPair:
        return TokenPair(
            access_token=self._tokens.access(user_id, session_id),
            refresh_token=self._tokens.refresh(user_id, session_id, refresh_id),
            expires_in=int(self._tokens.access_ttl.total_seconds()),
        )

    def _expiry(self) -> datetime:
        return datetime.now(UTC) + self._tokens.refresh_ttl
