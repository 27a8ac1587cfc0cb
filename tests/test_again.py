"""A run of everything asks again what failed, and believes it only if it passes each time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import again

WORKERS = ("-p", "xdist", "-n", "2")

COUNTING = """
from pathlib import Path

def times():
    file = Path({file!r})
    file.write_text((file.read_text() if file.exists() else "") + ".")
    return len(file.read_text())
"""


@pytest.fixture
def run(tmp_path: Path) -> "Run":
    return Run(tmp_path)


class Run:
    """Of tests of its own; `times()` counts, over all runs, how often it was called."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "pytest.ini").write_text("[pytest]\n")
        (folder / "counting.py").write_text(COUNTING.format(file=str(folder / "counted")))

    def __call__(self, tests: str, *options: str) -> tuple[int, str]:
        """What it ended with, and what it printed."""
        (self._folder / "test_it.py").write_text("import os, time, pytest\nfrom counting import times\n" + tests)
        root = Path(again.__file__).parent.parent
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "tests.again", "-p", "no:cacheprovider", *options],
            cwd=self._folder,
            env={
                **os.environ,
                "PYTHONPATH": f"{root}{os.pathsep}{self._folder}",
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # half of the time
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout

    @property
    def counted(self) -> int:
        return len((self._folder / "counted").read_text())


@pytest.mark.parametrize("options", [(), WORKERS], ids=["alone", "workers"])
def test_what_failed_once_is_told_and_forgiven(run: Run, options: tuple[str, ...]) -> None:
    code, printed = run("def test_one(): assert times() > 1\ndef test_two(): pass", *options)

    assert code == 0
    assert run.counted == 1 + again.TIMES
    assert "1 failed, 1 passed" in printed
    told, asked = printed.split("failed, and run again")
    assert "AssertionError" in told
    assert "test_it.py::test_one\npassed 5 times" in asked


def test_as_many_as_may_fail_by_chance_are_forgiven(run: Run) -> None:
    code, _ = run(several(again.MOST))

    assert code == 0
    assert run.counted == again.MOST * (1 + again.TIMES)


def test_one_more_has_failed(run: Run) -> None:
    code, printed = run(several(again.MOST + 1))

    assert code == 1
    assert run.counted == again.MOST + 1
    assert "run again" not in printed


def several(count: int) -> str:
    return f"@pytest.mark.parametrize('n', range({count}))\ndef test_one(n): assert times() > {count}"


@pytest.mark.parametrize("good", [1, 2, again.TIMES])
def test_what_fails_once_more_has_failed(run: Run, good: int) -> None:
    """It passes from its second to this time."""
    code, printed = run(f"def test_one(): assert 1 < times() <= {good}")

    assert code == 1
    assert run.counted == good + 1
    assert f"failed by themselves, too, time {good} of {again.TIMES}" in printed


def test_what_takes_too_long_has_failed_and_leaves_nothing_behind(run: Run) -> None:
    tests = """
@pytest.fixture
def server():
    yield
    times()

def test_one(server):
    assert times() > 1
    time.sleep(60)
"""

    code, printed = run(tests, "--again-within=10")

    assert code == 1
    assert "not 5 times within 10 s" in printed
    assert run.counted == 4  # the server was ended, both times


@pytest.mark.parametrize("options", [(), WORKERS], ids=["alone", "workers"])
def test_the_end_of_what_others_share_has_failed(run: Run, options: tuple[str, ...]) -> None:
    tests = """
@pytest.fixture(scope="session")
def shared():
    yield
    assert times() > 1

def test_one(shared): pass
def test_two(): pass
"""

    code, printed = run(tests, *options)

    assert code == 1
    assert run.counted == 1
    assert "run again" not in printed


def test_what_garbage_brought_to_light_has_failed(run: Run) -> None:
    tests = """
import gc

class Left:
    def __del__(self): times() > 1 or int("left")

def test_one():
    Left()
    gc.collect()
"""

    code, printed = run(tests, "-W", "error")

    assert code == 1
    assert run.counted == 1
    assert "PytestUnraisableExceptionWarning" in printed


def test_who_takes_a_worker_along_has_failed(run: Run) -> None:
    code, printed = run("def test_one(): times() > 1 or os._exit(3)", *WORKERS)

    assert code == 1
    assert run.counted == 1
    assert "crashed" in printed


def test_what_cannot_be_collected_has_failed(run: Run, tmp_path: Path) -> None:
    """Whatever else has failed by chance."""
    (tmp_path / "test_other.py").write_text("import nothing_like_it")

    code, printed = run("def test_one(): assert times() > 1", *WORKERS)

    assert code == 1
    assert run.counted == 1
    assert "nothing_like_it" in printed


def test_who_stops_at_the_first_failure_has_failed(run: Run) -> None:
    code, _ = run("def test_one(): assert times() > 1\ndef test_two(): assert False", "-x")

    assert code == 1
    assert run.counted == 1


def test_a_skip_is_not_passed(run: Run) -> None:
    code, printed = run("def test_one():\n    assert times() > 1\n    pytest.skip('not here')")

    assert code == 1
    assert run.counted == 2
    assert "CI skips nothing" in printed


def test_what_passes_is_run_once(run: Run) -> None:
    code, printed = run("def test_one(): times()")

    assert code == 0
    assert run.counted == 1
    assert "run again" not in printed
