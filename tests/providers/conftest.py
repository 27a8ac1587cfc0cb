"""The loopback vendors, and the adapters under test pointed at them."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from app.domain.providers import Provider
from app.providers.openai.adapter import OpenAIProvider
from tests.providers.adapters import ADAPTERS, Adapter
from tests.providers.loopback import Loopback
from tests.upstream import Upstream


@pytest.fixture
async def vendor() -> AsyncIterator[Loopback]:
    vendor = Loopback()
    server = await asyncio.start_server(vendor.serve, "127.0.0.1", 0)
    vendor.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    yield vendor
    vendor.close()
    server.close()
    await server.wait_closed()


@pytest.fixture
async def provider(vendor: Loopback) -> AsyncIterator[OpenAIProvider]:
    provider = OpenAIProvider("openai", api_key=SecretStr("sk-test"), base_url=vendor.url, connect_timeout=5)
    yield provider
    await provider.aclose()


@pytest.fixture(params=ADAPTERS, ids=lambda adapter: adapter.id)
def adapter(request: pytest.FixtureRequest) -> Adapter:
    """Each in turn; `adapted` is it at work."""
    adapter: Adapter = request.param
    return adapter


@pytest.fixture
async def adapted(adapter: Adapter, upstream: Upstream) -> AsyncIterator[Provider]:
    provider = adapter.make(upstream.url)
    yield provider
    await provider.aclose()
