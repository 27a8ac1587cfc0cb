"""The command `llm`, told of this server in its own list of models."""

import json
import sqlite3
import sys
from asyncio.subprocess import Process
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path

import pytest

from tests.doors.conftest import Service
from tests.doors.programs import running
from tests.upstream import Upstream
from tests.upstream.scenarios import Answer

CLAUDE = "anthropic/claude-sonnet-4-6"


@pytest.fixture
def settings(patient: Service, tmp_path: Path) -> Path:
    """The folder that it has its models, its keys and its log in. JSON is YAML, too."""
    known = {"api_base": f"{patient.backend.url}/v1", "model_name": CLAUDE}
    models = [{**known, "model_id": name, "api_key_name": name} for name in ("house", "stranger")]
    (tmp_path / "extra-openai-models.yaml").write_text(json.dumps(models))
    (tmp_path / "keys.json").write_text(json.dumps({"house": patient.alice.token, "stranger": "sk-wrong"}))
    return tmp_path


def asking(settings: Path, model: str, question: str) -> AbstractAsyncContextManager[Process]:
    environment = {"LLM_USER_PATH": str(settings), "LLM_LOAD_PLUGINS": "", "HOME": str(settings)}
    return running(*(sys.executable, "-m", "llm", "-m", model, question), env=environment, cwd=settings)


def logged(settings: Path) -> list[tuple[str, int, int]]:
    with closing(sqlite3.connect(settings / "logs.db")) as database:
        return database.execute("select model, input_tokens, output_tokens from turns").fetchall()


async def test_it_prints_an_answer_as_it_is_written_and_logs_what_was_used(settings: Path, vendor: Upstream) -> None:
    vendor.script(Answer(("Hel", "lo, 世界", " 🙂"), usage=(9, 3), hold=True))
    async with asking(settings, "house", "Hello") as program:
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.close()  # it would take more of the question from there
        call = await vendor.requested(within=100)
        await vendor.release(request=call)
        assert await program.stdout.readexactly(3) == b"Hel"
        await vendor.finish(request=call)
        rest, errors = await program.communicate()
    assert (program.returncode, rest.decode()) == (0, "lo, 世界 🙂\n"), errors.decode()
    assert (call.body["model"], call.body["messages"][-1]["content"]) == ("claude-sonnet-4-6", "Hello")
    assert logged(settings) == [("house", 9, 3)]


async def test_it_shows_why_a_key_is_refused(settings: Path, vendor: Upstream) -> None:
    async with asking(settings, "stranger", "Hello") as program:
        said, errors = await program.communicate(b"")
    assert (program.returncode, said) == (1, b"")
    assert "Valid credentials are required." in errors.decode()
    assert not vendor.calls
