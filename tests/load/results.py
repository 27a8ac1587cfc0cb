"""What was found out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.load.crowd import Crowd
from tests.load.documents import Brought
from tests.load.readers import Held
from tests.load.search import Searched
from tests.load.streams import Streams


@dataclass(slots=True)
class Found:
    """By store; `bare` is the bare relay, which has none. What was not asked for is not there."""

    streams: dict[str, Streams] = field(default_factory=dict)
    readers: dict[str, Held] = field(default_factory=dict)
    users: list[tuple[str, str, Crowd]] = field(default_factory=list)  # store, route
    documents: dict[str, Brought] = field(default_factory=dict)
    search: dict[str, Searched] = field(default_factory=dict)

    def of_crowds(self) -> "Found":
        return Found(streams=self.streams, readers=self.readers, users=self.users)

    def of_documents(self) -> "Found":
        return Found(documents=self.documents, search=self.search)

    @property
    def errors(self) -> Sequence[str]:
        return list(self._errors())

    def _errors(self) -> Iterator[str]:
        for streams in self.streams.values():
            yield from streams.errors
        for held in self.readers.values():
            yield from held.errors
        for _, _, crowd in self.users:
            yield from crowd.errors
        for brought in self.documents.values():
            yield from brought.errors
        for searched in self.search.values():
            yield from searched.errors
