"""The one place that turns credentials, of whatever kind, into who is asking."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from app.core import api_keys
from app.core.errors import Unauthenticated
from app.core.tokens import Tokens
from app.database import Database
from app.domain.identity import Grants, Principal
from app.repositories.base import now
from app.services.last_use import LastUse
from app.services.service_keys import ServiceKeys
from app.services.tickets import Tickets


class Kind(StrEnum):
    """Kinds of credentials. Of several at once the first in this order counts, and no other is tried after it:
    what a program sets wins over the cookie that a browser adds by itself."""

    API_KEY = "api_key"
    BEARER = "bearer"
    TICKET = "ticket"
    COOKIE = "cookie"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request brought; None is absent, anything else is meant to be valid."""

    api_key: str | None = field(default=None, repr=False)
    bearer: str | None = field(default=None, repr=False)
    ticket: str | None = field(default=None, repr=False)
    cookie: str | None = field(default=None, repr=False)

    @property
    def kind(self) -> Kind | None:
        """Which one counts."""
        return next((kind for kind in Kind if self._of(kind) is not None), None)

    @property
    def secret(self) -> str | None:
        """The one that counts."""
        return self._of(self.kind) if self.kind else None

    def _of(self, kind: Kind) -> str | None:
        value: str | None = getattr(self, kind.value)
        return value


Proof = Callable[[str], Awaitable[Principal]]


class Authorization:
    """A kind of credential is one entry of the table; one without an entry is refused."""

    def __init__(self, database: Database, tokens: Tokens, service_keys: ServiceKeys) -> None:
        self._database = database
        self._tokens = tokens
        self._service_keys = service_keys
        self._last_use = LastUse(database)
        self._proofs: Mapping[Kind, Proof] = {
            Kind.API_KEY: self._api_key,
            Kind.BEARER: self._bearer,
            Kind.TICKET: Tickets(database).prove,
            Kind.COOKIE: self._access_token,
        }

    async def authorise(self, credentials: Credentials) -> Principal:
        """Who is asking. Raises Unauthenticated; what was revoked and inactive users fail here at once."""
        kind, secret = credentials.kind, credentials.secret
        if kind is None or secret is None or kind not in self._proofs:
            raise Unauthenticated
        return await self._proofs[kind](secret)

    async def _bearer(self, secret: str) -> Principal:
        """Clients made for OpenAI's protocol send an API key where others send an access token."""
        is_key = self._service_keys.holds(secret) or api_keys.has_form(secret)
        return await (self._api_key(secret) if is_key else self._access_token(secret))

    async def _api_key(self, key: str) -> Principal:
        if self._service_keys.holds(key):
            return await self._service_keys.prove(key)
        if not api_keys.has_form(key):
            raise Unauthenticated
        found = await self._database.now.api_keys.with_owner(api_keys.hash_of(key))
        if found is None or not found[0].is_active or found[1].expired(now()):
            raise Unauthenticated
        user, about = found
        await self._last_use.note(about)
        return Principal(user=user, key_id=about.id, grants=Grants.of_key(about.scopes))

    async def _access_token(self, token: str) -> Principal:
        claims = self._tokens.read_access(token)
        user = await self._database.now.sessions.user_of(claims.session_id)
        if user is None or user.id != claims.user_id or not user.is_active:
            raise Unauthenticated
        return Principal(user=user, session_id=claims.session_id)
