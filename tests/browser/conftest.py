"""The browser, one for each file of tests."""

from collections.abc import AsyncIterator

import pytest

from tests.backend import Backend
from tests.browser import webdriver
from tests.browser.webdriver import Browser


@pytest.fixture(scope="module")
async def chromium(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    if missing := webdriver.missing():
        pytest.skip(f"not installed: {', '.join(missing)} (on Debian: apt install chromium chromium-driver)")
    async with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
async def browser(chromium: Browser, backend: Backend) -> AsyncIterator[Browser]:
    """On the API reference, signed out."""
    await chromium.go(f"{backend.url}/docs")
    yield chromium
    await chromium.forget()
