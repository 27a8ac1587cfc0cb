"""One served application for each of two databases, with everybody who asks.

Who may do what is the same code on all of them: SQLite stands for what is embedded, PostgreSQL for servers.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from tests.access.people import PASSWORD
from tests.access.world import SECRET_KEY, SERVICE_KEY, VENDOR_KEY, World, populated
from tests.backend import PLAIN, UNLIMITED, Backend, Given
from tests.conftest import fresh_database
from tests.upstream import Upstream

ADMIN = "admin@example.com"


@pytest.fixture(scope="package", params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with fresh_database(request, request.param, tmp_path_factory.mktemp("database")) as url:
        yield url


@pytest.fixture(scope="package")
async def world(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Its people keep what they have: who is to lose something is somebody new."""
    async with Upstream() as vendor:
        values: dict[str, Any] = {
            "database_url": database_url,
            "data_dir": tmp_path_factory.mktemp("access"),
            "secret_key": SECRET_KEY,
            "openai_api_key": VENDOR_KEY,
            "openai_base_url": f"{vendor.url}/v1",
            "default_model": "openai/echo",
            "ollama_base_url": vendor.url,
            "api_keys": SERVICE_KEY,
            "first_admin_email": ADMIN,
            "first_admin_password": PASSWORD,
            "watchdog_seconds": 60,  # fixtures hold this loop up
            **UNLIMITED,
        }
        async with (
            Backend(Given(**values)) as backend,
            httpx.AsyncClient(base_url=backend.url, timeout=20, trust_env=False, verify=PLAIN) as http,
        ):
            yield await populated(http, database_url, ADMIN)
