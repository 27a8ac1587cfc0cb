"""A headless Chromium, driven by the WebDriver protocol: JSON over HTTP to chromedriver."""

import asyncio
import json
import re
import shutil
from pathlib import Path
from typing import Any, Self

import httpx

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key that the standard gives a reference to an element


def missing() -> list[str]:
    """The programs that this machine lacks."""
    return [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]


class Browser:
    """One window. Its profile is a new, empty folder."""

    def __init__(self, profile: Path) -> None:
        self._profile = profile

    async def __aenter__(self) -> Self:
        self._driver = await asyncio.create_subprocess_exec(
            "chromedriver", "--port=0", stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(30):
                port = await self._port()
            self._http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False)
            await self._open()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        try:
            await self._call("DELETE", "")
            await self._http.aclose()
        finally:
            await self._end()

    async def go(self, url: str) -> None:
        await self._call("POST", "/url", url=url)

    async def run(self, script: str, *arguments: Any) -> Any:
        """The body of a function, with `arguments`; a promise that it returns is waited for."""
        return await self._call("POST", "/execute/sync", script=script, args=list(arguments))

    async def until(self, expression: str, *, within: float = 30.0) -> Any:
        """Wait until an expression is true in the page, and answer its value."""
        try:
            async with asyncio.timeout(within):
                while not (value := await self.run(f"return {expression}")):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise TimeoutError(f"not within {within} s: {expression}; console: {await self.console()}") from None
        return value

    async def click(self, selector: str) -> None:
        """Click what the selector finds, once it is there, in view or not."""
        await self.until(f"document.querySelector({json.dumps(selector)})")
        await self.run("document.querySelector(arguments[0]).click()", selector)

    async def type(self, selector: str, text: str) -> None:
        await self.until(f"document.querySelector({json.dumps(selector)})")
        found = await self._call("POST", "/element", using="css selector", value=selector)
        await self._call("POST", f"/element/{found[_ELEMENT]}/value", text=text)

    async def console(self) -> list[str]:
        """The errors in the console since this was last asked: exceptions, refused content, failed requests."""
        entries = await self._call("POST", "/se/log", type="browser")
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    async def cookies(self) -> list[dict[str, Any]]:
        """Those of the page's site, also the ones that its scripts cannot read."""
        found: list[dict[str, Any]] = await self._call("GET", "/cookie")
        return found

    async def expire(self, cookie: str) -> None:
        """Let go of a cookie, as the browser does when its time has come."""
        await self._call("DELETE", f"/cookie/{cookie}")

    async def forget(self) -> None:
        """Leave the page and its cookies."""
        await self._call("DELETE", "/cookie")
        await self.go("about:blank")
        await self.console()

    async def _port(self) -> int:
        assert self._driver.stdout is not None
        while line := await self._driver.stdout.readline():
            if started := re.search(rb"started successfully on port (\d+)", line):
                return int(started[1])
        raise RuntimeError("chromedriver did not start")

    async def _open(self) -> None:
        options = {"binary": shutil.which("chromium"), "args": [*FLAGS, f"--user-data-dir={self._profile}"]}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        answer = await self._http.post("/session", json={"capabilities": {"alwaysMatch": wanted}})
        assert answer.status_code == 200, answer.text
        self._session = f"/session/{answer.json()['value']['sessionId']}"

    async def _call(self, method: str, path: str, **body: Any) -> Any:
        answer = await self._http.request(method, self._session + path, json=body if method == "POST" else None)
        assert answer.status_code == 200, answer.text
        return answer.json()["value"]

    async def _end(self) -> None:
        if self._driver.returncode is None:
            self._driver.terminate()
        await self._driver.communicate()
