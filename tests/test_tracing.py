"""Traces: a span for each request, sent to a collector; nothing of what anybody wrote, and nobody waits for it."""

import asyncio
import json
import logging
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from sqlalchemy import text

from app import __version__
from app.core.config import Settings
from app.core.spans import Spans
from app.core.tracing import tracing
from tests.accounts.behind import alter
from tests.backend import PLAIN, Backend, Process
from tests.chat.reading import posting
from tests.collector import Collector, attributes
from tests.conftest import Serve
from tests.upstream import Answer, Upstream

ID = "0198aaaa-cafe-7000-8000-00000000cafe"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with Collector() as collector:
        yield collector


@pytest.fixture
async def traced(serve: Serve, collector: Collector) -> Backend:
    return await serve(otel_exporter_otlp_endpoint=collector.url)


async def spans(backend: Backend, collector: Collector) -> list[Span]:
    """All that there are, the oldest first."""
    tracing = backend.house.tracing
    assert isinstance(tracing, Spans)
    await asyncio.sleep(0.05)  # a span ends when its answer is sent, which its reader may know first
    await asyncio.to_thread(tracing.provider.force_flush)
    return sorted(collector.spans, key=lambda span: span.start_time_unix_nano)


async def ask(backend: Backend, method: str, path: str, **request: Any) -> httpx.Response:
    async with httpx.AsyncClient(base_url=backend.url, timeout=20, trust_env=False, verify=PLAIN) as http:
        return await http.request(method, path, **request)


@pytest.mark.parametrize(
    ("method", "path", "name", "said"),
    [
        ("GET", f"/conversations/{ID}", "GET /conversations/{conversation_id}", {"http.response.status_code": 401}),
        ("PUT", f"/conversations/{ID}", "PUT /conversations/{conversation_id}", {"http.response.status_code": 405}),
        ("POST", "/ai/chat", "POST /ai/chat", {"http.response.status_code": 401}),
        ("GET", "/openapi.json", "GET /openapi.json", {"http.response.status_code": 200}),
        ("GET", f"/{ID}", "GET", {"http.response.status_code": 404}),
        ("PROPFIND", f"/{ID}", "HTTP", {"http.response.status_code": 404, "http.request.method": "_OTHER"}),
    ],
)
async def test_a_request_is_one_span_named_by_its_route(
    traced: Backend, collector: Collector, method: str, path: str, name: str, said: dict[str, Any]
) -> None:
    await ask(traced, method, f"{path}?{ID}={ID}")

    [span] = await spans(traced, collector)
    assert (span.name, span.kind, span.parent_span_id) == (name, Span.SPAN_KIND_SERVER, b"")
    about = {"http.request.method": method, "url.scheme": "http", "network.protocol.version": "1.1"}
    route = name.partition(" ")[2]
    assert dict(attributes(span.attributes)) == about | ({"http.route": route} if route else {}) | said
    assert not span.events
    assert span.status == Status()


async def test_the_collector_is_told_which_service_this_is(serve: Serve, collector: Collector) -> None:
    backend = await serve(
        otel_exporter_otlp_traces_endpoint=f"{collector.url}/own/path",
        otel_exporter_otlp_headers="x-key=secret%20key,x-other=2",
        otel_service_name="chat",
    )
    await ask(backend, "GET", "/docs")

    await spans(backend, collector)

    assert collector.resource["service.name"] == "chat"
    assert collector.resource["service.version"] == __version__
    assert collector.received.startswith(b"POST /own/path HTTP/1.1\r\n")
    assert b"x-key: secret key\r\n" in collector.received


