"""Workers that cannot work are told why, in one line, and so are those who would send them jobs."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.core.config import Settings
from tests.backend import Process
from tests.jobs.worker import WORKER, Worker

DATABASE = "postgresql://app:canary@127.0.0.1:1/app"
REDIS = "redis://:canary@127.0.0.1:1/0"
WEB = (sys.executable, "-m", "app.main")
CELERYS_OWN = (str(Path(sys.executable).parent / "celery"), "-A", "app.worker", "worker")


async def refused(folder: Path, *command: str, **environment: str) -> str:
    """The last line that it prints and exits with."""
    given = {"JOBS": "celery", "REDIS_URL": REDIS, **environment}
    process = Worker(Process(folder, DATABASE, **given).environment, command)
    await process.start()
    assert await process.exited() == 2, process.output.decode()
    assert b"canary" not in process.output
    assert b"Traceback" not in process.output, process.output.decode()
    return process.output.decode().splitlines()[-1]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, {"DATABASE_URL", "REDIS_URL"}),
        ({"redis_url": REDIS}, {"DATABASE_URL"}),
        ({"database_url": DATABASE}, {"REDIS_URL"}),
    ],
    ids=["nothing is shared", "a file", "no Redis"],
)
def test_workers_need_servers_and_are_told_which_setting_is_missing(given: dict[str, str], named: set[str]) -> None:
    with pytest.raises(ValidationError) as refusal:
        Settings(_env_file=None, jobs="celery", **given)  # type: ignore[arg-type]  # as the environment gives them

    said = refusal.value.errors()[0]["msg"]
    assert "JOBS" in said
    assert {name for name in ("DATABASE_URL", "REDIS_URL") if name in said} == named


def test_with_both_there_is_nothing_to_say() -> None:
    assert Settings(_env_file=None, jobs="celery", database_url=DATABASE, redis_url=REDIS).jobs == "celery"


@pytest.mark.parametrize("command", [WORKER, CELERYS_OWN], ids=["ours", "Celery's own"])
async def test_a_worker_where_the_process_that_serves_reads_documents_has_nothing_to_do(
    command: Sequence[str], tmp_path: Path
) -> None:
    assert (await refused(tmp_path, *command, JOBS="")).startswith("JOBS: ")


async def test_an_installation_without_celery_is_told_how_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "celery.py").write_text("raise ImportError('there is none here')")
    path = f"{tmp_path}:{Process(tmp_path, DATABASE).environment['PYTHONPATH']}"

    for said in await asyncio.gather(*(refused(tmp_path, *command, PYTHONPATH=path) for command in (WEB, WORKER))):
        assert 'pip install ".[celery]"' in said


async def test_processes_in_place_of_threads_are_refused(tmp_path: Path) -> None:
    assert (await refused(tmp_path, *CELERYS_OWN, "--pool", "processes")).startswith("--pool: ")
