"""What `make load ARGS="…"` takes."""

import argparse
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tests.bench.options import some_of
from tests.load.crowd import CHAT, STREAM, Pace
from tests.load.documents import Documents
from tests.load.readers import Readers
from tests.load.search import Search
from tests.load.stores import TITLES
from tests.load.streams import Size
from tests.load.vendor import Plan

CROWDS = ("streams", "readers", "users")
DOCUMENTS = ("documents", "search")
PARTS = (*CROWDS, *DOCUMENTS)
ROUTES = (CHAT, STREAM)
# How people behind a tool for load tests behave (Locust's first example waits 1 to 5 s), hastier ones, and a queue that
# never ends, whose mean is nothing but its length over what is answered each second.
PACES = (
    Pace(thinking=(1, 5), warmth=4, measured=8),
    Pace(thinking=(1, 2), warmth=3, measured=7),
    Pace(thinking=(0, 0), warmth=2, measured=5),
)


@dataclass(frozen=True, slots=True)
class Options:
    only: Collection[str] = PARTS
    stores: Sequence[str] = tuple(TITLES)
    users: int = 500
    paces: Sequence[Pace] = PACES
    size: Size = field(default_factory=Size)
    readers: Readers = field(default_factory=Readers)
    documents: Documents = field(default_factory=Documents)
    search: Search = field(default_factory=Search)
    settings: Mapping[str, str] = field(default_factory=dict)
    quick: bool = False
    write: bool = False

    @property
    def seconds(self) -> float:
        """About how long all of it takes."""
        each = {
            "streams": len(self.stores) * (10 + self.size.streams / 250 + self._speaking) + 10 + self._speaking,
            "readers": 10 + self.readers.paced.chunks * self.readers.paced.apart / 1000,
            "documents": 20 + self.documents.seconds,
            "search": 30 + self.search.seconds,
            "users": len(self.stores) * (10 + len(ROUTES) * sum(1 + p.warmth + p.measured for p in self.paces)),
        }
        return sum(seconds for name, seconds in each.items() if name in self.only)

    @property
    def _speaking(self) -> float:
        return self.size.chunks[1] * self.size.apart / 1000


_QUICK = Options(
    users=20,
    paces=[replace(pace, thinking=(0, max(pace.thinking) / 20), warmth=0.0, measured=1.2) for pace in PACES],
    size=Size(streams=50, chunks=(4, 6), apart=50, calm=0.2),
    readers=Readers(
        silent=4, dripping=2, healthy=3, long=Plan(300, letters=3500), paced=Plan(20, apart=50), patience=20
    ),
    documents=Documents(pages=12, each=3, chats=3, talk=Plan(20, apart=50), warmth=1.0, alone=0.5, calm=0.2),
    search=Search(passages=60, questions=3),
    settings={"READER_TIMEOUT": "1"},
    quick=True,
)


def parse(arguments: Sequence[str] | None = None) -> Options:
    parser = argparse.ArgumentParser(prog="make load", description="What one worker holds, on this machine.")
    usual = Options()
    parts, stores = ",".join(PARTS), ",".join(TITLES)
    parser.add_argument("--only", type=some_of(PARTS), default=PARTS, help=f"of {parts}; default: all")
    parser.add_argument("--stores", type=some_of(TITLES), default=tuple(TITLES), help=f"of {stores}; default: all")
    parser.add_argument("--users", type=int, default=usual.users, help="default: %(default)s")
    parser.add_argument("--streams", type=int, default=usual.size.streams, help="default: %(default)s")
    parser.add_argument("--pages", type=int, default=usual.documents.pages, help="default: %(default)s")
    parser.add_argument("--passages", type=int, default=usual.search.passages, help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="so little of everything that only this tool is tested")
    parser.add_argument("--write", action="store_true", help="put the tables into both READMEs")
    given = parser.parse_args(arguments)
    asked = replace(
        usual,
        users=given.users,
        size=replace(usual.size, streams=given.streams),
        documents=replace(usual.documents, pages=given.pages),
        search=replace(usual.search, passages=given.passages),
    )
    options = replace(_QUICK if given.quick else asked, only=given.only, stores=given.stores, write=given.write)
    if given.write and not (replace(options, only=PARTS) == replace(usual, write=True) and _whole(given.only)):
        parser.error("--write is for a whole run, or for all of its crowds or all of its documents")
    return options


def _whole(only: Collection[str]) -> bool:
    """Whether each of the two places in the READMEs gets all of its tables, or none."""
    return all(set(part) <= set(only) or not set(part) & set(only) for part in (CROWDS, DOCUMENTS))
