"""Embedders as the settings make them, at the loopback vendor."""

from collections.abc import AsyncIterator

import pytest

from tests.providers.embedders.making import SERVERS, Make, Maker
from tests.upstream import Upstream


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> str:
    """Each kind of server in turn."""
    kind: str = request.param
    return kind


@pytest.fixture
async def make(server: str, upstream: Upstream) -> AsyncIterator[Make]:
    """An embedder of a model of that server, with further settings."""
    async with Maker(upstream.url) as maker:
        yield lambda model="echo", **given: maker.make(f"{server}/{model}", **given)


@pytest.fixture
async def maker(upstream: Upstream) -> AsyncIterator[Maker]:
    async with Maker(upstream.url) as maker:
        yield maker
