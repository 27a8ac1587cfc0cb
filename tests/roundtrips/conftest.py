"""The app at its doors, with the loopback vendor as every vendor there is, shared by all tests of this folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.chat.conftest import Service, serving
from tests.upstream import Upstream


@pytest.fixture(scope="package")
async def every_vendor() -> AsyncIterator[Upstream]:
    async with Upstream() as vendor:
        yield vendor


@pytest.fixture
def upstream(every_vendor: Upstream) -> Upstream:
    """All vendors in one, with nothing scripted and nothing seen."""
    every_vendor.reset()
    return every_vendor


@pytest.fixture(scope="package")
async def patient(
    every_vendor: Upstream, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    async with serving(every_vendor, sqlite_template, tmp_path_factory.mktemp("roundtrips")) as service:
        yield service
