"""Rate limits: how much of something anybody may have within some time."""

import hashlib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from ipaddress import IPv6Address, ip_network
from math import ceil

from limits import RateLimitItem
from slowapi.wrappers import LimitGroup

from app.core.config import Settings
from app.core.errors import TooMany
from app.core.proxies import parse_address
from app.core.serving import Standing, served
from app.stores.windows import Count, Counters


class Limited(StrEnum):
    """What is limited; each has a setting."""

    AI = "ai"
    AUTH = "auth"
    DEFAULT = "default"
    LOGIN_FAILURES = "login_failures"


# What is told to nobody before it is used up: it would say which accounts there are.
_SILENT = frozenset({Limited.LOGIN_FAILURES})


class RateLimits:
    """Counts in fixed windows. A limit that is off costs nothing.

    The limits are declared with slowapi, but its Limiter does not count them: it waits for Redis with the event loop,
    and its middleware overlooks the routes of included routers.
    """

    def __init__(self, settings: Settings, counters: Counters) -> None:
        self._limits = {what: _items(group) for what, group in _declared(settings).items()}
        self._counters = counters

    async def spend(self, what: Limited, key: str) -> Standing | None:
        """Count one for whoever `key` stands for, note the standing, and answer it; None when the limit is off.

        Raises TooMany where nothing is left.
        """
        items = self._limits[what]
        if not items:
            return None
        count = await self._counters.spend(items, what, _hidden(key))
        standing = _standing(items, count)
        if what not in _SILENT:
            served().standing = standing
        if not count.granted:
            raise TooMany(limit=standing.limit, retry_after=standing.resets_in)
        return standing

    async def spend_by_address(self, what: Limited) -> None:
        """Count one for somebody who is not known: by the address of the request that is served."""
        await self.spend(what, _address_key(served().address))

    async def standing(self, what: Limited, key: str) -> Standing | None:
        """Where one stands, without counting; None when the limit is off."""
        items = self._limits[what]
        return _standing(items, await self._counters.look(items, what, _hidden(key))) if items else None

    async def forgive(self, what: Limited, key: str) -> None:
        """Forget what was counted."""
        if items := self._limits[what]:
            await self._counters.forgive(items, what, _hidden(key))


def _declared(settings: Settings) -> Mapping[Limited, LimitGroup | None]:
    return {
        Limited.AI: _group(settings.rate_limit_ai),
        Limited.AUTH: _group(settings.rate_limit_auth),
        Limited.DEFAULT: _group(settings.rate_limit_default),
        Limited.LOGIN_FAILURES: _group(settings.login_failures),
    }


def _group(limits: str) -> LimitGroup | None:
    """slowapi's declaration, whose key function is not asked: whom we count is not always told by a request."""
    return LimitGroup(limits, str, None, False, None, None, None, 1, False) if limits else None


def _items(group: LimitGroup | None) -> Sequence[RateLimitItem]:
    return tuple(limit.limit for limit in group or ())


def _standing(items: Sequence[RateLimitItem], count: Count) -> Standing:
    """With the tightest: least is left, and of those with as much left the one that takes longest."""
    standings = [
        Standing(item.amount, max(0, item.amount - window.used), max(1, ceil(window.resets_in)))
        for item, window in zip(items, count.windows, strict=True)
    ]
    return min(standings, key=lambda each: (each.remaining, -each.resets_in))


def _address_key(address: str | None) -> str:
    """With IPv6 by the first 64 bits, for whoever has one address has all of those."""
    parsed = parse_address(address or "")
    return f"address:{ip_network((parsed, 64), strict=False) if isinstance(parsed, IPv6Address) else parsed}"


def _hidden(key: str) -> str:
    """Addresses, of people and of machines, are not kept in clear."""
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()[:32]
