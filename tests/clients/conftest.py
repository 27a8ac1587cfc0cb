"""One served application for all of these clients, with every vendor behind it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.chat.conftest import Service, serving
from tests.clients.node import need_packages
from tests.upstream import Upstream


@pytest.fixture(scope="package")
async def vendor() -> AsyncIterator[Upstream]:
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="package")
async def service(
    vendor: Upstream, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    need_packages()
    folder = tmp_path_factory.mktemp("clients")
    # They ask side by side.
    settings = {"default_model": "openai/echo", "max_concurrent_generations_per_user": ""}
    async with serving(vendor, sqlite_template, folder, **settings) as service:
        yield service
