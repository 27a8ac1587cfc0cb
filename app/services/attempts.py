"""How often a password may be guessed, without locking out whoever knows it.

An account's failures are counted together, wherever they come from; when they are used up, nobody else gets in for a
while. A place where the owner is signed in has a count of its own instead, so that guesses from elsewhere do not count
there. Such a place is known by its session, not by its address: who has stolen a session may show it from anywhere, and
would get a new count each time. So an account takes as many guesses as the limit says, once for all strangers, and once
for each of its sessions, and once more for whoever is in one: strangers beside it must not take that from its owner.
"""

from contextlib import suppress
from dataclasses import dataclass

from app.core.errors import AccountLocked, TooMany
from app.services.limits import Limited, RateLimits


@dataclass(frozen=True, slots=True)
class Attempt:
    """One guess. `account` is an address, whether anybody has it or not; `session_id` is a session of its own here."""

    account: str
    session_id: str | None
    within: bool
    """Whether it was made in that session, and not by somebody beside it."""
    is_last: bool
    """Whether the next one is refused, unless this one is right."""


class Attempts:
    def __init__(self, limits: RateLimits) -> None:
        self._limits = limits

    async def begin(self, account: str, *, session_id: str | None, within: bool = False) -> Attempt:
        """Counted before anybody looks whether it is right: a hundred at once are a hundred. Raises AccountLocked."""
        try:
            standing = await self._limits.spend(Limited.LOGIN_FAILURES, _key(account, session_id, within))
        except TooMany as error:
            raise AccountLocked(limit=error.limit, retry_after=error.retry_after) from None
        return Attempt(account, session_id, within, standing is not None and standing.remaining == 0)

    async def failed(self, attempt: Attempt) -> None:
        """It stays counted; where the owner is signed in, against strangers, too."""
        if attempt.session_id is not None:
            with suppress(TooMany):  # for them it is locked; here it is not
                await self._limits.spend(Limited.LOGIN_FAILURES, _key(attempt.account, None, False))

    async def succeeded(self, attempt: Attempt) -> None:
        """Begin anew, here. Where the owner is signed in strangers are not forgiven: they had no part in it."""
        await self._limits.forgive(Limited.LOGIN_FAILURES, _key(attempt.account, attempt.session_id, attempt.within))


def _key(account: str, session_id: str | None, within: bool) -> str:
    return f"{account}\n{session_id or ''}\n{'within' if within else ''}"
