"""The web process: `create_app()` for any ASGI server, `python -m app.main` for ours."""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from types import FrameType

from fastapi import APIRouter, FastAPI
from fastapi.telemetry import TelemetryConfig

from app import __version__, problems
from app.bootstrap import House, build
from app.core.config import Settings, StartRefused, read_settings
from app.core.logging import configure_logging
from app.core.tracing import Tracing
from app.description import DescribedAPI, operation_id
from app.exchange import is_quiet
from app.middleware import middleware
from app.routers import (
    ai,
    api_keys,
    audit,
    auth,
    branches,
    conversations,
    docs,
    export,
    feedback,
    health,
    metrics,
    sessions,
    tickets,
    transfers,
    usage,
    users,
)
from app.server import listen, serve

logger = logging.getLogger(__name__)

_DESCRIPTION = """Any language model behind your product: accounts, streamed conversations that are never lost, a bill.

Press **Authorize** and sign in with your address and password; then every example of chat works as it stands.
Streams (`text/event-stream`) show here when they have ended; to see one live, use `curl -N` or a page.
"""


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application; without settings they are read from the environment and `.env`."""
    house = build(settings or Settings())
    app = DescribedAPI(
        title="AI Backend",
        version=__version__,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_tags=[{"name": name} for name in ("auth", "chat", "conversations", "users", "admin", "operations")],
        redirect_slashes=False,  # the redirect would go wherever the Host header says
        middleware=middleware(house.settings, problems.internal_error, house.metrics.traffic),
        generate_unique_id_function=operation_id,
        telemetry=_telemetry(house.tracing),
        lifespan=_lifespan,
        routes=_rooms().routes,
    )
    app.state.house = house
    problems.install(app)
    return app


@cache
def _rooms() -> APIRouter:
    """All routes, which know no application: what each takes and gives is worked out once."""
    rooms = APIRouter(generate_unique_id_function=operation_id)
    # Looked through in this order by each request.
    for room in (
        ai,
        transfers,  # before what would take "export" for an id
        conversations,
        branches,
        feedback,
        auth,
        tickets,
        users,
        api_keys,
        sessions,
        usage,
        export,
        audit,
        health,
        metrics,
        docs,
    ):
        rooms.include_router(room.router)
    return rooms


def _telemetry(tracing: Tracing) -> TelemetryConfig:
    """A span for each request but what machines ask for, and nothing else of what the framework offers.

    Its logs hold the messages of exceptions, its metrics are ours already, and by itself it would read from the
    environment whom to tell.
    """
    return {
        "tracing": tracing.provider is not None,
        "tracer_provider": tracing.provider,
        "operation_spans": False,
        "metrics": False,
        "logs": False,
        "auto_configure": False,
        "exclude": is_quiet,
    }


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    house: House = app.state.house
    try:
        await house.open()
    except Exception:
        logger.exception("the start failed")  # the server would log this without its causes
        raise
    _drain_on_signals(house)
    try:
        yield
    finally:
        await house.close()


def _drain_on_signals(house: House) -> None:
    """Drain first, then hand the signal to the server's own handler.

    Left alone, uvicorn cancels streams and only then runs the shutdown of the lifespan: too late to let anything
    finish. A second signal ends what still runs, with its text kept and its readers told; a third goes straight on.
    """
    loop = asyncio.get_running_loop()
    received: list[int] = []
    drains: list[asyncio.Task[None]] = []
    drained = asyncio.Event()

    def install(signum: int) -> None:
        inherited = signal.getsignal(signum)

        def handler(number: int, frame: FrameType | None) -> None:
            received.append(number)
            if len(received) > 2:
                hand_on(number, frame)
            else:
                patience = house.settings.drain_seconds if len(received) == 1 else 0.0
                loop.call_soon_threadsafe(lambda: drains.append(loop.create_task(drain(number, frame, patience))))

        def hand_on(number: int, frame: FrameType | None) -> None:
            if callable(inherited):
                inherited(number, frame)

        async def drain(number: int, frame: FrameType | None, patience: float) -> None:
            logger.info("draining", extra={"signal": signal.Signals(number).name, "seconds": patience})
            await house.drain(patience)
            if not drained.is_set():  # a second SIGINT would make the server skip its shutdown
                drained.set()
                hand_on(number, frame)

        signal.signal(signum, handler)

    try:
        install(signal.SIGTERM)
        install(signal.SIGINT)
    except ValueError:
        logger.debug("signals belong to the main thread; whoever runs this one drains it by closing it")


def _welcome(house: House) -> None:
    settings = house.settings
    host = "localhost" if settings.host in ("127.0.0.1", "0.0.0.0", "::", "::1") else settings.host  # noqa: S104
    lines = ["", f"  AI Backend {__version__} is ready: http://{host}:{settings.port}/docs"]
    if house.database.embedded:
        lines.append(f"  Data is kept in {settings.data_dir.resolve()}")
    print(*lines, "", sep="\n", flush=True)  # noqa: T201


def run() -> None:
    """Serve until a signal. Exits with 2, and one line for each thing that has to be set otherwise."""
    os.umask(0o077)  # conversations and password hashes are nobody else's on this machine
    try:
        settings = read_settings()
        configure_logging(settings.log_level)
        app = create_app(settings)
        house: House = app.state.house
        house.upkeep.claim()
        listening = listen(settings)
    except StartRefused as refusal:
        print(refusal, file=sys.stderr)  # noqa: T201
        sys.exit(2)

    def ready() -> None:
        # What is there now stays. To look through it again and again stopped all streams for 150 ms each time.
        gc.collect()
        gc.freeze()
        _welcome(house)

    serve(app, listening, ready)


if __name__ == "__main__":
    run()
