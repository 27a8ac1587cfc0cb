"""Whom a running server takes for its client, in the log that operators read."""

import signal
from pathlib import Path

import httpx

from tests.backend import PLAIN, Process
from tests.process.conftest import Launch
from tests.process.test_start import refusal

TOLD = {"X-Forwarded-For": "198.51.100.1, 203.0.113.7", "X-Forwarded-Proto": "https", "X-Real-IP": "198.51.100.1"}


async def clients(process: Process) -> list[str]:
    async with httpx.AsyncClient(base_url=process.url, trust_env=False, verify=PLAIN) as http:
        for headers in (TOLD, TOLD | {"Fly-Client-IP": "203.0.113.8"}):
            await http.get("/docs", headers=headers)
    process.signal(signal.SIGTERM)
    await process.exited()  # all of its log is there
    return sorted(entry["client"] for entry in process.log if entry.get("path") == "/docs")  # each at its end


async def test_nobody_names_another_client_by_default(launch: Launch) -> None:
    # uvicorn would take the word of whoever connects from this host, or of those whom this variable names.
    assert await clients(await launch(forwarded_allow_ips="*")) == ["127.0.0.1", "127.0.0.1"]


async def test_a_trusted_proxy_names_the_client(launch: Launch) -> None:
    assert await clients(await launch(trusted_proxies="127.0.0.1")) == ["203.0.113.7", "203.0.113.8"]


async def test_proxies_that_cannot_be_ones_are_refused_at_the_start(tmp_path: Path) -> None:
    (line,) = (await refusal(tmp_path, TRUSTED_PROXIES="127.0.0.1, 10.0.0.1/8")).splitlines()

    assert line.startswith("TRUSTED_PROXIES")
    assert "172.16.0.0/12" in line
