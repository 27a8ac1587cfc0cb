"""The rows of the table of doors, those of all vendors in one."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from tests.bench.doors import OPENAI_DOOR
from tests.bench.figures import ratio
from tests.bench.figures.doors import Doors
from tests.bench.results import Results
from tests.bench.table import CHUNK_OF_BARE, Text, multiple

_RELAYS = {
    "bare": Text("bare relay", "裸转发"),
    "twin": Text("bare relay once more: noise", "裸转发再测一次:噪声"),
}


@dataclass(frozen=True, slots=True)
class DoorRow:
    """`met` is None where there is no aim."""

    label: Text
    vendor: str
    per_chunk: str
    of_bare: str
    per_request: str
    aim: str = ""
    met: bool | None = None


def door_rows(results: Results) -> Iterator[DoorRow]:
    """The bare relay before this vendor, and each door."""
    if results.doors is None:
        return
    for name in results.doors.requests:
        yield _row(results.doors, name, results.vendor.title)


def _row(found: Doors, name: str, vendor: str) -> DoorRow:
    per_thousand = found.chunks.per_thousand
    of_bare = ratio(per_thousand, name, "bare")
    aimed = name == OPENAI_DOOR
    return DoorRow(
        _RELAYS.get(name, Text(f"`{name}`", f"`{name}`")),
        vendor,
        f"{median(per_thousand[name]):.0f} µs",
        multiple(of_bare) if name != "bare" else "1×",
        f"{median(found.requests[name]):.2f} ms",
        f"≤ {CHUNK_OF_BARE}×" if aimed else "",
        of_bare.middle <= CHUNK_OF_BARE if aimed else None,
    )
