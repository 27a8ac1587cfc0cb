"""`make chaos`: break everything for a while, and tell whether anything was lost."""

import argparse
import asyncio
import secrets
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.report import report
from tests.chaos.run import Options, Outcome, chaos
from tests.chaos.stopping import run_loop, stoppable

_FAULTS_A_MINUTE = 10
_CLIENTS_A_USER = 8


def options(arguments: Sequence[str] | None = None) -> Options:
    """From the command line, or from these words."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="the same seed breaks the same; a new one by default")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--faults", type=int, default=None, help=f"default: {_FAULTS_A_MINUTE} a minute")
    parser.add_argument("--clients", type=int, default=120, help=f"{_CLIENTS_A_USER} of them are one user's")
    parser.add_argument("--think", type=float, default=4.0, help="seconds that each waits at most between two things")
    given = parser.parse_args(arguments)
    return Options(
        seed=secrets.randbelow(1_000_000) if given.seed is None else given.seed,
        seconds=given.minutes * 60,
        faults=round(given.minutes * _FAULTS_A_MINUTE) if given.faults is None else given.faults,
        users=max(2, round(given.clients / _CLIENTS_A_USER)),
        clients=min(_CLIENTS_A_USER, max(1, given.clients // 2)),
        think=given.think,
    )


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


def main() -> None:
    """Exits with 1 when anything was lost, and leaves the logs where it says."""
    given = options()
    say(f"SEED={given.seed} MINUTES={given.seconds / 60:g} FAULTS={given.faults} CLIENTS={given.users * given.clients}")
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    kept = False
    try:
        outcome = run_loop(stoppable(chaos(given, folder, say)))
        kept = bool(outcome.violations or outcome.complaints)
        _tell(outcome)
    except TimeoutError as late:
        kept = True
        say(f"Violation: it does not come to rest. {late}")
    except (KeyboardInterrupt, asyncio.CancelledError):
        kept = True
        say("interrupted")
    except BaseException:
        kept = True
        raise
    finally:
        shutil.rmtree(folder / "postgresql", ignore_errors=True)
        if kept:
            say(f"SEED={given.seed}; the instances' logs are in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if kept else 0)


def _tell(outcome: Outcome) -> None:
    history = outcome.evidence.history
    lived = (history.quiet or history.began) - history.began
    say(
        f"{outcome.turns} turns in {lived:.0f} s ({outcome.turns / lived:.1f}/s), {len(history.connections)} streams "
        f"read, {len(history.calls)} calls upstream, {len(history.faults)} faults, "
        f"{len(outcome.violations)} violations"
    )
    if outcome.violations:
        say(report(outcome.evidence, outcome.violations))
    for complaint in outcome.complaints:
        say(f"In a log: {complaint}")


if __name__ == "__main__":
    main()
