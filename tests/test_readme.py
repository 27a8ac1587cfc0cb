"""The README's own commands, run as a stranger would run them."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.backend import Process
from tests.sse import Stream

_ROOT = Path(__file__).parent.parent
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@pytest.fixture
async def offline(tmp_path: Path) -> AsyncIterator[Process]:
    """A first start without any key."""
    async with Process(tmp_path, f"sqlite+aiosqlite:///{tmp_path / 'app.db'}") as process:
        yield process


def _shell(readme: str, *having: str) -> list[str]:
    """The shell blocks that talk to a running server, by what each alone has."""
    text = (_ROOT / readme).read_text(encoding="utf-8")
    blocks = [block for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) if "curl" in block]
    return [next(block for block in blocks if each in block) for each in having]


async def _bash(script: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        "bash", "-euc", script, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(30):
        output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output


@needs_curl
@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
async def test_the_commands_of_the_readme_register_stream_resume_and_measure(readme: str, offline: Process) -> None:
    blocks = _shell(readme, "/auth/register", "GENERATION=", "/metrics")
    ask, resume, scrape = (block.replace("http://localhost:8000", offline.url) for block in blocks)
    marked = "echo; echo ---; "

    output = await _bash(f"{ask}\n{marked}")
    asked = Stream.of(output[output.index(b"event: start") : output.index(b"---")])
    variables = "\n".join(line for line in ask.split("\n\n") if line.startswith("TOKEN="))
    resume = re.sub(r"GENERATION=\S+", f"GENERATION={asked.start['generation_id']}", resume)
    resumed = Stream.of(await _bash(f"{variables}\n{resume}"))
    scraped = await _bash(scrape)

    assert asked.done["status"] == "complete"
    assert "OPENAI_API_KEY" in asked.text
    assert resumed.events[0].json["seq"] == 13
    assert [event.data for event in resumed.events] == [event.data for event in asked.events[12:]]
    assert b'ai_generations_ended_total{code="none",provider="offline",status="complete"} 1.0' in scraped


@needs_curl
@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
async def test_the_commands_of_the_readme_make_an_api_key_and_use_it_through_either_header_and_at_each_door(
    readme: str, offline: Process
) -> None:
    by_header, at_doors = _shell(readme, "X-API-Key", "/v1/messages")
    commands = "\n".join((*_shell(readme, "/auth/register"), f"({by_header}) &", f"({at_doors}) &", "wait"))

    output = await _bash(commands.replace("http://localhost:8000", offline.url))

    assert b'"id":"offline/responder"' in output
    assert b'"status":"complete"' in output
    assert b"data: [DONE]" in output  # OpenAI's words, and then Anthropic's, Ollama's, and both SDKs' at once
    assert b'"stop_reason":"end_turn"' in output
    assert b'"done":true,"done_reason":"stop"' in output
    assert b'"has_more":false' in output
