"""The leases of living instances, by the database's clock."""

from sqlalchemy import delete, insert, select, update

from app.models.base import DatabaseClock
from app.models.generations import instances
from app.repositories.base import Repository


class InstanceRepository(Repository):
    async def add(self, instance_id: str, seconds: float) -> None:
        """Begin a lease, or prolong it where an earlier try was committed and nobody heard of it."""
        if not await self.renew(instance_id, seconds):
            values = {"id": instance_id, "expires_at": DatabaseClock() + seconds}
            await self._connection.execute(insert(instances).values(values))

    async def renew(self, instance_id: str, seconds: float) -> bool:
        """Prolong a lease; false when it is gone, because another instance took over."""
        statement = update(instances).where(instances.c.id == instance_id).values(expires_at=DatabaseClock() + seconds)
        return (await self._connection.execute(statement)).rowcount == 1

    async def hold(self, instance_id: str) -> bool:
        """Whether the lease still stands; if so it cannot be taken before this transaction ends."""
        statement = select(instances.c.id).where(instances.c.id == instance_id).with_for_update(read=True)
        return (await self._connection.execute(statement)).first() is not None

    async def take_expired(self, *, but: str) -> None:
        """End every lease that has run out, but one's own: from here on its holder's writes are refused."""
        await self._connection.execute(
            delete(instances).where(instances.c.expires_at < DatabaseClock(), instances.c.id != but)
        )

    async def remove(self, instance_id: str) -> None:
        await self._connection.execute(delete(instances).where(instances.c.id == instance_id))

    async def remove_all(self) -> None:
        """For an embedded database, whose file lock proves that nobody else lives."""
        await self._connection.execute(delete(instances))
