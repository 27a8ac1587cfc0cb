"""When an API key was last used."""

import time
from datetime import timedelta

from app.core.errors import DatabaseUnavailable
from app.database import Database
from app.domain.identity import ApiKey
from app.repositories.base import now

EACH = timedelta(minutes=1)


class LastUse:
    """Noted once a minute and key at most, so that asking does not come to mean writing."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noting: set[str] = set()
        self._not_before = 0.0

    async def note(self, key: ApiKey) -> None:
        """That it is used now. No request fails for it: a database that is away or read-only goes without."""
        if self._is_noted(key) or time.monotonic() < self._not_before:
            return
        self._noting.add(key.id)  # of many requests at once one writes
        try:
            async with self._database.transaction(durable=False) as tx:
                tx.api_keys.used(key.id, unless_within=EACH)
        except DatabaseUnavailable:
            # Not tried again by each request, which may have waited for seconds.
            self._not_before = time.monotonic() + EACH.total_seconds()
        finally:
            self._noting.discard(key.id)

    def _is_noted(self, key: ApiKey) -> bool:
        return key.id in self._noting or (key.last_used_at is not None and now() - key.last_used_at < EACH)
