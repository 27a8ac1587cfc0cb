"""A process that runs examples one after the other, as they are printed, and tells what became of each.

A list of their texts as JSON on its input; on its output, for each: `{"printed": str, "raised": str | null}`.
"""

import ast
import asyncio
import inspect
import json
import sys
from contextlib import redirect_stdout
from io import StringIO


def main() -> None:
    told = [run(code) for code in json.load(sys.stdin)]
    sys.stdout.write(json.dumps(told))


def run(code: str) -> dict[str, str | None]:
    """Some wait at their top, as a notebook lets them."""
    raised, printed = None, StringIO()
    with redirect_stdout(printed):
        try:
            compiled = compile(code, "<example>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            waiting = eval(compiled, {"__name__": "__main__"})  # noqa: S307  # they are what is tried here
            if inspect.iscoroutine(waiting):
                asyncio.run(_finished(waiting))
        except Exception as error:
            raised = f"{type(error).__name__}: {error}"
    return {"printed": printed.getvalue(), "raised": raised}


async def _finished(waiting: object) -> None:
    if inspect.isawaitable(waiting):
        await waiting


if __name__ == "__main__":
    main()
