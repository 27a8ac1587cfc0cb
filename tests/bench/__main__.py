"""`make bench`: measure, and say it as a table."""

import sys

from tests.bench import options
from tests.bench.answers import WrongAnswer
from tests.bench.processes import raise_file_limit
from tests.bench.run import run

if sys.platform == "win32":
    from asyncio import run as run_loop
else:
    from uvloop import run as run_loop


def main() -> None:
    """Exits with 1 for a wrong answer; no time ever fails a run."""
    given = options.parse()
    if sys.platform != "linux":
        sys.exit("The bench reads the clocks and the memory of processes as Linux shows them.")
    raise_file_limit()
    try:
        run_loop(run(given))
    except WrongAnswer as wrong:
        sys.exit(f"A wrong answer; nothing that was measured counts.\n{wrong}")


if __name__ == "__main__":
    main()
