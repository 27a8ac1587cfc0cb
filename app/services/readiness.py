"""What the service needs for work, and whether it is there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from app import migrations
from app.core.errors import DatabaseUnavailable
from app.database import Database
from app.generation.engine import Engine
from app.services.index import Index

State = Literal["ready", "degraded", "unavailable", "draining"]


@dataclass(frozen=True, slots=True)
class Readiness:
    """`parts` names each part and its state, without hosts or versions."""

    status: State
    parts: Mapping[str, str]


class SharedPart(Protocol):
    """What instances share, and can do without for a while."""

    async def answers(self) -> bool:
        """Whether it is there; soon, also when it is not."""


class ReadinessService:
    def __init__(self, database: Database, engine: Engine, redis: SharedPart | None, index: Index) -> None:
        self._database = database
        self._engine = engine
        self._redis = redis
        self._index = index
        self._shipped = migrations.shipped()

    async def check(self) -> Readiness:
        database = await self._database_state()
        parts = {"database": database, "generations": self._engine.state, **await self._redis_parts()}
        parts["vectors"] = self._index.state
        if self._engine.draining:
            return Readiness("draining", parts)
        if database != "ok" or parts["generations"] != "ok":
            return Readiness("unavailable", parts)
        return Readiness("degraded" if "away" in (parts.get("redis"), parts["vectors"]) else "ready", parts)

    async def _redis_parts(self) -> Mapping[str, str]:
        """Redis itself, where there is one; where limits are counted; where instances get each other's events."""
        if self._redis is None:
            return {"limits": "local", "streams": "local"}
        if await self._redis.answers():
            return {"redis": "ok", "limits": "shared", "streams": "shared"}
        return {"redis": "away", "limits": "local", "streams": "local"}

    async def _database_state(self) -> str:
        try:
            return "schema_behind" if self._shipped.behind(await self._database.revision()) else "ok"
        except DatabaseUnavailable:
            return "away"
