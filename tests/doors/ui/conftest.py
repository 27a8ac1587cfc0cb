"""One served application for this door, and somebody new for each test."""

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest

from tests.backend import User
from tests.chat.conftest import Service, serving
from tests.doors.ui.page import Page
from tests.upstream import Upstream

_numbers = count(1)


@pytest.fixture(scope="package")
async def vendor() -> AsyncIterator[Upstream]:
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="package")
async def service(
    vendor: Upstream, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("ui")
    async with serving(vendor, sqlite_template, folder, default_model="openai/echo") as service:
        yield service


@pytest.fixture
def upstream(vendor: Upstream) -> Upstream:
    vendor.reset()
    return vendor


@pytest.fixture
async def alice(service: Service, upstream: Upstream) -> User:
    return await service.backend.user(f"alice-{next(_numbers)}")


@pytest.fixture
def page(alice: User) -> Page:
    return Page(alice)
