"""A pytest plugin for runs of everything: what failed is run again by itself, and has to pass each time.

Thousands of tests run beside each other on whatever cores there are, in real time, many against real servers. If each
fails once in ten thousand runs, by a moment's order, every other run fails, whatever was changed. So a failure is told
at length, as ever, named again at the end; and asked: what a change has broken seldom passes so often in a row.

Not asked, and failed, is what may not come from the test that it is charged to: the end of what others share, the crash
of a worker, what came to light when garbage was collected. Nor what could not be collected, nor one of many.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from time import monotonic
from typing import IO

import pytest

TIMES = 5
MOST = 3
"""Tests: more do not fail by chance."""
_LEAVING = 10.0
"""Seconds in which a run that took too long may end the servers that it has begun."""
_OF_OTHERS = ("PytestUnraisableExceptionWarning", "PytestUnhandledThreadExceptionWarning")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--again-within", type=float, default=240.0, metavar="SECONDS", help="for all that is run again")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Again(config))


class _Again:
    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._failed: dict[str, None] = {}
        self._final = False

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._final |= report.failed

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed[report.nodeid] = None
            by_another = any(name in report.longreprtext for name in _OF_OTHERS)
            self._final |= by_another or report.when not in ("setup", "call")

    @pytest.hookimpl(wrapper=True, tryfirst=True)  # once all is told that is known by now
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        yield
        stopped = session.shouldfail or session.shouldstop
        if session.exitstatus != pytest.ExitCode.TESTS_FAILED or stopped or self._final:
            return
        if len(self._failed) <= MOST and self._pass(list(self._failed)):
            session.exitstatus = pytest.ExitCode.OK

    def _pass(self, tests: Sequence[str]) -> bool:
        terminal: pytest.TerminalReporter = self._config.pluginmanager.getplugin("terminalreporter")
        terminal.section("failed, and run again")
        for test in tests:
            terminal.line(test)
        patience: float = self._config.getoption("--again-within")
        until = monotonic() + patience
        for time in range(TIMES):
            with TemporaryDirectory(ignore_cleanup_errors=True) as folder, TemporaryFile() as printed:
                code = self._run(tests, Path(folder) / "tests", printed, until - monotonic())
                printed.seek(0)
                said = printed.read().decode(errors="replace")
            if code is None:
                terminal.line(f"not {TIMES} times within {patience:.0f} s")
                return False
            if code:
                terminal.line(f"failed by themselves, too, time {time + 1} of {TIMES}:\n{said}")
                return False
        terminal.line(f"passed {TIMES} times in a row by themselves: what they depend on is to be found all the same")
        return True

    def _run(self, tests: Sequence[str], folder: Path, printed: IO[bytes], patience: float) -> int | None:
        """What it ended with, None if it did not."""
        # A folder of its own leaves what the failed ones have left in theirs. Skipped is not passed.
        options = ("-p", "no:cacheprovider", "-p", "tests.no_skips", "--basetemp", str(folder))
        environment = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
        # To a file: a pipe would be held open by servers that outlive a run.
        with subprocess.Popen(
            [sys.executable, "-m", "pytest", *options, *tests],
            cwd=self._config.rootpath,
            env=environment,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as run:
            try:
                return run.wait(max(0.0, patience))
            except subprocess.TimeoutExpired:
                return None
            finally:
                if run.poll() is None:
                    _end(run)


def _end(run: subprocess.Popen[bytes]) -> None:
    os.killpg(run.pid, signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        run.wait(_LEAVING)
        return
    os.killpg(run.pid, signal.SIGKILL)
