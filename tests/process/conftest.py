"""Processes of the app on the test's database, with the loopback vendor as OpenAI."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.backend import Process
from tests.upstream import Upstream

Launch = Callable[..., Awaitable[Process]]


@pytest.fixture
async def launch(database_url: str, upstream: Upstream, tmp_path: Path) -> AsyncIterator[Launch]:
    """Starts a process and waits until it is ready; environment variables by keyword, in lower case.

    Several share the data directory and with it the secret key, as instances of one service do.
    """
    async with AsyncExitStack() as stack:

        async def launch(**environment: str) -> Process:
            values = {
                "openai_api_key": "sk-loopback-key",
                "openai_base_url": f"{upstream.url}/v1",
                "default_model": "openai/echo",
                **environment,
            }
            process = Process(tmp_path, database_url, **{name.upper(): value for name, value in values.items()})
            return await stack.enter_async_context(process)

        yield launch
