"""`make eval`: measure, and print what was found."""

import asyncio

from tests.eval import options
from tests.eval.run import run


def main() -> None:
    """No figure fails a run."""
    asyncio.run(run(options.parse()))


if __name__ == "__main__":
    main()
