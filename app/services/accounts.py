"""Accounts: how one is opened, changed and closed, and where the first administrator comes from."""

import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from app.core.config import Settings, StartRefused
from app.core.errors import (
    EmailTaken,
    Forbidden,
    Invalid,
    NotFound,
    PasswordTooCommon,
    RegistrationClosed,
    Unauthenticated,
)
from app.core.password_rules import LENGTH_RULE, PasswordRules, has_good_length
from app.core.passwords import Passwords
from app.database import Database, Transaction
from app.domain.addresses import address
from app.domain.audit import Action, Actor
from app.domain.identity import Principal, Role, User
from app.services.audit import record
from app.services.closing import Closing
from app.services.password_check import PasswordCheck
from app.services.users import record_changes

logger = logging.getLogger(__name__)

_CHANGES: Mapping[str, Action] = {
    "name": Action.PROFILE_CHANGED,
    "email": Action.EMAIL_CHANGED,
    "password_hash": Action.PASSWORD_CHANGED,
}


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
        self, database: Database, passwords: Passwords, check: PasswordCheck, closing: Closing, settings: Settings
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._check = check
        self._rules = PasswordRules()
        self._closing = closing
        self._registration_open = settings.registration_open
        self._first_admin = _first_admin(settings, self._rules)

    async def register(self, *, email: str, password: str, name: str | None) -> User:
        """A new user without rights.

        Raises RegistrationClosed, Invalid, PasswordTooCommon, EmailTaken, Overloaded.
        """
        if not self._registration_open:
            raise RegistrationClosed
        self._rules.check(password, email=email)
        with self._passwords.place() as place:
            # The unique index decides below; this only spares a hash.
            if await self._database.now.users.with_password(email):
                raise EmailTaken
            hashed = await place.hash(password)
        return await self.open(email=email, hashed=hashed, name=name, role=Role.USER, actor=Actor.NOBODY)

    async def change(self, principal: Principal, change: ProfileChange) -> User:
        """The user as changed. Raises Forbidden for a wrong current password, AccountLocked after too many of them,
        Invalid or PasswordTooCommon, EmailTaken, Unauthenticated when account or session ended meanwhile.

        A new password ends every other session.
        """
        user = principal.user
        if change.password is not None:
            self._rules.check(change.password, email=change.email or user.email)
        if change.needs_password:
            await self._confirm(principal, change.current_password)
        values: dict[str, str | None] = {}
        if change.rename:
            values["name"] = change.name
        if change.email is not None:
            values["email"] = change.email
        if change.password is not None:
            values["password_hash"] = await self._passwords.hash(change.password)
        async with self._database.transaction() as tx:
            if values:
                await _change(tx, principal, values)
            if change.password is not None:
                await tx.sessions.revoke_others(user.id, keep=principal.session_id)
            for column in values:
                record(tx, _CHANGES[column], by=principal)
            changed = await tx.users.get(user.id)
        if changed is None:
            raise Unauthenticated
        return changed

    async def delete(self, principal: Principal) -> None:
        """The account and all its data, for good. Raises LastAdmin."""
        try:
            await self._closing.close(principal.user.id, by=principal)
        except NotFound as error:
            raise Unauthenticated from error

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
            hashed = await self._passwords.hash(password)
            await self.open(email=email, hashed=hashed, name=None, role=Role.ADMIN, actor=Actor.SHELL)
        except EmailTaken:
            async with self._database.snapshot() as tx:
                if not await tx.users.count_admins():  # else another instance that starts at this moment has made it
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
            if before := await tx.users.enter_at(known):
                after = replace(before, role=Role.ADMIN, is_active=True)
                if after != before:
                    await tx.users.change(before.id, {"role": after.role.value, "is_active": after.is_active})
                record_changes(tx, before, after, actor=Actor.SHELL)
                return after
        self._rules.check(password, email=known)
        hashed = await self._passwords.hash(password)
        return await self.open(email=known, hashed=hashed, name=None, role=Role.ADMIN, actor=Actor.SHELL)

    async def open(self, *, email: str, hashed: str, name: str | None, role: Role, actor: Actor) -> User:
        """A new account whose password has this hash; nothing is judged any more. Raises EmailTaken."""
        async with self._database.transaction() as tx:
            user = await tx.users.add(email=email, name=name, role=role, password_hash=hashed)
            record(tx, Action.REGISTERED, actor=actor, target_id=user.id, role=role.value)
            return user

    async def _confirm(self, principal: Principal, password: str | None) -> None:
        if password is None:
            raise Invalid("The current password is required to change the address or the password.")
        if not await self._check.confirm(principal, password):
            raise Forbidden("The current password is wrong.")


async def _change(tx: Transaction, principal: Principal, values: Mapping[str, str | None]) -> None:
    """Raises EmailTaken, and Unauthenticated when the account was closed or the session ended meanwhile."""
    if not await tx.users.change(principal.user.id, values):
        raise Unauthenticated
    # Whoever changes this user and ends sessions with that waits from here on, or was faster, with another password.
    if principal.session_id is not None and await tx.sessions.get(principal.session_id) is None:
        raise Unauthenticated


def _first_admin(settings: Settings, rules: PasswordRules) -> tuple[str, str | None]:
    """The address and the password of the first administrator; None is a password to be made up.

    Raises StartRefused for what nobody could register with; outside production a common password will do.
    """
    email = address(settings.first_admin_email or "admin@example.com")
    if email is None:
        raise StartRefused("FIRST_ADMIN_EMAIL is not an e-mail address.")
    given = settings.first_admin_password and settings.first_admin_password.get_secret_value()
    if given and not has_good_length(given):
        raise StartRefused(f"FIRST_ADMIN_PASSWORD: {LENGTH_RULE}")
    if given and settings.production and rules.is_common(given, email=email):
        raise StartRefused(f"FIRST_ADMIN_PASSWORD: {PasswordTooCommon.default_detail}")
    return email, given or None
