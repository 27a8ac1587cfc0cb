"""What was found out about one vendor's relay."""

from dataclasses import dataclass

from tests.bench.figures.chunks import Chunks
from tests.bench.figures.doors import Doors
from tests.bench.figures.first import First
from tests.bench.figures.flood import Flood
from tests.bench.figures.memory import Memory
from tests.bench.figures.requests import Requests
from tests.bench.figures.stop import Stop
from tests.bench.options import Amounts
from tests.bench.vendors import Vendor


@dataclass(slots=True)
class Results:
    """A figure that was not asked for is None."""

    vendor: Vendor
    amounts: Amounts
    chunks: Chunks | None = None
    requests: Requests | None = None
    first: First | None = None
    memory: Memory | None = None
    stop: Stop | None = None
    flood: Flood | None = None
    doors: Doors | None = None
