"""The image, built by the Dockerfile's own steps into a folder, and run from there as its user.

What this leaves to a container engine: the base image, whose Python is another here unless the machine has the same,
and making the user, whose folder is made by hand.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from tests.deployment.dockerfile import Copy, Run, Stage
from tests.deployment.dockerignore import DockerIgnore

_SYSTEM = "/usr/local/bin:/usr/bin:/bin"
_MAKES_USER = "useradd"


class Image:
    """`folder` stands for `/`: what the image knows by an absolute path of its own is there."""

    def __init__(self, stages: Mapping[str, Stage], ignored: DockerIgnore, context: Path, folder: Path) -> None:
        self._stages = stages
        self._ignored = ignored
        self._context = context
        self._folder = folder
        self._stage = stages[""]
        self._owned = ("/opt/venv", self._stage.environment["DATA_DIR"])
        self.data = self._at(self._stage.environment["DATA_DIR"])
        self.workdir = self._at(self._stage.workdir)
        self.user: int | None = None
        """Who runs it; None: we, for we are nobody special, or nobody else can run any Python here."""

    def build(self) -> None:
        python = _python_for(self._stage.base, self._number)
        tools = self._folder / "tools"
        tools.mkdir()
        _shim(tools / "python", f'exec {python} "$@"')
        _shim(tools / "pip", f'exec {sys.executable} -m pip "$@"')
        for name, stage in self._stages.items():
            for step in stage.steps:
                self._take(step, tools, name)
        self.data.mkdir(mode=0o700)
        if _runs(self._at("/opt/venv/bin/python"), self._number):
            self.user = self._number
            os.chown(self.data, self.user, self.user)

    def start(self, command: Sequence[str], **environment: str) -> subprocess.Popen[bytes]:
        """A command in the image's environment, and in nothing of ours."""
        known = {name: self._here(value) for name, value in self._stage.environment.items()} | environment
        known["PATH"] = known["PATH"].replace("$PATH", _SYSTEM)
        return subprocess.Popen(
            [shutil.which(command[0], path=known["PATH"]) or command[0], *command[1:]],
            cwd=self.workdir,
            env=known,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            umask=0o022,
            **_as(self.user),
        )

    def run(self, command: Sequence[str], **environment: str) -> tuple[int, str]:
        """Its exit code, and all that it printed."""
        process = self.start(command, **environment)
        output, _ = process.communicate(timeout=120)
        return process.returncode, output.decode()

    def files(self) -> set[Path]:
        """All that the image is made of, without the data."""
        return {file for file in self._folder.rglob("*") if self.data not in (file, *file.parents)}

    @property
    def _number(self) -> int:
        return int(self._stage.user.partition(":")[0])

    def _take(self, step: Copy | Run, tools: Path, stage: str) -> None:
        if isinstance(step, Run):
            if _MAKES_USER not in step.script:
                self._run(step, tools, stage)
        elif step.stage is None:
            self._copy(step, stage)
        else:
            assert set(step.sources) | {step.destination} <= set(self._owned), "it is there already"

    def _run(self, step: Run, tools: Path, stage: str) -> None:
        # pip may take from its cache what it has fetched for an earlier build.
        script = self._here(step.script).replace("--no-cache-dir ", "")
        environment = {**os.environ, "PATH": f"{tools}:{_SYSTEM}"}
        done = subprocess.run(
            ["sh", "-euc", script],
            cwd=self._at(step.workdir, stage),
            env=environment,
            capture_output=True,
            umask=0o022,
            check=False,
        )
        assert done.returncode == 0, (done.stdout + done.stderr).decode()

    def _copy(self, step: Copy, stage: str) -> None:
        """Without any rights for others, as a checkout of somebody careful has it."""
        destination = self._at(step.destination, stage)
        for source in map(PurePosixPath, step.sources):
            origin = self._context / source
            for file in [origin] if origin.is_file() else sorted(origin.rglob("*")):
                path = file.relative_to(self._context)
                if not file.is_file() or self._ignored.excludes(path.as_posix()):
                    continue
                inside = PurePosixPath(file.name) if origin.is_file() else path.relative_to(source)
                target = destination / inside
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
                target.chmod(0o600)

    def _at(self, path: str, stage: str = "") -> Path:
        """Where an absolute path of the image is; each stage has its own, but for what is copied between them."""
        place = self._folder / path.strip("/")
        if stage and path not in self._owned:
            place = self._folder / f"stage-{stage}" / path.strip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.endswith("/"):
            place.mkdir(exist_ok=True)
        return place

    def _here(self, text: str) -> str:
        owned = "|".join(map(re.escape, self._owned))
        return re.sub(owned, lambda path: str(self._folder / path[0].strip("/")), text)


def _python_for(base: str, user: int) -> str:
    """A Python that this user can run, of the base image's version if there is one; ours, if there is no other."""
    version = base.partition(":")[2].partition("-")[0]
    names = (f"python{version}", sys.executable, "/usr/bin/python3", "/usr/local/bin/python3")
    usable = (each for name in names if (each := shutil.which(name)) and _runs(Path(each), user))
    return next(usable, sys.executable)


def _runs(python: Path, user: int) -> bool:
    """Whether it is ours to hand over to that user, and starts for it."""
    if os.getuid() != 0:
        return False
    try:
        code = "import sys, venv; sys.exit(sys.version_info < (3, 11))"
        done = subprocess.run([python, "-c", code], capture_output=True, cwd="/", check=False, **_as(user))
    except OSError:
        return False
    return done.returncode == 0


def _as(user: int | None) -> dict[str, Any]:
    return {} if user is None else {"user": user, "group": user, "extra_groups": []}


def _shim(file: Path, line: str) -> None:
    file.write_text(f"#!/bin/sh\n{line}\n")
    file.chmod(0o755)
