"""The simulated streams keep the promises of the real ones: the claims are theirs."""

from collections.abc import Mapping, Sequence

import pytest

from app.stores.streams import Batch, Entry, Outcome, Streams
from tests.simulation.streams import StreamTable
from tests.stores.test_streams import (
    test_a_batch_of_which_nobody_heard_that_it_arrived_is_written_again as test_again,
)
from tests.stores.test_streams import test_a_later_writer_is_the_only_one as test_later_writer
from tests.stores.test_streams import test_a_long_stream_is_read_in_parts as test_parts
from tests.stores.test_streams import test_a_stream_that_nobody_has_begun_can_be_seized as test_seized
from tests.stores.test_streams import (
    test_batches_stand_in_order_and_are_read_from_any_place as test_order,
)
from tests.stores.test_streams import test_what_is_missing_is_told_and_can_be_written_anew as test_gap

__all__ = ["test_again", "test_gap", "test_later_writer", "test_order", "test_parts", "test_seized"]


class _Table:
    """The table alone, without a network."""

    away = False

    def __init__(self, table: StreamTable) -> None:
        self._table = table

    async def append(self, batches: Sequence[Batch]) -> Sequence[Outcome]:
        return self._table.append(batches)

    async def read(self, places: Mapping[str, str]) -> Mapping[str, Sequence[Entry]]:
        return self._table.read(places)

    async def seize(self, generation_id: str, fence: int) -> None:
        self._table.seize(generation_id, fence)

    async def era(self) -> str:
        return self._table.era()


@pytest.fixture
def table() -> StreamTable:
    return StreamTable()


@pytest.fixture
def streams(table: StreamTable) -> Streams:
    return _Table(table)


async def test_that_all_was_lost_is_told(streams: Streams, table: StreamTable) -> None:
    before = await streams.era()
    assert await streams.era() == before
    table.flush()
    after = await streams.era()
    assert after != before
    assert await streams.era() == after
