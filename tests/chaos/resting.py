"""What an instance holds when nobody wants anything of it: tasks, sockets, pool connections, memory."""

import asyncio
import os
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.chaos.history import Footprint
from tests.chaos.http import Exchange
from tests.chaos.instance import Instance
from tests.chaos.world import World

_BUSY = ("ai_live_generations", "ai_open_streams", "ai_database_connections_in_use")


async def at_rest(world: World, within: float) -> dict[str, Footprint]:
    """Wait until no instance has anything to do, then answer what each holds; by its name."""
    latest = time.monotonic() + within
    return {name: await _rested(instance, latest) for name, instance in world.instances.items()}


async def _rested(instance: Instance, latest: float) -> Footprint:
    """Seen idle twice: after the last answer connections are closed, and logs let go."""
    rested = False
    while True:
        metrics = await _metrics(instance)
        busy = {name: metrics[name] for name in _BUSY if metrics[name]}
        if rested and not busy:
            return _footprint(instance, metrics)
        if time.monotonic() > latest:
            raise TimeoutError(f"instance {instance.name} is not at rest: {busy}")
        rested = not busy
        await asyncio.sleep(0.5)


def before_and_after(before: dict[str, Footprint], after: dict[str, Footprint]) -> list[Footprint]:
    """Each process beside itself after the warming up; one that was started since beside the one that it replaces."""
    return [each for name, last in after.items() for each in (replace(before[name], began=last.began), last)]


async def _metrics(instance: Instance) -> dict[str, float]:
    async with asyncio.timeout(10), Exchange(instance.url, "GET", "/metrics", {}) as exchange:
        await exchange.head()
        text = b"".join([piece async for piece in exchange.pieces()]).decode()
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {sample.name: sample.value for sample in samples if not sample.labels}


def _footprint(instance: Instance, metrics: dict[str, float]) -> Footprint:
    folder = Path(f"/proc/{instance.pid}")
    return Footprint(
        instance=instance.name,
        began=instance.started_at,
        at=time.monotonic(),
        sockets=_sockets(folder),
        tasks=int(metrics["ai_event_loop_tasks"]) if "ai_event_loop_tasks" in metrics else None,
        pool_connections=int(metrics["ai_database_connections_in_use"]),
        rss_bytes=int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"),
    )


def _sockets(folder: Path) -> int:
    count = 0
    for each in (folder / "fd").iterdir():
        with suppress(FileNotFoundError):  # the folder is read while it changes
            count += os.readlink(each).startswith("socket:")
    return count
