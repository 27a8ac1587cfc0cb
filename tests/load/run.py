"""One run: every part on every store, then the report."""

import asyncio
import sys
import tempfile
from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import readme
from tests.load import cores, crowd, documents, readers, room, search, streams
from tests.load.cores import Cores
from tests.load.options import CROWDS, DOCUMENTS, ROUTES, Options
from tests.load.report import report
from tests.load.results import Found
from tests.load.worker import Prepare, Stage, bare_relay, stage

BEGIN = "<!-- make load ARGS=--write begins -->"
END = "<!-- make load ARGS=--write ends -->"
DOCUMENTS_BEGIN = '<!-- make load ARGS="--only documents,search --write" begins -->'
DOCUMENTS_END = '<!-- make load ARGS="--only documents,search --write" ends -->'


async def run(options: Options) -> bool:
    """Whether nothing went wrong: slow is not wrong."""
    if "streams" in options.only and (what := room.missing(options.size.streams)):
        sys.exit(what)
    shared = cores.share()
    _say(f"about {max(1, round(options.seconds / 60))} min")
    with tempfile.TemporaryDirectory(prefix="load") as folder:
        found = await _Run(options, shared, Path(folder)).all()
    sys.stdout.write(report(found, options, shared, language="en") + "\n")
    for error in found.errors[:10]:
        _say(f"error: {error}")
    if options.quick:
        _say("--quick: the figures mean nothing")
    if options.write:
        _write(found, options, shared)
    return not found.errors


def _write(found: Found, options: Options, shared: Cores) -> None:
    """Crowds and documents have a place each."""
    for parts, part, begin, end in (
        (CROWDS, found.of_crowds(), BEGIN, END),
        (DOCUMENTS, found.of_documents(), DOCUMENTS_BEGIN, DOCUMENTS_END),
    ):
        for language, page in readme.READMES.items():
            if set(parts) <= set(options.only):
                readme.write(page, report(part, options, shared, language=language), begin=begin, end=end)


@dataclass
class _Run:
    options: Options
    cores: Cores
    folder: Path
    found: Found = field(default_factory=Found)

    async def all(self) -> Found:
        only = self.options.only
        async with AsyncExitStack() as stack:
            later: list[Awaitable[None]] = []
            if "streams" in only:
                for kind in self.options.stores:
                    on = await stack.enter_async_context(self._stage(kind, "streams", 100))
                    later.append(await self._streams(kind, on))
                on = await stack.enter_async_context(bare_relay(self.cores))
                later.append(await self._streams("bare", on))
            if "readers" in only:
                await self._readers()
            if "users" in only:
                for kind in self.options.stores:
                    await self._users(kind)
            if "documents" in only:
                await self._documents()
            if "search" in only:
                await self._search()
            await asyncio.gather(*later)
        return self.found

    def _stage(
        self, kind: str, part: str, users: int, prepare: Prepare | None = None
    ) -> AbstractAsyncContextManager[Stage]:
        folder = self.folder / f"{part}-{kind}"
        folder.mkdir(mode=0o700)  # a socket of PostgreSQL's is in there
        return stage(kind, folder, self.cores, users, self.options.settings, prepare)

    async def _streams(self, kind: str, on: Stage) -> Awaitable[None]:
        """What is to be awaited in the end: the look at what is left of them."""
        _say(f"streams: {kind}")
        before, size = on.worker.memory(), self.options.size
        bare = kind == "bare"
        found = await streams.measure(on, size, streams.bare if bare else streams.ours(on), stored=not bare)
        self.found.streams[kind] = found

        async def look_again() -> None:
            found.kilobytes_after = await streams.afterwards(on.worker, before, size)

        return asyncio.create_task(look_again())

    async def _readers(self) -> None:
        kind = self.options.stores[0]
        _say(f"readers: {kind}")
        async with self._stage(kind, "readers", self.options.readers.everybody) as on:
            self.found.readers[kind] = await readers.measure(on, self.options.readers)

    async def _users(self, kind: str) -> None:
        _say(f"users: {kind}")
        async with self._stage(kind, "users", self.options.users) as on:
            for pace in self.options.paces:
                for path in ROUTES:
                    self.found.users.append((kind, path, await crowd.measure(on, path, pace)))

    async def _documents(self) -> None:
        kind, asked = self.options.stores[0], self.options.documents
        _say(f"documents: {kind}")
        async with self._stage(kind, "documents", asked.everybody) as on:
            self.found.documents[kind] = await documents.measure(on, asked)

    async def _search(self) -> None:
        kind, asked = self.options.stores[0], self.options.search
        _say(f"search: {kind}")
        shelves = search.Shelves(asked.passages)
        async with self._stage(kind, "search", 1, shelves.fill) as on:
            self.found.search[kind] = await search.measure(on, shelves, asked)


def _say(what: str) -> None:
    sys.stderr.write(f"{what}\n")
