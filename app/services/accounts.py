"""Accounts: how one is opened, changed and closed, and where the first administrator comes from."""

import logging
import secrets
from dataclasses import dataclass, field, replace

from app.core.config import IdentitySettings, Settings, StartRefused
from app.core.errors import EmailTaken, Forbidden, Invalid, LastAdmin, RegistrationClosed, Unauthenticated
from app.core.security import Passwords
from app.database import Database, Transaction
from app.domain.addresses import address
from app.domain.identity import Principal, Role, User
from app.domain.ports import LiveGenerations

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileChange:
    """What to change; None leaves it as it is. `rename` tells a name to be taken off (None) from one not given."""

    rename: bool = False
    name: str | None = None
    email: str | None = None
    password: str | None = field(default=None, repr=False)
    current_password: str | None = field(default=None, repr=False)

    @property
    def needs_password(self) -> bool:
        return self.email is not None or self.password is not None


@dataclass(frozen=True, slots=True)
class FirstAdmin:
    """Who was made; `password` only where it was made up and is known to nobody yet."""

    email: str
    password: str | None = field(repr=False)


class Accounts:
    """Addresses and names are taken as the schemas leave them: checked, and in their one spelling."""

    def __init__(
        self, database: Database, passwords: Passwords, live: LiveGenerations, settings: IdentitySettings
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._live = live
        self._registration_open = settings.registration_open
        self._first_admin = _first_admin(settings)

    async def register(self, *, email: str, password: str, name: str | None) -> User:
        """A new user without rights. Raises RegistrationClosed, EmailTaken."""
        if not self._registration_open:
            raise RegistrationClosed
        # The unique index decides below; this only spares a hash.
        async with self._database.snapshot() as tx:
            if await tx.users.with_password(email):
                raise EmailTaken
        return await self._open(email=email, password=password, name=name, role=Role.USER)

    async def change(self, principal: Principal, change: ProfileChange) -> User:
        """The user as changed. Raises Forbidden for a wrong current password, EmailTaken.

        A new password ends every other session.
        """
        user = principal.user
        if change.needs_password:
            await self._confirm(user, change.current_password)
        values: dict[str, str | None] = {}
        if change.rename:
            values["name"] = change.name
        if change.email is not None:
            values["email"] = change.email
        if change.password is not None:
            values["password_hash"] = await self._passwords.hash(change.password)
        async with self._database.transaction() as tx:
            if values:
                await tx.users.change(user.id, values)
            if change.password is not None:
                await tx.sessions.revoke_others(user.id, keep=principal.session_id)
            changed = await tx.users.get(user.id)
        if changed is None:
            raise Unauthenticated
        return changed

    async def delete(self, principal: Principal) -> None:
        """The account and all its data, for good. Raises LastAdmin."""
        user = principal.user
        async with self._database.snapshot() as tx:
            await _keep_an_admin(tx, user)
        await self._live.stop_all_of(user.id)
        async with self._database.transaction() as tx:
            await _keep_an_admin(tx, user)
            await tx.users.delete(user.id)
        # One that began in between has lost its rows; it should not go on costing money either.
        await self._live.stop_all_of(user.id)

    async def ensure_first_admin(self, settings: Settings) -> FirstAdmin | None:
        """Make an administrator where there is none: in production from the settings alone, else with defaults.

        An address that is taken is left as it is, for whoever registered it is not thereby an administrator.
        """
        if settings.production and settings.first_admin_email is None:
            return None
        async with self._database.snapshot() as tx:
            if await tx.users.count_admins():
                return None
        email, given = self._first_admin
        password = given or secrets.token_urlsafe(15)
        try:
            await self._open(email=email, password=password, name=None, role=Role.ADMIN)
        except EmailTaken:
            logger.warning("no first admin was made: its address belongs to a user already")
            return None
        return FirstAdmin(email, None if given else password)

    async def create_admin(self, *, email: str, password: str) -> User:
        """An administrator from a shell: a new user, or the one who has this address, whose password stays.

        Raises Invalid for an address or a password that nobody could register with.
        """
        known = address(email)
        if known is None:
            raise Invalid("This is not an e-mail address.")
        async with self._database.transaction() as tx:
            if found := await tx.users.with_password(known):
                await tx.users.change(found[0].id, {"role": Role.ADMIN.value, "is_active": True})
                return replace(found[0], role=Role.ADMIN, is_active=True)
        if not Passwords.SHORTEST <= len(password) <= Passwords.LONGEST:
            raise Invalid(f"A password has {Passwords.SHORTEST} to {Passwords.LONGEST} characters.")
        return await self._open(email=known, password=password, name=None, role=Role.ADMIN)

    async def _open(self, *, email: str, password: str, name: str | None, role: Role) -> User:
        hashed = await self._passwords.hash(password)
        async with self._database.transaction() as tx:
            return await tx.users.add(email=email, name=name, role=role, password_hash=hashed)

    async def _confirm(self, user: User, password: str | None) -> None:
        if password is None:
            raise Invalid("The current password is required to change the address or the password.")
        async with self._database.snapshot() as tx:
            found = await tx.users.with_password(user.email)
        if found is None or found[0].id != user.id:
            raise Unauthenticated
        if not await self._passwords.verify(password, found[1]):
            raise Forbidden("The current password is wrong.")


def _first_admin(settings: IdentitySettings) -> tuple[str, str | None]:
    """The address and the password of the first administrator; None is a password to be made up.

    Raises StartRefused for what nobody could register with.
    """
    email = address(settings.first_admin_email or "admin@example.com")
    if email is None:
        raise StartRefused("FIRST_ADMIN_EMAIL is not an e-mail address.")
    given = settings.first_admin_password and settings.first_admin_password.get_secret_value()
    if given and not Passwords.SHORTEST <= len(given) <= Passwords.LONGEST:
        raise StartRefused(f"FIRST_ADMIN_PASSWORD must have {Passwords.SHORTEST} to {Passwords.LONGEST} characters.")
    return email, given or None


async def _keep_an_admin(tx: Transaction, user: User) -> None:
    if user.role is Role.ADMIN and await tx.users.count_admins() <= 1:
        raise LastAdmin
