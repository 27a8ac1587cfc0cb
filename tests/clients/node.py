"""Node, and what was installed for it."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
PACKAGES = HERE / "node_modules"


def need_packages() -> None:
    """Skip the test where there is no Node, or where `make test` has not installed its packages."""
    if shutil.which("node") is None:
        pytest.skip("not installed: node (on Debian: apt install nodejs npm)")
    if not PACKAGES.is_dir():
        pytest.skip("not installed: tests/clients/node_modules (make test does, where there is npm)")


class Told:
    """What each case of a file has found."""

    def __init__(self, cases: dict[str, dict[str, Any]]) -> None:
        self._cases = cases

    def __call__(self, case: str) -> Any:
        told = self._cases[case]
        assert "found" in told, told["threw"]
        return told["found"]


async def cases(file: str, **given: Any) -> Told:
    """Run a file of cases to its end."""
    output = await run("node", file, said=json.dumps(given))
    return Told(json.loads(output.splitlines()[-1]))


async def run(*command: str, said: str = "", within: float = 60.0) -> str:
    """What a program in this folder prints."""
    program = await asyncio.create_subprocess_exec(
        *command,
        cwd=HERE,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(within):
            output, errors = await program.communicate(said.encode())
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
    assert program.returncode == 0, errors.decode()
    return output.decode()
