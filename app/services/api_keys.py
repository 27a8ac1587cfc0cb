"""API keys: users make them for their programs, see where they are used, and take them away."""

from dataclasses import dataclass, field
from datetime import datetime

from app.core.api_keys import hash_of, new_key, prefix_of
from app.core.errors import AlreadyMade, Forbidden, Invalid, NotFound, TooManyKeys, Unauthenticated
from app.database import Database
from app.domain.audit import Action
from app.domain.chat import Page
from app.domain.identity import ApiKey, Principal, Scope
from app.repositories.base import now
from app.services.audit import record
from app.services.idempotency import IdempotencyKey, find_replay, remember

MOST_KEYS = 100


@dataclass(frozen=True, slots=True)
class WantedKey:
    """`scopes` as in `ApiKey`: without doubles, None for all of the owner's but admin."""

    name: str
    scopes: tuple[str, ...] | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class MadeKey:
    """The one moment at which the key itself is known here."""

    about: ApiKey
    key: str = field(repr=False)


class ApiKeyService:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def make(self, principal: Principal, wanted: WantedKey, retry: IdempotencyKey | None) -> MadeKey:
        """A new key, which is kept as a hash alone.

        Raises AlreadyMade (with the id of the key that an equal request has made), KeyReused, Invalid, Forbidden,
        TooManyKeys. Requests of one user take turns, so that of many at once none passes another's checks.
        """
        user_id, key = principal.user.id, new_key()
        async with self._database.transaction() as tx:
            if not await tx.api_keys.take_turns(user_id):
                raise Unauthenticated
            if retry is not None and (made := await find_replay(tx, user_id, retry)) is not None:
                raise AlreadyMade(made_id=made)
            _check(principal, wanted)
            if await tx.api_keys.count(user_id) >= MOST_KEYS:
                raise TooManyKeys
            about = tx.api_keys.add(
                user_id=user_id,
                name=wanted.name,
                prefix=prefix_of(key),
                key_hash=hash_of(key),
                scopes=wanted.scopes,
                expires_at=wanted.expires_at,
            )
            if retry is not None:
                remember(tx, user_id, retry, about.id)
            scopes = None if wanted.scopes is None else ", ".join(wanted.scopes)
            record(tx, Action.KEY_CREATED, by=principal, target_id=about.id, scopes=scopes)
        return MadeKey(about, key)

    async def page(self, user_id: str, *, limit: int, cursor: str | None) -> Page[ApiKey]:
        """The user's keys, the newest first, also those that have expired. Raises InvalidCursor."""
        async with self._database.snapshot() as tx:
            return await tx.api_keys.page(user_id, limit=limit, cursor=cursor)

    async def delete(self, principal: Principal, key_id: str) -> None:
        """For good, and from the next request on. Raises NotFound."""
        async with self._database.transaction() as tx:
            if not await tx.api_keys.delete(principal.user.id, key_id):
                raise NotFound("There is no such API key.")
            record(tx, Action.KEY_DELETED, by=principal, target_id=key_id)


def _check(principal: Principal, wanted: WantedKey) -> None:
    if wanted.expires_at is not None and wanted.expires_at <= now():
        raise Invalid("A key has to expire in the future.", field="expires_at")
    if Scope.ADMIN in (wanted.scopes or ()) and not principal.is_admin:
        raise Forbidden("Only an administrator's key may have the scope admin.")
