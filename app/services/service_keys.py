"""The keys of machines, which the operator sets, and the one account that they act for."""

import hashlib
from collections.abc import Mapping

from app.core.config import IdentitySettings
from app.core.errors import EmailTaken, Unauthenticated
from app.database import Database
from app.domain.identity import Grants, Principal, Role

SERVICE_ID = "00000000-0000-7000-8000-000000000000"
# No address, so that nobody can register it or sign in as it; and no password has this hash.
SERVICE_EMAIL = "service"
_NO_PASSWORD = "!"  # noqa: S105 - the very opposite
_GRANTS = Grants.of_key(None)


class ServiceKeys:
    def __init__(self, database: Database, settings: IdentitySettings) -> None:
        self._database = database
        keys = [key.get_secret_value().encode() for key in settings.api_keys]
        # Looked up by a digest: how long that takes tells nothing about a key.
        self._names: Mapping[bytes, str] = {_digest(key): f"service:{_digest(key).hex()[:16]}" for key in keys}
        self._longest = max(map(len, keys), default=0)

    def holds(self, secret: str) -> bool:
        """Whether this is one of the keys that are set."""
        return self._name(secret) is not None

    async def prove(self, secret: str) -> Principal:
        """The service account. Raises Unauthenticated for no key of it, and while the account is not active."""
        name = self._name(secret)
        if name is None:
            raise Unauthenticated
        user = await self._database.now.users.get(SERVICE_ID)
        if user is None or not user.is_active:
            raise Unauthenticated
        return Principal(user=user, grants=_GRANTS, limit_key=name)

    async def ensure_account(self) -> None:
        """Make the account where keys are set. One that is there is left as it is, also if it was deactivated."""
        if not self._names:
            return
        async with self._database.snapshot() as tx:
            if await tx.users.get(SERVICE_ID) is not None:
                return
        try:
            async with self._database.transaction() as tx:
                await tx.users.add(
                    user_id=SERVICE_ID,
                    email=SERVICE_EMAIL,
                    name="API_KEYS",
                    role=Role.USER,
                    password_hash=_NO_PASSWORD,
                )
        except EmailTaken:
            return  # another instance that starts at this moment has made it

    def _name(self, secret: str) -> str | None:
        """What limits count a key by, which does not give it away."""
        if len(secret) > self._longest:
            return None
        try:
            sent = secret.encode("latin-1")  # the bytes of the header, as the server has decoded them
        except UnicodeEncodeError:
            return None
        return self._names.get(_digest(sent))


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
