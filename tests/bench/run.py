"""One run: every vendor, every figure, then the report."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.bench.contestants import Bare, Ours
from tests.bench.figures import chunks, doors, first, flood, memory, requests, stop
from tests.bench.figures.field import Field, field
from tests.bench.options import Options
from tests.bench.processes import Served
from tests.bench.profiling import profile
from tests.bench.readme import DOORS_BEGIN, DOORS_END, READMES, write
from tests.bench.report import of_doors, report
from tests.bench.results import Results
from tests.bench.vendors import VENDORS, Vendor
from tests.postgresql import PostgreSQL

Database = Callable[[Path], Awaitable[str]]
"""The address of a new database, in this folder if it is a file."""


async def run(options: Options) -> None:
    """Raises WrongAnswer."""
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        async with _database(options, Path(folder)) as database:

            async def measured(name: str) -> Results:
                async with _upstream() as upstream:
                    return await _vendor(options, VENDORS[name], upstream, Path(folder), database)

            if options.quick:  # where times mean nothing, they may disturb each other
                found = await asyncio.gather(*map(measured, options.vendors))
            else:
                found = [await measured(name) for name in options.vendors]
    _publish(options, found)


def _publish(options: Options, found: Sequence[Results]) -> None:
    database = "PostgreSQL" if options.postgresql else "SQLite"
    said = (report(found, database=database, language="en"), of_doors(found, database=database, language="en"))
    sys.stdout.write("\n\n".join(filter(None, said)) + "\n")
    if options.quick:
        _say("--quick: the figures mean nothing")
    if options.write:
        for language, readme in READMES.items():
            if tables := report(found, database=database, language=language):
                write(readme, tables)
            if table := of_doors(found, database=database, language=language):
                write(readme, table, begin=DOORS_BEGIN, end=DOORS_END)


async def _vendor(options: Options, vendor: Vendor, upstream: Served, folder: Path, database: Database) -> Results:
    results = Results(vendor, options.amounts)

    @asynccontextmanager
    async def fresh(name: str) -> AsyncIterator[Field]:
        home = folder / f"{vendor.name}-{name}"
        home.mkdir()
        straight, ours = Bare(vendor, upstream, "straight"), Ours(vendor, upstream, home, await database(home))
        async with field(straight, ours, options.amounts, twin=options.twin) as on:
            yield on

    apart = ["memory"] if options.amounts.fresh and "memory" in options.only else []
    together = [name for name in options.only if name not in apart]
    for names, profiled in ((apart, None), (together, options.profile)):
        if names or profiled:
            async with fresh("-".join(names)) as on:
                for name in names:
                    await _figure(on, name, results)
                if profiled is not None:
                    await profile(on, profiled)
    return results


async def _figure(on: Field, name: str, results: Results) -> None:
    _say(f"{results.vendor.title}: {name}")
    match name:
        case "chunks":
            results.chunks = await chunks.measure(on)
        case "requests":
            results.requests = await requests.measure(on)
        case "first":
            results.first = await first.measure(on)
        case "memory":
            results.memory = await memory.measure(on)
        case "stop":
            results.stop = await stop.measure(on)
        case "flood":
            results.flood = await flood.measure(on)
        case "doors":
            results.doors = await doors.measure(on)


@asynccontextmanager
async def _database(options: Options, folder: Path) -> AsyncIterator[Database]:
    if not options.postgresql:

        async def file(home: Path) -> str:
            return f"sqlite+aiosqlite:///{home / 'app.db'}"

        yield file
        return
    server, turns = PostgreSQL(folder), asyncio.Lock()

    async def made(_: Path) -> str:
        async with turns:  # the first makes the template of all
            return await server.database()

    try:
        yield made
    finally:
        server.close()


@asynccontextmanager
async def _upstream() -> AsyncIterator[Served]:
    async with Served("tests.upstream", ("--port", "{port}")) as upstream:
        await upstream.ready()
        yield upstream


def _say(what: str) -> None:
    sys.stderr.write(f"{what}\n")
