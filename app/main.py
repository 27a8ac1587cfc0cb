"""The web process: `create_app()` for any ASGI server, `python -m app.main` for ours."""

import gc
import logging
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from socket import socket

from fastapi import APIRouter, FastAPI
from fastapi.telemetry import TelemetryConfig

from app import __version__, problems
from app.bootstrap import House, build
from app.core.config import Settings, StartRefused, read_settings
from app.core.exposition import Crew
from app.core.logging import configure_logging
from app.core.tracing import Tracing
from app.description import DescribedAPI, operation_id
from app.draining import Draining
from app.exchange import is_quiet
from app.middleware import middleware
from app.routers import (
    ai,
    analysis,
    anthropic,
    api_keys,
    audit,
    auth,
    branches,
    collections,
    conversations,
    docs,
    documents,
    embeddings,
    export,
    feedback,
    files,
    health,
    jobs,
    metrics,
    model_lists,
    ollama,
    ollama_lists,
    ollama_proxy,
    openai,
    questions,
    rag,
    responses,
    sessions,
    tickets,
    transfers,
    ui,
    usage,
    users,
)
from app.server import Server, adopt, listen, serve
from app.workers import parent
from app.workers.link import Link
from app.workers.place import Place

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
        openapi_tags=[
            {"name": name}
            for name in (
                *("auth", "chat", "conversations", "files", "documents"),
                *("openai", "anthropic", "ollama", "users", "admin", "operations"),
            )
        ],
        redirect_slashes=False,  # the redirect would go wherever the Host header says
        middleware=middleware(house.settings, problems.internal_error, house.metrics.traffic),
        generate_unique_id_function=operation_id,
        telemetry=_telemetry(house.tracing),
        lifespan=_lifespan,
        routes=_rooms().routes,
    )
    app.state.house = house
    app.state.draining = Draining(house)
    problems.install(app)
    return app


@cache
def _rooms() -> APIRouter:
    """All routes, which know no application: what each takes and gives is worked out once."""
    rooms = APIRouter(generate_unique_id_function=operation_id)
    # Looked through in this order by each request.
    for room in (
        ai,
        ui,
        transfers,  # before what would take "export" for an id
        conversations,
        branches,
        feedback,
        files,
        collections,
        documents,
        jobs,
        rag,
        questions,
        analysis,
        openai,
        responses,
        anthropic,
        ollama,
        embeddings,
        model_lists,
        ollama_lists,
        ollama_proxy,
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
    app.state.draining.attend_signals()
    try:
        yield
    finally:
        await house.close()


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
    place = Place.read(sys.argv[1:])
    try:
        settings = read_settings()
        configure_logging(settings.log_level, worker=place.number if place else None)
        app = create_app(settings)
        house: House = app.state.house
        house.upkeep.claim()
        if place is None:
            listening = listen(settings)
            if settings.web_concurrency > 1:
                _employ(settings, listening)
        else:
            listening = adopt(place.listening)
    except StartRefused as refusal:
        print(refusal, file=sys.stderr)  # noqa: T201
        sys.exit(2)

    async def ready(server: Server) -> None:
        # What is there now stays. To look through it again and again stopped all streams for 150 ms each time.
        gc.collect()
        gc.freeze()
        if place is None:
            _welcome(house)
        else:
            await house.exposition.join(Crew(place.number, place.count, place.folder))
            _attend_parent(app, place, server)

    serve(app, listening, ready)


def _employ(settings: Settings, listening: socket) -> None:
    """Become the parent of workers, which each are this program again. All else that can be refused has been by now."""
    if sys.platform == "win32":
        raise StartRefused("WEB_CONCURRENCY: Windows cannot hand a socket on to several workers; set 1")
    try:
        folder = Path(tempfile.mkdtemp(prefix="ai-backend-"))
    except OSError as error:
        raise StartRefused(f"TMPDIR: no folder for the workers can be made ({error.strerror})") from error
    parent.start(listening, settings.web_concurrency, settings.log_level, folder)


def _attend_parent(app: FastAPI, place: Place, server: Server) -> None:
    house: House = app.state.house
    draining: Draining = app.state.draining

    def gone() -> None:
        server.stop_listening()  # whoever is started in the parent's place wants the port
        house.exposition.last_ones = True
        draining.abandoned()

    Link(place.link).attend(on_greet=lambda: _welcome(house), on_leave=draining.told, on_gone=gone)


if __name__ == "__main__":
    run()
