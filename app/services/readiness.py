"""What the service needs for work, and whether it is there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from app import migrations
from app.core.errors import DatabaseUnavailable
from app.database import Database
from app.generation.engine import Engine

State = Literal["ready", "degraded", "unavailable", "draining"]


@dataclass(frozen=True, slots=True)
class Readiness:
    """`parts` names each part and its state, without hosts or versions."""

    status: State
    parts: Mapping[str, str]


class ReadinessService:
    def __init__(self, database: Database, engine: Engine) -> None:
        self._database = database
        self._engine = engine
        self._shipped = migrations.shipped()

    async def check(self) -> Readiness:
        database = await self._database_state()
        parts = {"database": database, "generations": self._engine.state}
        if self._engine.draining:
            return Readiness("draining", parts)
        ready = database == "ok" and parts["generations"] == "ok"
        return Readiness("ready" if ready else "unavailable", parts)

    async def _database_state(self) -> str:
        try:
            return "schema_behind" if self._shipped.behind(await self._database.revision()) else "ok"
        except DatabaseUnavailable:
            return "away"
