"""What `make bench ARGS="…"` takes."""

import argparse
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.vendors import VENDORS

RELAY = ("chunks", "requests", "first", "memory", "stop", "flood")
DOORS = ("doors",)
FIGURES = (*RELAY, *DOORS)


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much of everything."""

    rounds: int = 3
    warmth: int = 8  # connections, and requests of each, before anything is measured
    streams: int = 64  # paced, at once
    long: int = 200  # chunks of their answers
    short: int = 20
    requests: int = 160
    lengths: Sequence[int] = (0, 2, 20, 40)  # messages before the one that is posted
    firsts: int = 100
    crowd: int = 1000
    spacing: int = 1000  # milliseconds between two chunks for the crowd
    stops: int = 20
    signins: int = 1000  # a second, beside the streams
    settling: float = 0.3  # seconds
    fresh: bool = True  # the crowd comes to targets that have had no other load


QUICK = Amounts(
    rounds=1,
    warmth=2,
    streams=8,
    long=12,
    short=4,
    requests=8,
    lengths=(0, 2, 4),
    firsts=5,
    crowd=40,
    spacing=20,
    stops=2,
    signins=100,
    settling=0.05,
    fresh=False,
)


@dataclass(frozen=True, slots=True)
class Options:
    vendors: Sequence[str]
    only: Collection[str]
    amounts: Amounts
    postgresql: bool
    twin: bool
    write: bool
    profile: Path | None

    @property
    def quick(self) -> bool:
        return self.amounts is QUICK


def parse(arguments: Sequence[str] | None = None) -> Options:
    parser = argparse.ArgumentParser(prog="make bench", description="What the relay costs, on this machine.")
    usual = Amounts()
    vendors, figures = ",".join(VENDORS), ",".join(FIGURES)
    parser.add_argument("--vendors", type=some_of(VENDORS), help=f"of {vendors}; default: all")
    parser.add_argument("--only", type=some_of(FIGURES), help=f"of {figures}; default: all")
    parser.add_argument("--rounds", type=int, default=usual.rounds, help="default: %(default)s")
    parser.add_argument("--streams", type=int, default=usual.streams, help="paced ones at once; default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="so little of everything that only the bench is tested")
    parser.add_argument("--twin", action="store_true", help="run bare against itself as well: how far noise goes")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite", help="of the service")
    parser.add_argument("--write", action="store_true", help="put the tables into both READMEs")
    parser.add_argument("--profile", type=Path, metavar="FILE", help="py-spy on the service; .svg, .json or raw")
    given = parser.parse_args(arguments)
    only = given.only or FIGURES
    if given.write and (given.quick or given.vendors or not _whole(only)):
        parser.error("--write is for a whole run, or for its doors, or all but its doors")
    return Options(
        vendors=given.vendors or tuple(VENDORS),
        only=only,
        amounts=QUICK if given.quick else Amounts(rounds=given.rounds, streams=given.streams),
        postgresql=given.database == "postgresql",
        twin=given.twin,
        write=given.write,
        profile=given.profile,
    )


def _whole(only: Collection[str]) -> bool:
    """Whether each of the two places in the READMEs gets all of its tables, or none."""
    return all(set(part) <= set(only) or not set(part) & set(only) for part in (RELAY, DOORS))


def some_of(known: Collection[str]) -> Callable[[str], list[str]]:
    def split(value: str) -> list[str]:
        names = [name.strip() for name in value.split(",") if name.strip()]
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)} is not among {', '.join(known)}")
        return names

    return split
