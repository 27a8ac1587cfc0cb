"""The loopback vendor as a process: prints `{"url": …}` on a line of its own and serves until it is killed."""

import argparse
import asyncio
import json
import sys

from tests.upstream.server import Upstream

if sys.platform == "win32":
    from asyncio import run
else:
    from uvloop import run


async def serve(port: int) -> None:
    async with Upstream(port=port) as upstream:
        sys.stdout.write(json.dumps({"url": upstream.url}) + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(prog="python -m tests.upstream", description=__doc__)
    arguments.add_argument("--port", type=int, default=0, help="0: any that is free")
    run(serve(arguments.parse_args().port))
