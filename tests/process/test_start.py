"""What an operator sees of a start: where to go, who may sign in, or in one line why not; and what the log tells."""

import asyncio
import json
import re
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.bootstrap import build
from app.core.config import Settings, StartRefused
from tests.backend import PASSWORD, PLAIN, Process, Program
from tests.process.conftest import Launch
from tests.upstream import Answer, Page, Refuse, Upstream

STRONG_KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0" * 2


async def signed_in(url: str, email: str, password: str) -> Any:
    """The user whose address and password these are."""
    async with httpx.AsyncClient(base_url=url, trust_env=False, verify=PLAIN) as http:
        answer = await http.post("/auth/login", data={"username": email, "password": password})
        assert answer.status_code == 200, answer.text
        bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        return (await http.get("/users/me", headers=bearer)).json()


async def refusal(data_dir: Path, **environment: str) -> str:
    """All that a process prints that does not start."""
    settings = {"DATABASE_URL": f"sqlite:///{data_dir}/app.db", **environment}
    process = Process(data_dir, settings.pop("DATABASE_URL"), **settings)
    await process.start(ready=False)
    assert await process.exited() == 2, process.output.decode()
    assert b"Traceback" not in process.output, process.output.decode()
    return process.output.decode()


async def test_the_first_start_says_where_to_go_and_once_who_is_the_administrator(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with Program(data, f"sqlite:///{tmp_path}/deeper/app.db") as process:
        said = process.output.decode()
        page = re.search(r"http://localhost:(\d+)/docs", said)
        assert page is not None, said
        assert process.url.endswith(f":{page[1]}"), "PORT is where it serves"
        async with httpx.AsyncClient(trust_env=False, verify=PLAIN) as http:
            assert (await http.get(page[0])).status_code == 200
        shown = re.search(r"e-mail +(\S+)\n +password +(\S+)\n", said)
        assert shown is not None, said
        email, password = shown.groups()
        assert (await signed_in(process.url, email, password))["role"] == "admin"
        assert password not in json.dumps(process.log)
        assert (data / "secret_key").stat().st_mode & 0o077 == 0

        process.output = b""
        process.signal(signal.SIGTERM)
        await process.exited()
        await process.start()

        said = process.output.decode()
        assert "/docs" in said
        assert "password" not in said
        assert (await signed_in(process.url, email, password))["role"] == "admin"


@pytest.mark.parametrize("fault", [{}, {"PORT": "none"}], ids=["to the end", "refused"])
async def test_what_most_tests_start_does_as_the_command_does(fault: dict[str, str], tmp_path: Path) -> None:
    lives = []
    settings = {"WATCHDOG_SECONDS": "60", **fault}
    for way in (Process, Program):
        process = way(tmp_path / way.__name__, f"sqlite:///{tmp_path}/{way.__name__}.db", **settings)
        await process.start(ready=not fault)
        try:
            if not fault:
                await process.signed_up()
                process.signal(signal.SIGTERM)
            code = await process.exited()
        finally:
            await process.__aexit__()
        unlike = re.compile(
            rf'"(time|request_id|ms|duration\w*)": [^,}}]+|password +\S+|{way.__name__}|process \[\d+\]|localhost:\d+'
        )
        lines = unlike.sub("", process.output.decode()).splitlines()
        lives.append((code, [line for line in lines if "Waiting for connections to close" not in line]))

    assert lives[0] == lives[1]


async def test_a_second_process_on_the_same_file_refuses_to_start(
    launch: Launch, database_url: str, tmp_path: Path
) -> None:
    first = await launch()

    said = await refusal(tmp_path, DATABASE_URL=database_url)

    (line,) = said.splitlines()
    assert "SQLite" in line
    assert "DATABASE_URL" in line
    await first.wait_ready()
    await first.user()


async def test_a_port_that_is_taken_is_said_before_anything_is_begun(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = await refusal(tmp_path, PORT=str(taken.getsockname()[1]))

    (line,) = said.splitlines()
    assert line.startswith("PORT: 127.0.0.1:")


async def test_an_administrator_is_made_from_the_shell_before_the_first_start(tmp_path: Path) -> None:
    process = Process(tmp_path, f"sqlite:///{tmp_path}/data/app.db", LOG_LEVEL="warning")
    made = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app.cli",
        "create-admin",
        "ada@example.com",
        env=process.environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        said, _ = await made.communicate(f"{PASSWORD}\n".encode())
    assert (made.returncode, said.decode()) == (0, "ada@example.com is an administrator now.\n")

    async with process:
        assert (await signed_in(process.url, "ada@example.com", PASSWORD))["role"] == "admin"
        assert b"shown once" not in process.output


async def test_production_refuses_a_key_that_is_missing_short_or_a_placeholder(tmp_path: Path) -> None:
    keys = [{}, {"SECRET_KEY": "canary-change-me-" * 3}, {"SECRET_KEY": "canary-short"}]

    for said in await asyncio.gather(*(refusal(tmp_path, ENVIRONMENT="production", **key) for key in keys)):
        (line,) = said.splitlines()
        assert line.startswith("SECRET_KEY ")
        assert "openssl rand" in line
        assert "canary" not in line


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("DATABASE_URL", {"database_url": "postgresql://app:canary@host:port/name"}),
        ("DATABASE_URL", {"database_url": "canary"}),
        ("FIRST_ADMIN_EMAIL", {"first_admin_email": "nobody", "first_admin_password": "canary-password"}),
        ("FIRST_ADMIN_PASSWORD", {"first_admin_password": "canary"}),
        ("DATA_DIR", {"data_dir": __file__}),
    ],
)
def test_what_cannot_be_used_is_refused_by_name_and_without_secrets(
    name: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(StartRefused) as refused:
        build(Settings(_env_file=None, **({"data_dir": tmp_path} | settings)))

    assert str(refused.value).startswith(name)
    assert "canary" not in str(refused.value)


async def test_in_production_the_administrator_is_the_one_that_is_set(tmp_path: Path) -> None:
    admin = ("chief@example.com", "canary-of-the-first-admin")
    settings = {
        "ENVIRONMENT": "production",
        "SECRET_KEY": STRONG_KEY,
        "FIRST_ADMIN_EMAIL": admin[0],
        "FIRST_ADMIN_PASSWORD": admin[1],
    }
    async with Process(tmp_path, f"sqlite:///{tmp_path}/app.db", **settings) as process:
        assert (await signed_in(process.url, *admin))["role"] == "admin"
        assert not (tmp_path / "secret_key").exists()
    assert admin[1] not in process.output.decode()
    assert STRONG_KEY not in process.output.decode()


async def test_the_log_is_json_and_holds_nothing_that_users_wrote(launch: Launch, upstream: Upstream) -> None:
    upstream.script(
        [
            Answer(("canary-answer",)),
            Refuse(500, message="canary-vendor"),
            Refuse(400, message="canary-vendor"),
            Page(b"<html>canary-vendor</html>"),
            Answer(("canary-answer",)),
        ]
    )
    process = await launch(log_level="debug", first_admin_password="canary-first-admin", openai_api_key="sk-canary-key")
    alice = await process.user("canary-address")
    for _ in range(4):
        await alice.chat("canary-message", system_prompt="canary-prompt")
    await alice.http.get("/ai/chat/stream", params={"message": "canary-query"})
    await alice.http.get("/conversations", params={"cursor": "canary-cursor", "token": "canary-token"})
    await alice.http.post("/ai/chat/stream", content=b'{"message": "canary-body')
    await alice.http.post("/ai/chat", json={"message": 1, "canary-field": "canary-value"})
    await alice.http.get("/users/me", headers={"Authorization": "Bearer canary-bearer", "Cookie": "session=canary"})
    wrong = {"username": "canary-name@example.com", "password": "canary-password"}
    await alice.http.post("/auth/login", data=wrong)
    process.signal(signal.SIGTERM)
    await process.exited()

    banner = re.compile(rb"\n  The first administrator was made.*?\n\n|\n  AI Backend .*?\n\n", re.DOTALL)
    lines = banner.sub(b"", process.output).splitlines()
    assert len(lines) > 15
    for entry in map(json.loads, lines):
        assert entry.keys() >= {"time", "level", "logger", "message"}
    requests = [entry for entry in process.log if entry["message"] == "request"]
    assert {"POST", "GET"} <= {entry["method"] for entry in requests}
    assert all(entry["request_id"] for entry in requests)
    assert "/ai/chat/stream" in {entry["path"] for entry in requests}
    for secret in ("canary", alice.token, PASSWORD, "Bearer"):
        assert secret not in process.output.decode(), secret
