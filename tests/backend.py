"""The app as its users have it: served by uvicorn on a loopback port, in the test's event loop or in a process."""

import asyncio
import json
import os
import signal
import socket
import ssl
import sys
import tempfile
from pathlib import Path
from typing import Any, Self

import httpx
import uvicorn

from app.bootstrap import House
from app.core.config import Settings
from app.main import create_app
from app.server import server_config
from tests.sse import Stream

PASSWORD = "correct horse 电池"
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients, none of which speaks TLS here: to read this machine's authorities costs each of them 15 ms."""
UNLIMITED = dict.fromkeys(("rate_limit_ai", "rate_limit_auth", "rate_limit_default", "login_failures"), "")
"""Settings for tests that are not about limits: all of them come from one address."""
_ROOT = Path(__file__).parent.parent


class User:
    """A signed-in user's client, with the calls that most tests make."""

    def __init__(self, base_url: str, token: str, email: str) -> None:
        self.email = email
        self.token = token
        self.http = httpx.AsyncClient(
            base_url=base_url, headers={"Authorization": f"Bearer {token}"}, timeout=20, trust_env=False, verify=PLAIN
        )

    async def chat(self, message: str, /, *, headers: dict[str, str] | None = None, **body: Any) -> Stream:
        """Post a message and read the whole stream."""
        response = await self.http.post("/ai/chat/stream", json={"message": message, **body}, headers=headers)
        assert response.status_code == 200, response.text
        return Stream.of(response.content)

    async def messages(self, conversation_id: str) -> list[dict[str, Any]]:
        response = await self.http.get(f"/conversations/{conversation_id}/messages")
        assert response.status_code == 200, response.text
        items: list[dict[str, Any]] = response.json()["items"]
        return items

    async def answer(self, conversation_id: str, *, within: float = 10.0) -> dict[str, Any]:
        """The newest message, once it is written."""
        async with asyncio.timeout(within):
            while (message := (await self.messages(conversation_id))[-1])["status"] == "streaming":
                await asyncio.sleep(0.02)
        return message


class Client:
    """What both ways of serving have in common."""

    url: str

    def __init__(self) -> None:
        self._users: list[User] = []

    async def user(self, name: str = "alice") -> User:
        """A new user, signed in."""
        email = f"{name}@example.com"
        async with httpx.AsyncClient(base_url=self.url, timeout=20, trust_env=False, verify=PLAIN) as http:
            registered = await http.post("/auth/register", json={"email": email, "password": PASSWORD})
            assert registered.status_code in (201, 409), registered.text
            signed_in = await http.post("/auth/login", data={"username": email, "password": PASSWORD})
        assert signed_in.status_code == 200, signed_in.text
        user = User(self.url, signed_in.json()["access_token"], email)
        self._users.append(user)
        return user

    async def _forget_users(self) -> None:
        for user in self._users:
            await user.http.aclose()


class Backend(Client):
    """In this event loop: `house` is what the routes work with."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._app = create_app(settings)
        self._socket = socket.create_server(("127.0.0.1", 0))
        # Accepted sockets inherit it. The event loop sets it only where it has opened the socket itself; without it
        # each answer waits 40 ms for a delayed acknowledgement.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._server = uvicorn.Server(server_config(self._app))

    @property
    def house(self) -> House:
        house: House = self._app.state.house
        return house

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        async with asyncio.timeout(20):
            while not self._server.started:
                if self._task.done():
                    self._task.result()
                await asyncio.sleep(0.01)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Shut down in order; another may then be served on the same database. Harmless when it has."""
        await self._forget_users()
        self._server.should_exit = True
        await self._task


class Process(Client):
    """As an operator runs it: `python -m app.main`, which can be killed. `output` is all that it printed."""

    def __init__(self, data_dir: Path, database_url: str, **environment: str) -> None:
        super().__init__()
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.output = b""
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(_ROOT),
            "PYTHONSAFEPATH": "1",
            "PORT": str(port),
            "DATA_DIR": str(data_dir),
            "DATABASE_URL": database_url,
            "OLLAMA_DISCOVERY": "false",  # a developer's own would disturb
            **{name.upper(): value for name, value in UNLIMITED.items()},
            **environment,
        }

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._forget_users()
        if self._process.returncode is None:
            self._process.kill()
        await self.exited()

    async def start(self, *, ready: bool = True) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "app.main",
            cwd=tempfile.gettempdir(),  # not here, where a developer may have a .env
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._reader = asyncio.create_task(self._read())
        if ready:
            await self.wait_ready()

    async def wait_ready(self, *, within: float = 30.0) -> None:
        async with asyncio.timeout(within), httpx.AsyncClient(trust_env=False, verify=PLAIN) as http:
            while True:
                try:
                    if (await http.get(f"{self.url}/ready")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                assert self._process.returncode is None, self.output.decode()
                await asyncio.sleep(0.05)

    @property
    def pid(self) -> int:
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def exited(self, *, within: float = 30.0) -> int:
        async with asyncio.timeout(within):
            code = await self._process.wait()
            await self._reader
        return code

    @property
    def log(self) -> list[dict[str, Any]]:
        """The structured lines of the output."""
        return [json.loads(line) for line in self.output.splitlines() if line.startswith(b"{")]

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while chunk := await self._process.stdout.read(65536):
            self.output += chunk