async def test_a_span_goes_on_with_the_trace_of_who_asked(traced: Backend, collector: Collector) -> None:
    await ask(traced, "GET", "/users/me", headers={"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "a=canary"})
    await ask(traced, "GET", "/users/me", headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
    await ask(traced, "GET", "/users/me", headers={"traceparent": f"00-{'0' * 32}-{PARENT}-01"})
    await ask(traced, "GET", "/users/me", headers={"traceparent": "canary" * 500})

    first, *others = await spans(traced, collector)
    assert (first.trace_id.hex(), first.parent_span_id.hex(), first.trace_state) == (TRACE, PARENT, "")
    assert [other.parent_span_id for other in others] == [b"", b""]
    assert len({span.trace_id for span in (first, *others)}) == 3


async def test_a_streams_span_lasts_until_its_last_block(
    traced: Backend, collector: Collector, upstream: Upstream
) -> None:
    upstream.script(Answer(("1 ", "2 "), hold=True))
    alice = await traced.user()
    async with posting(alice, "Count") as reader:
        await reader.event()
        assert "POST /ai/chat/stream" not in {span.name for span in await spans(traced, collector)}
        await asyncio.sleep(0.5)
        await upstream.finish()
        await reader.rest()

    [stream] = [span for span in await spans(traced, collector) if span.name == "POST /ai/chat/stream"]
    assert (stream.end_time_unix_nano - stream.start_time_unix_nano) / 1e9 > 0.5
    assert stream.status == Status()


async def test_the_span_of_a_reader_that_leaves_says_so(
    traced: Backend, collector: Collector, upstream: Upstream
) -> None:
    upstream.script(Answer(("1 ", "2 "), hold=True))
    alice = await traced.user()
    async with posting(alice, "Count") as reader:
        await reader.event()

    async with asyncio.timeout(5):
        while not (found := [span for span in await spans(traced, collector) if span.name.endswith("/stream")]):
            pass
    assert dict(attributes(found[0].attributes))["error.type"] == "ConnectionError"
    await upstream.finish()


async def test_what_machines_ask_for_is_not_told(traced: Backend, collector: Collector) -> None:
    for path in ("/health", "/ready", "/metrics", "/docs/assets/favicon.png"):
        assert (await ask(traced, "GET", path)).status_code == 200

    assert await spans(traced, collector) == []
    assert collector.asked == 0


async def test_an_address_that_only_begins_like_theirs_is_told(traced: Backend, collector: Collector) -> None:
    for path in ("/healthXYZ", "/health/x", "/readyness", "/metrics2", "/docs/assetsXYZ"):
        assert (await ask(traced, "GET", path)).status_code == 404

    assert len(await spans(traced, collector)) == 5


async def test_nothing_that_anybody_wrote_leaves_in_a_span(
    traced: Backend, collector: Collector, upstream: Upstream, database_url: str
) -> None:
    upstream.script([Answer(("canary answer",)), Answer(("canary answer",))])
    canary = {
        "User-Agent": "canary",
        "X-Request-ID": "canary",
        "Referer": "http://canary/",
        "Origin": "http://canary",
        "Cookie": "session=canary",
        "X-Forwarded-For": "canary",
        "X-Forwarded-Proto": "canary",
        "Forwarded": "for=canary",
        "baggage": "canary=canary",
        "tracestate": "canary=canary",
        "traceparent": f"00-{TRACE}-{PARENT}-01",
        "b3": f"{TRACE}-{PARENT}-1-canary",
    }
    alice = await traced.signed_up("canary-alice")
    await alice.chat("canary prompt", headers=canary)
    ticket = (await alice.http.post("/auth/ticket")).json()["ticket"]
    streamed = await ask(
        traced, "GET", "/ai/chat/stream", params={"message": "canary", "ticket": ticket}, headers=canary
    )
    assert streamed.status_code == 200
    await ask(traced, "GET", "/canary/canary@example.com?token=canary", headers=canary)
    await ask(traced, "GET", "/conversations/canary", headers=canary | {"Host": "canary.example.com:99"})
    await ask(traced, "POST", "/auth/login", data={"username": "canary@example.com", "password": "canary"})
    await ask(traced, "POST", "/auth/register", json={"canary": "canary"}, headers=canary)
    await ask(traced, "PROPFIND", "/canary", headers=canary)
    refuse = "CREATE TRIGGER canary BEFORE INSERT ON audit_events BEGIN SELECT RAISE(ABORT, 'canary'); END"
    await alter(database_url, text(refuse))
    assert (await alice.http.post("/users/me/api-keys", json={"name": "canary"}, headers=canary)).status_code == 500

    found = await spans(traced, collector)

    assert len(found) >= 10
    [failed] = [span for span in found if span.status.code == Status.STATUS_CODE_ERROR]
    assert dict(attributes(failed.attributes))["error.type"] == "500"
    assert failed.status.message == ""
    assert not failed.events
    said = collector.received.lower()
    for secret in (b"canary", alice.token.lower().encode(), ticket.lower().encode(), b"example.com"):
        assert secret not in said


@pytest.fixture
def entries(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "app")
    return caplog


async def test_what_is_logged_meanwhile_names_the_trace(
    entries: pytest.LogCaptureFixture, traced: Backend, collector: Collector
) -> None:
    await ask(traced, "GET", "/users/me")

    [span] = await spans(traced, collector)
    [entry] = [record for record in entries.records if record.getMessage() == "request"]
    assert entry.__dict__["trace_id"] == span.trace_id.hex()


@pytest.mark.parametrize("trouble", ["away", "silent", "500", "503", "302", "99999"])
async def test_a_collector_in_trouble_keeps_nobody_waiting(
    entries: pytest.LogCaptureFixture, serve: Serve, collector: Collector, trouble: str
) -> None:
    endpoint = collector.url
    if trouble == "away":
        endpoint = "http://127.0.0.1:1"
    elif trouble == "silent":
        collector.open.clear()
    else:
        collector.status = int(trouble)
    backend = await serve(otel_exporter_otlp_endpoint=endpoint)
    tracing = backend.house.tracing
    assert isinstance(tracing, Spans)
    flushing = []
    for _ in range(3):
        for _ in range(20):
            began = time.monotonic()
            assert (await ask(backend, "GET", "/docs")).status_code == 200
            assert time.monotonic() - began < 5
        flushing.append(asyncio.create_task(asyncio.to_thread(tracing.provider.force_flush)))
        await asyncio.sleep(0.1)

    began = time.monotonic()
    await backend.stop()

    assert time.monotonic() - began < 12
    collector.open.set()
    await asyncio.gather(*flushing)
    told = [
        record for record in entries.records if record.name.startswith(("opentelemetry", "urllib3", "app.core.spans"))
    ]
    assert [record.getMessage() for record in told] in ([], ["the collector takes no traces"])
    assert "canary" not in entries.text


@pytest.mark.parametrize(
    "variable",
    [
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "5000"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many"),
        ("OTEL_BSP_SCHEDULE_DELAY", "-1"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "many"),
    ],
    ids="=".join,
)
async def test_what_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, database_url: str, variable: tuple[str, str]
) -> None:
    name, value = variable
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", name: value}
    process = Process(tmp_path, database_url, **environment)

    await process.start(ready=False)

    assert await process.exited() == 2
    [line] = process.output.decode().splitlines()
    assert name in line


def test_another_protocol_is_no_matter_where_nothing_is_sent() -> None:
    settings = Settings(_env_file=None, otel_exporter_otlp_protocol="grpc")
    assert tracing(settings, __version__).provider is None


async def test_batches_are_as_they_are_set(serve: Serve, collector: Collector) -> None:
    backend = await serve(
        otel_exporter_otlp_endpoint=collector.url,
        otel_bsp_max_queue_size=20,
        otel_bsp_max_export_batch_size=10,
        otel_bsp_schedule_delay=60,
    )
    tracing = backend.house.tracing
    assert isinstance(tracing, Spans)
    collector.open.clear()
    tracer = tracing.provider.get_tracer("tests")
    for _ in range(500):
        tracer.start_span("one").end()
    collector.open.set()

    assert 20 <= len(await spans(backend, collector)) <= 20 + 2 * 10


async def test_what_waits_is_bounded(traced: Backend, collector: Collector) -> None:
    tracing = traced.house.tracing
    assert isinstance(tracing, Spans)
    collector.open.clear()
    tracer = tracing.provider.get_tracer("tests")
    for _ in range(10_000):
        tracer.start_span("one").end()
    collector.open.set()

    assert 512 <= len(await spans(traced, collector)) <= 2048 + 2 * 512


async def test_the_rest_is_sent_at_the_end(traced: Backend, collector: Collector) -> None:
    await ask(traced, "GET", "/docs")

    await traced.stop()

    assert [span.name for span in collector.spans] == ["GET /docs"]


async def test_a_process_that_a_collector_keeps_waiting_ends_in_time(
    tmp_path: Path, database_url: str, collector: Collector
) -> None:
    collector.open.clear()
    async with Process(tmp_path, database_url, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url) as process:
        async with httpx.AsyncClient(base_url=process.url, trust_env=False, verify=PLAIN) as http:
            for _ in range(10):
                assert (await http.get("/docs")).status_code == 200
        process.signal(signal.SIGTERM)
        assert await process.exited(within=12) == -signal.SIGTERM

    assert collector.asked >= 1
    assert not [entry for entry in process.log if entry["level"] in ("warning", "error")]


def test_without_a_collector_nothing_of_it_is_there(tmp_path: Path) -> None:
    code = """
import asyncio, json, sys
from app.core.config import Settings
from app.main import create_app
app = create_app(Settings(_env_file=None, data_dir=sys.argv[1], database_url=f"sqlite:///{sys.argv[1]}/app.db"))
assert app.state.house.tracing.provider is None
print(json.dumps([name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))]))
"""
    environment = {"PYTHONPATH": str(Path(__file__).parent.parent), "FASTAPI_OTEL_AUTO_CONFIGURE": "true"}
    ran = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment, capture_output=True, check=True)
    assert json.loads(ran.stdout) == []
