"""Spans on OpenTelemetry's SDK: what they may say, and how they are sent without getting in anybody's way."""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Thread

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState, get_current_span
from opentelemetry.util.re import parse_env_headers
from opentelemetry.util.types import Attributes

logger = logging.getLogger(__name__)

CLOSING_SECONDS = 2.0
_TELL_SECONDS = 60.0
# They log each failure, with what the collector said and where it is, and headers that they cannot read.
_CHATTY = ("opentelemetry", "urllib3")

# What the framework gives a span as it begins, less what a client wrote: path and query, the Host header, a method's
# name that is none. What it adds later is its own: the route's template, the status, the type of an exception.
_KEPT = frozenset(("http.request.method", "network.protocol.version", "url.scheme"))


@dataclass(frozen=True, slots=True)
class Batches:
    """How many spans may wait, how many are sent at once (no more than may wait), and after how many milliseconds."""

    queue: int
    size: int
    delay_ms: int


class Spans:
    """A provider whose spans go to a collector at `endpoint`, by OTLP over HTTP; `headers` as `name=value,…`.

    A thread sends them in batches from a queue. What does not fit is dropped, and so is what the collector does not
    take within ten seconds: nobody waits for it. The standard variables beside our settings are the SDK's own:
    OTEL_TRACES_SAMPLER, OTEL_RESOURCE_ATTRIBUTES, OTEL_EXPORTER_OTLP_TIMEOUT. Raises ValueError or RuntimeError where
    one of these cannot be used.
    """

    def __init__(self, endpoint: str, *, headers: str, service: str, version: str, batches: Batches) -> None:
        for name in _CHATTY:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._exporter = OTLPSpanExporter(endpoint, headers=parse_env_headers(headers, liberal=True))
        self._batches = batches
        resource = Resource.create({SERVICE_NAME: service, SERVICE_VERSION: version})
        self.provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self.provider.sampler = _Discreet(self.provider.sampler)
        self._delivery: _Delivery | None = None
        self._trace_ids = _TraceIds()

    def open(self) -> None:
        self._delivery = _Delivery(self._exporter)
        self.provider.add_span_processor(
            BatchSpanProcessor(
                self._delivery,
                max_queue_size=self._batches.queue,
                max_export_batch_size=self._batches.size,
                schedule_delay_millis=self._batches.delay_ms,
            )
        )
        for handler in logging.getLogger().handlers:
            handler.addFilter(self._trace_ids)

    async def close(self) -> None:
        # The SDK would wait half a minute for a collector that does not answer; a daemon's end is waited for by nobody.
        closing = Thread(target=self.provider.shutdown, daemon=True, name="spans-closing")
        closing.start()
        await asyncio.to_thread(closing.join, CLOSING_SECONDS)
        if self._delivery is not None:
            self._delivery.give_up()
        for handler in logging.getLogger().handlers:
            handler.removeFilter(self._trace_ids)


class _Discreet(Sampler):
    """Decides as another does, and keeps what a client wrote out of the span before there is one.

    The place is the only one: a span's attributes can be overwritten, but not taken back. `tracestate` would be passed
    on as it came.
    """

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        kept = {key: value for key, value in (attributes or {}).items() if key in _KEPT}
        found = self._sampler.should_sample(parent_context, trace_id, name, kind, kept, links)
        return SamplingResult(found.decision, found.attributes)

    def get_description(self) -> str:
        return self._sampler.get_description()


class _Delivery(SpanExporter):
    """Sends batches, and says at most once a minute that it could not."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._given_up = False
        self._lost = 0
        self._told = float("-inf")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self._given_up:
            return SpanExportResult.FAILURE
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self._tell(len(spans))
        return result

    def give_up(self) -> None:
        """Send no further batch, and end the wait for another try."""
        if not self._given_up:
            self._given_up = True
            self._exporter.shutdown()

    def shutdown(self) -> None:
        self.give_up()

    def _tell(self, lost: int) -> None:
        self._lost += lost
        now = time.monotonic()
        if now - self._told >= _TELL_SECONDS:
            logger.warning("the collector takes no traces", extra={"spans_lost": self._lost})
            self._told, self._lost = now, 0


class _TraceIds(logging.Filter):
    """Not a filter: it adds the trace to what is logged while there is one."""

    def filter(self, record: logging.LogRecord) -> bool:
        span = get_current_span().get_span_context()
        if span.is_valid:
            record.trace_id = f"{span.trace_id:032x}"
        return True
