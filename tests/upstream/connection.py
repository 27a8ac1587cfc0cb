"""One client's connection: request after request, each answered until it is done or the client leaves."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from tests.upstream.framing import Inlet, Outlet, Request, read_request

IDLE = 600.0  # longer than any client keeps a connection, so that it is never the vendor who closes it first

Answering = Callable[[Request, Outlet, Inlet], Coroutine[Any, Any, None]]


async def serve(inlet: Inlet, writer: asyncio.StreamWriter, answer: Answering) -> None:
    """Runs until either side ends the connection; leaves nothing open however it ends."""
    try:
        # A client may leave anywhere; in the middle of an answer this is noted there.
        with suppress(ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            await _requests(inlet, writer, answer)
        writer.close()
        await writer.wait_closed()
    except ConnectionError:
        pass
    finally:
        writer.transport.abort()


async def _requests(inlet: Inlet, writer: asyncio.StreamWriter, answer: Answering) -> None:
    reusable = True
    while reusable:
        async with asyncio.timeout(IDLE):
            request = await read_request(inlet)
        if request is None:
            return
        out = Outlet(writer, reusable=request.keeps_alive)
        await answer(request, out, inlet)
        reusable = out.reusable and not inlet.left


async def until_left(playing: Coroutine[Any, Any, None], inlet: Inlet) -> bool:
    """Plays an answer to its end; False if the client left before."""
    task = asyncio.create_task(playing)
    inlet.answering = task
    if inlet.left:
        task.cancel()
    try:
        await asyncio.wait({task})
    finally:
        inlet.answering = None
        task.cancel()
        await asyncio.wait({task})
    if task.cancelled():
        return False
    error = task.exception()
    if error is not None and not isinstance(error, ConnectionError):
        raise error
    return error is None


def parsed(request: Request) -> dict[str, Any] | None:
    """The JSON object of a request; empty where there is no content, None where it is something else.

    Of a file it says how large it is, and its digest.
    """
    content = request.content
    if request.headers.get("content-type") == "application/octet-stream":
        return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    if not content:
        return {}
    try:
        body = json.loads(content)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
