"""`make load`: measure, and say it as tables."""

import sys

from uvloop import run as run_loop

from tests.bench.answers import WrongAnswer
from tests.bench.processes import raise_file_limit
from tests.load import options
from tests.load.run import run
from tests.load.stores import Missing


def main() -> None:
    """Exits with 1 for a wrong answer; no time ever fails a run."""
    given = options.parse()
    if sys.platform != "linux":
        sys.exit("This reads the clocks, the memory and the connections of processes as Linux shows them.")
    raise_file_limit()
    try:
        sound = run_loop(run(given))
    except Missing as missing:
        sys.exit(f"{missing}; `--stores sqlite` does without.")
    except WrongAnswer as wrong:
        sys.exit(f"A wrong answer; nothing that was measured counts.\n{wrong}")
    if not sound:
        sys.exit("Something went wrong; nothing that was measured counts.")


if __name__ == "__main__":
    main()
