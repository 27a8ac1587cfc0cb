"""Whatever is sent, as whomever: no 5xx, nothing undocumented, and all is well afterwards.

FUZZ_SEED makes another run than the usual one, which is always the same; FUZZ_EXAMPLES, how many requests for each
operation beside those that follow from the description. With either of them everybody asks on each database; else
the user, who comes everywhere, on the servers, and the others on SQLite. What schemathesis says is the message of a
failure.
"""

import asyncio
import os
import sys
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.database import database_url as parse_url
from app.domain.chat import Status
from app.models.chat import messages
from tests.backend import PASSWORD, Process
from tests.upstream import Upstream

ADMIN = "admin@example.com"
SEED = os.environ.get("FUZZ_SEED", "20261121")
EXAMPLES = os.environ.get("FUZZ_EXAMPLES", "10")
THOROUGH = {"FUZZ_SEED", "FUZZ_EXAMPLES"} & os.environ.keys()
# At once, and then: the administrator alone, who may delete the user; and only where they can do more than the user.
ROLES = (("anonymous", "user"), ("admin",))
_HERE = Path(__file__).parent


@pytest.fixture(params=["sqlite", "postgresql", *(["mariadb"] if THOROUGH else [])])
def database_kind(request: pytest.FixtureRequest) -> str:
    """In the usual run not all of them: the same requests take minutes of a core on each."""
    kind: str = request.param
    return kind


async def test_nothing_that_is_sent_breaks_anything(
    database_kind: str, database_url: str, upstream: Upstream, tmp_path: Path
) -> None:
    settings = {
        "OPENAI_API_KEY": "sk-loopback-key",
        "OPENAI_BASE_URL": f"{upstream.url}/v1",
        "DEFAULT_MODEL": "openai/echo",
        "FIRST_ADMIN_EMAIL": ADMIN,
        "FIRST_ADMIN_PASSWORD": PASSWORD,
    }
    async with Process(tmp_path, database_url, **settings) as process:
        found: list[str] = []
        for roles in ROLES:
            asking = [role for role in roles if THOROUGH or (role == "user") == (database_kind != "sqlite")]
            found += await asyncio.gather(*(_fuzz(process.url, role, tmp_path) for role in asking))
        if any(found):
            pytest.fail("\n\n".join(filter(None, found)), pytrace=False)
        async with httpx.AsyncClient(base_url=process.url, trust_env=False) as http:
            assert (await http.get("/health")).status_code == 200
            assert (await http.get("/ready")).json()["status"] == "ready"
        assert await _streaming(database_url) == 0
        bad = [line for line in process.log if line["level"] in ("error", "critical")]
        assert not bad, bad[:3]


async def _fuzz(url: str, role: str, folder: Path) -> str:
    """What is wrong, in schemathesis' words; nothing where all is right."""
    # In a process of its own: it has ways of its own with warnings, threads and what it leaves on the disk.
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(_HERE / "schemathesis.toml")),
        *("run", f"{url}/openapi.json", "--seed", SEED, "--max-examples", EXAMPLES),
        *(("--include-path-regex", "^/(users|admin)") if role == "admin" else ()),
        cwd=folder,
        env={
            **os.environ,
            "FUZZ_HOOKS": str(_HERE / "hooks.py"),
            "FUZZ_ROLE": role,
            "FUZZ_URL": url,
            "FUZZ_ADMIN": ADMIN,
            "FUZZ_PASSWORD": PASSWORD,
        },
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await run.communicate()
    return f"As {role}:\n{said.decode()}" if run.returncode else ""


async def _streaming(database_url: str) -> int:
    engine = create_async_engine(parse_url(database_url), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            waiting = select(func.count()).select_from(messages).where(messages.c.status == Status.STREAMING)
            found: int = (await connection.execute(waiting)).scalar_one()
    finally:
        await engine.dispose()
    return found
