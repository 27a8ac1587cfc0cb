"""The app as its users have it: served by uvicorn on a loopback port, in the test's event loop or in a process."""

import asyncio
import json
import os
import signal
import socket
import ssl
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Self

import httpx
import uvicorn
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.bootstrap import House
from app.core.config import Settings
from app.core.errors import EmailTaken
from app.core.serving import Serving, serving
from app.domain.audit import Actor
from app.domain.identity import Role
from app.main import create_app
from app.server import server_config
from app.services.password_check import Proven
from tests.forks import Fork
from tests.ports import free_port
from tests.sse import Stream

AGENT = f"python-httpx/{httpx.__version__}"
PASSWORD = "correct horse 电池"
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients, none of which speaks TLS here: to read this machine's authorities costs each of them 15 ms."""
UNLIMITED: Mapping[str, str] = {
    **dict.fromkeys(("rate_limit_ai", "rate_limit_auth", "rate_limit_default", "login_failures"), ""),
    "password_memory_kib": "64",
}
"""Settings for tests that are not about limits, for all of them come from one address; nor about what a hash costs."""
DEAR_HASHES: Mapping[str, Any] = {"password_memory_kib": 19456}
"""As they are shipped, and have to be in production."""
_ROOT = Path(__file__).parent.parent


class Given(Settings):
    """Settings of which all that differs from the defaults is given: to look for the others in the environment took a
    third of the time in which an application starts.
    """

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def unlimited(environment: object) -> dict[str, Any]:
    """UNLIMITED as an ENVIRONMENT allows it."""
    return {**UNLIMITED, **(DEAR_HASHES if environment == "production" else {})}


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
        return await self.signed_up(name)

    async def signed_up(self, name: str = "alice") -> User:
        """A user who has registered, and signed in, as anybody does."""
        email = f"{name}@example.com"
        async with httpx.AsyncClient(base_url=self.url, timeout=20, trust_env=False, verify=PLAIN) as http:
            registered = await http.post("/auth/register", json={"email": email, "password": PASSWORD})
            assert registered.status_code in (201, 409), registered.text
            signed_in = await http.post("/auth/login", data={"username": email, "password": PASSWORD})
        assert signed_in.status_code == 200, signed_in.text
        return self._known(email, signed_in.json()["access_token"])

    def _known(self, email: str, token: str) -> User:
        user = User(self.url, token, email)
        self._users.append(user)
        return user

    async def _forget_users(self) -> None:
        for user in self._users:
            await user.http.aclose()


class Backend(Client):
    """In this event loop: `house` is what the routes work with."""

    _hashed: ClassVar[str] = ""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._app = create_app(settings)
        self._socket = socket.create_server(("127.0.0.1", 0))
        # Accepted sockets inherit it. The event loop sets it only where it has opened the socket itself; without it
        # each answer waits 40 ms for a delayed acknowledgement.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._server = _Server(server_config(self._app))

    @property
    def house(self) -> House:
        house: House = self._app.state.house
        return house

    async def user(self, name: str = "alice") -> User:
        """A new user, signed in: with the rows that `signed_up` leaves, but without its two requests and two hashes,
        which took more time than most tests. A password has been hashed once for all.
        """
        email = f"{name}@example.com"
        password_hash = await self._hash()
        token = serving.set(Serving(address="127.0.0.1"))
        try:
            user = await self.house.accounts.open(
                email=email, hashed=password_hash, name=None, role=Role.USER, actor=Actor.NOBODY
            )
            pair = await self.house.signin.begin(Proven(user, password_hash), user_agent=AGENT)
        except EmailTaken:
            return await self.signed_up(name)
        finally:
            serving.reset(token)
        assert pair is not None
        return self._known(email, pair.access_token)

    async def _hash(self) -> str:
        if not Backend._hashed:
            Backend._hashed = await self.house.passwords.hash(PASSWORD)
        return Backend._hashed

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        up = asyncio.create_task(self._server.up.wait())
        await asyncio.wait((up, self._task), timeout=20, return_when=asyncio.FIRST_COMPLETED)
        if up.cancel() and not self._task.done():
            raise TimeoutError("the server does not start")
        if self._task.done():
            self._task.result()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    def cut(self) -> None:
        """Break every connection, as a network does."""
        for connection in list(self._server.server_state.connections):
            if isinstance(connection, HttpToolsProtocol):
                connection.transport.abort()

    async def stop(self) -> None:
        """Shut down in order; another may then be served on the same database. Harmless when it has."""
        await self._forget_users()
        self._server.stop()
        await self._task


class _Server(uvicorn.Server):
    """uvicorn's, without its naps: it looks only every 0.1 s whether it is to stop, and then sleeps 0.1 s more.

    What it does is the same, and where a connection or a task outlives the first moment it goes uvicorn's own way.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()
        self._stop = asyncio.Event()

    def stop(self) -> None:
        self.should_exit = True
        self._stop.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    async def main_loop(self) -> None:
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += 1
            with suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await self._stop.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listening in (*self.servers, *(sockets or ())):
            listening.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        for _ in range(3):  # rounds of the loop, in which those that are idle close
            await asyncio.sleep(0)
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
        else:
            await self.lifespan.shutdown()


class Process(Client):
    """As an operator runs it, in a process that can be killed; `output` is all that it printed.

    It has not loaded the app by itself, which most tests are not about: see `Program`.
    """

    def __init__(self, data_dir: Path, database_url: str, **environment: str) -> None:
        super().__init__()
        port = free_port()
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
            **{name.upper(): str(value) for name, value in unlimited(environment.get("ENVIRONMENT")).items()},
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
        self._process = await self._begin()
        self._reader = asyncio.create_task(self._read())
        if ready:
            await self.wait_ready()

    async def wait_ready(self, *, within: float = 120.0) -> None:
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
        """The structured lines of the output, as far as they are there to the end."""
        whole, _, _ = self.output.rpartition(b"\n")
        return [json.loads(line) for line in whole.splitlines() if line.startswith(b"{")]

    async def _begin(self) -> asyncio.subprocess.Process | Fork:
        if sys.platform != "linux" or self.environment["PYTHONPATH"] != str(_ROOT):  # then something else is loaded
            return await _command(self.environment)
        return await Fork.begin(self.environment)

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while chunk := await self._process.stdout.read(65536):
            self.output += chunk


class Program(Process):
    """From the command on: `python -m app.main`, in a new interpreter that loads all by itself."""

    async def _begin(self) -> asyncio.subprocess.Process:
        return await _command(self.environment)


async def _command(environment: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app.main",
        cwd=tempfile.gettempdir(),  # not here, where a developer may have a .env
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
