"""A worker's place, as the parent gives it away on the command line: `python -m app.main --worker 2 …`."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Place:
    number: int
    """From 1 on; who comes after a worker that died has the same."""
    count: int
    listening: int
    """The file descriptor of the socket that all of them listen on."""
    link: int
    """That of the line to the parent."""
    folder: Path
    """Where each worker can be reached by the others."""

    @classmethod
    def read(cls, arguments: Sequence[str]) -> Self | None:
        """None for a process that serves alone."""
        if not arguments:
            return None
        parser = argparse.ArgumentParser(prog="python -m app.main", description="Settings come from the environment.")
        for name in ("worker", "of", "listening", "link"):
            parser.add_argument(f"--{name}", type=int, required=True, help=argparse.SUPPRESS)
        parser.add_argument("--folder", type=Path, required=True, help=argparse.SUPPRESS)
        given = parser.parse_args(arguments)
        return cls(given.worker, given.of, given.listening, given.link, given.folder)

    def command(self) -> list[str]:
        """What starts a worker there."""
        given = {"worker": self.number, "of": self.count, "listening": self.listening, "link": self.link}
        words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
        return [*python("app.main"), *words, "--folder", str(self.folder)]


def python(module: str) -> list[str]:
    """The command that runs a module as this process is run: with the same interpreter and its options."""
    told = sys.orig_argv[1:]
    options = told[: told.index("-m")] if "-m" in told else []
    return [sys.executable, *options, "-m", module]
