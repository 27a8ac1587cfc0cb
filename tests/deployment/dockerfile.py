"""A Dockerfile, read as far as ours goes: its stages, and in each what is set, copied and run. The rest is an error."""

import json
import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Copy:
    sources: tuple[str, ...]
    destination: str
    """Absolute; with a slash at its end it is a folder."""
    stage: str | None
    """Where the sources are; None: in the build's context."""


@dataclass(frozen=True)
class Run:
    script: str
    workdir: str


@dataclass
class Stage:
    base: str
    environment: dict[str, str] = field(default_factory=dict)
    steps: list[Copy | Run] = field(default_factory=list)
    workdir: str = "/"
    user: str = "root"
    stop_signal: str = "SIGTERM"
    exposed: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    healthcheck: tuple[str, ...] = ()

    @property
    def copies(self) -> list[Copy]:
        return [step for step in self.steps if isinstance(step, Copy)]

    @property
    def runs(self) -> list[Run]:
        return [step for step in self.steps if isinstance(step, Run)]


def read(text: str) -> dict[str, Stage]:
    """The stages by name, in order; the last, which has none, is `""`. A stage begins as the one that it is from."""
    stages: dict[str, Stage] = {}
    stage = Stage("")
    for name, value in _instructions(text):
        if name == "FROM":
            base, _, alias = value.partition(" AS ")
            stage = stages[alias] = _begun_from(stages, base)
        else:
            _apply(stage, name, value)
    return stages


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for instruction in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        name, value = instruction.split(maxsplit=1)
        yield name, value


def _begun_from(stages: dict[str, Stage], base: str) -> Stage:
    if (earlier := stages.get(base)) is None:
        return Stage(base)
    return Stage(earlier.base, dict(earlier.environment), workdir=earlier.workdir, user=earlier.user)


def _apply(stage: Stage, name: str, value: str) -> None:
    if name in _WORDS:
        setattr(stage, *_WORDS[name](value))
    elif name == "ENV":
        for variable, _, given in (pair.partition("=") for pair in shlex.split(value)):
            stage.environment[variable] = given
    elif name == "RUN":
        stage.steps.append(Run(value, stage.workdir))
    elif name == "COPY":
        stage.steps.append(_copy(stage.workdir, shlex.split(value)))
    else:
        assert name == "LABEL", f"{name} is not known here"


_WORDS: Mapping[str, Callable[[str], tuple[str, str | tuple[str, ...]]]] = {
    "WORKDIR": lambda value: ("workdir", value),
    "USER": lambda value: ("user", value),
    "STOPSIGNAL": lambda value: ("stop_signal", value),
    "EXPOSE": lambda value: ("exposed", tuple(value.split())),
    "CMD": lambda value: ("command", tuple(json.loads(value))),
    "HEALTHCHECK": lambda value: ("healthcheck", tuple(json.loads(value.partition(" CMD ")[2]))),
}


def _copy(workdir: str, words: list[str]) -> Copy:
    options = [word for word in words if word.startswith("--")]
    *sources, destination = (word for word in words if not word.startswith("--"))
    stages = [option.removeprefix("--from=") for option in options]
    assert options == [f"--from={stage}" for stage in stages], "COPY --from alone is known here"
    return Copy(tuple(sources), posixpath.join(workdir, destination), stages[0] if stages else None)
