"""The leases of living instances, by the database's clock."""

from sqlalchemy import bindparam, delete, insert, select, update

from app.models.base import DatabaseClock
from app.models.generations import instances
from app.repositories.base import Repository

_ONE = instances.c.id == bindparam("instance")
_EXPIRY = DatabaseClock() + bindparam("seconds")
_ADD = insert(instances).values(id=bindparam("instance"), expires_at=_EXPIRY)
_RENEW = update(instances).where(_ONE).values(expires_at=_EXPIRY)
_HOLD = select(instances.c.id).where(_ONE).with_for_update(read=True)
_TAKE_EXPIRED = delete(instances).where(
    instances.c.expires_at < DatabaseClock(), instances.c.id != bindparam("instance")
)


class InstanceRepository(Repository):
    async def add(self, instance_id: str, seconds: float) -> None:
        """Begin a lease, or prolong it where an earlier try was committed and nobody heard of it."""
        if not await self.renew(instance_id, seconds):
            await self._connection.run(_ADD, {"instance": instance_id, "seconds": seconds})

    async def renew(self, instance_id: str, seconds: float) -> bool:
        """Prolong a lease; false when it is gone, because another instance took over."""
        return await self._connection.run(_RENEW, {"instance": instance_id, "seconds": seconds}) == 1

    async def hold(self, instance_id: str) -> bool:
        """Whether the lease still stands; if so it cannot be taken before this transaction ends."""
        return await self._row(_HOLD, {"instance": instance_id}) is not None

    async def take_expired(self, *, but: str) -> None:
        """End every lease that has run out, but one's own: from here on its holder's writes are refused."""
        await self._connection.run(_TAKE_EXPIRED, {"instance": but})

    async def remove(self, instance_id: str) -> None:
        await self._connection.run(delete(instances).where(_ONE), {"instance": instance_id})

    async def remove_all(self) -> None:
        """For an embedded database, whose file lock proves that nobody else lives."""
        await self._connection.run(delete(instances))
