"""The app with the loopback vendor as every vendor there is, shared by the rows of a table."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.backend import UNLIMITED, Backend, Given, User
from tests.upstream import Upstream


@dataclass(frozen=True)
class Service:
    """One app, and a user of it; models are named `vendor/whatever`."""

    backend: Backend
    alice: User
    database_url: str


@asynccontextmanager
async def serving(vendor: Upstream, template: Path, folder: Path, **settings: Any) -> AsyncIterator[Service]:
    values = {
        "database_url": _copy(template, folder / "app.db"),
        "data_dir": folder,
        "openai_api_key": "sk-loopback-key",
        "openai_base_url": f"{vendor.url}/v1",
        "deepseek_api_key": "sk-loopback-key",
        "deepseek_base_url": f"{vendor.url}/v1",
        "anthropic_api_key": "sk-loopback-key",
        "anthropic_base_url": f"{vendor.url}/anthropic",
        "ollama_base_url": vendor.url,
        "watchdog_seconds": 60,  # fixtures hold this loop up
        **UNLIMITED,
        **settings,
    }
    async with Backend(Given(**values)) as backend:
        yield Service(backend, await backend.user(), values["database_url"])


def _copy(template: Path, file: Path) -> str:
    file.write_bytes(template.read_bytes())
    return f"sqlite+aiosqlite:///{file}"


@pytest.fixture(scope="module")
async def every_vendor() -> AsyncIterator[Upstream]:
    async with Upstream() as vendor:
        yield vendor


@pytest.fixture
def vendor(every_vendor: Upstream) -> Upstream:
    """All vendors in one, with nothing scripted and nothing seen."""
    every_vendor.reset()
    return every_vendor


@pytest.fixture(scope="module")
async def patient(
    every_vendor: Upstream, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """As it is shipped."""
    async with serving(every_vendor, sqlite_template, tmp_path_factory.mktemp("patient")) as service:
        yield service


@pytest.fixture(scope="module")
async def hasty(
    every_vendor: Upstream, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """It waits for a vendor for tenths of seconds only, and pings meanwhile."""
    limits = {"first_token_timeout": 0.5, "chunk_timeout": 0.5, "ping_seconds": 0.1}
    async with serving(every_vendor, sqlite_template, tmp_path_factory.mktemp("hasty"), **limits) as service:
        yield service
