"""What this process counts and measures, in a registry of its own that Prometheus reads."""

import asyncio
import platform
from collections.abc import Iterable, Iterator
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from app.core.document_metrics import DocumentMetrics
from app.core.pace import Pace, Tallies
from app.core.traffic import Traffic

_FIRST_TOKEN = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0)
_SAVING = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_LAG = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_OTHER = "other"


class Metrics:
    """The values of labels are a closed list: providers that are configured, our routes, and words of our own.

    Never a model's name or anything else that a user or a vendor writes. What changes on the hot path is in `Pace`.
    """

    def __init__(self, providers: Iterable[str], version: str) -> None:
        self._providers = frozenset(providers)
        registry = self._registry = CollectorRegistry()
        self.open_streams = Gauge("ai_open_streams", "Event streams that are being sent.", registry=registry)
        self.live_generations = Gauge("ai_live_generations", "Generations that run here.", registry=registry)
        self.database_connections = Gauge(
            "ai_database_connections_in_use", "Connections that are taken from the pool.", registry=registry
        )
        self.redis_away = Gauge(
            "ai_redis_away", "1 while this process does without Redis although REDIS_URL is set.", registry=registry
        )
        Gauge("ai_event_loop_tasks", "Tasks of the event loop.", registry=registry).set_function(_tasks)
        self.checkpoint = Histogram(
            "ai_checkpoint_seconds", "To save what live generations gained.", registry=registry, buckets=_SAVING
        )
        self.loop_lag = Histogram(
            "ai_event_loop_lag_seconds", "How late the heartbeat ran.", registry=registry, buckets=_LAG
        )
        self.loop_stalls = Counter(
            "ai_event_loop_stalls", "Times the event loop stood for WATCHDOG_SECONDS.", registry=registry
        )
        self._ended = Counter(
            "ai_generations_ended", "Generations by how they ended.", ("provider", "status", "code"), registry=registry
        )
        self._attempts = Counter(
            "ai_upstream_attempts", "Calls of a model by how they ended.", ("provider", "outcome"), registry=registry
        )
        self._tokens = Counter("ai_tokens", "Tokens, as booked.", ("provider", "direction"), registry=registry)
        self._citations = Counter(
            "ai_citations",
            "Marks in answers from documents; dropped are those that named no source.",
            ("outcome",),
            registry=registry,
        )
        self._rerank_missed = Counter(
            "ai_rerank_missed",
            "Searches that went on in the order found, as the reranker did not help.",
            ("reason",),
            registry=registry,
        )
        self.documents = DocumentMetrics(registry)
        self.index_changes = Gauge(
            "ai_index_changes_waiting", "What the index of documents has yet to learn.", registry=registry
        )
        self.index_away = Gauge("ai_index_away", "1 while this process cannot search in documents.", registry=registry)
        self._indexed = Counter(
            "ai_documents_indexed", "Documents that were made searchable, or not.", ("outcome",), registry=registry
        )
        self._swept = Counter(
            "ai_index_differences",
            "Documents of which the index had points and there were no rows, or the other way round.",
            ("kind",),
            registry=registry,
        )
        self._degraded = Counter(
            "ai_searches_degraded",
            "Searches in documents by their terms alone, for the embedder was away or late.",
            registry=registry,
        )
        self._untrue_quotes = Counter(
            "ai_quotes_dropped", "Passages that were not on their page, and so not shown.", registry=registry
        )
        self._limits_local = Counter(
            "ai_limits_local",
            "Limits that this process looked after alone although REDIS_URL is set.",
            ("reason",),
            registry=registry,
        )
        self._first_token = Histogram(
            "ai_first_token_seconds",
            "From the start of a call to the first token.",
            ("provider",),
            registry=registry,
            buckets=_FIRST_TOKEN,
        )
        self.traffic = Traffic()
        registry.register(self.traffic)
        self._gaps = Tallies("ai_chunk_gap_seconds", "Between chunks of an answer as they arrived.")
        registry.register(self._gaps)
        ProcessCollector(registry=registry)
        Info("ai_build", "What runs here.", registry=registry).info(
            {"version": version, "python": platform.python_version()}
        )
        self._begin_at_zero()

    def pace(self, provider: str) -> Pace:
        """The clock of a call that begins now."""
        label = self._label(provider)
        return Pace(self._first_token.labels(label), self._gaps.of(label))

    def attempt(self, provider: str, outcome: str, *, input_tokens: int, output_tokens: int) -> None:
        """A call of a model has ended and is booked."""
        label = self._label(provider)
        self._attempts.labels(label, outcome).inc()
        self._tokens.labels(label, "input").inc(input_tokens)
        self._tokens.labels(label, "output").inc(output_tokens)

    def rerank_missed(self, reason: str) -> None:
        """A search went on without its reranker: `resting` for a few seconds after a failure, or the failure's code."""
        self._rerank_missed.labels(reason).inc()

    def cited(self, named: int, dropped: int) -> None:
        """An answer named so many of its sources, and so many times one that there is not."""
        self._citations.labels("kept").inc(named)
        self._citations.labels("dropped").inc(dropped)

    def indexed(self, outcome: Literal["ready", "failed"]) -> None:
        """A document was made searchable, or cannot be."""
        self._indexed.labels(outcome).inc()

    def swept(self, orphans: int, missing: int) -> None:
        """The index was compared with the rows."""
        self._swept.labels("orphan").inc(orphans)
        self._swept.labels("missing").inc(missing)

    def searched_without_meaning(self) -> None:
        """There is an embedder, and a search was done without it."""
        self._degraded.inc()

    def dropped_quotes(self, count: int) -> None:
        """Passages were found that their page does not hold."""
        self._untrue_quotes.inc(count)

    def ended(self, provider: str, status: str, code: str | None) -> None:
        """A generation has ended; `code` when it failed."""
        self._ended.labels(self._label(provider), status, code or "none").inc()

    def limited_locally(self, reason: Literal["away", "unreadable"]) -> None:
        """A limit was not counted in Redis, though it should have been."""
        self._limits_local.labels(reason).inc()

    def exposition(self, worker: str | None = None) -> bytes:
        """All of it in Prometheus' text format 0.0.4, the one that every reader takes; each series under this label."""
        return generate_latest(self._registry if worker is None else _Labelled(self._registry, worker))

    def _label(self, provider: str) -> str:
        # Rows in the database may name a provider that is configured no more.
        return provider if provider in self._providers else _OTHER

    def _begin_at_zero(self) -> None:
        """A series that is born with its first count hides that count from `rate()`."""
        self._limits_local.labels("away")
        self._limits_local.labels("unreadable")
        self._rerank_missed.labels("resting")
        self.cited(0, 0)
        self.swept(0, 0)
        self._indexed.labels("ready")
        self._indexed.labels("failed")
        for provider in self._providers:
            self._first_token.labels(provider)
            self._gaps.of(provider)
            self._tokens.labels(provider, "input")
            self._tokens.labels(provider, "output")
            self._attempts.labels(provider, "complete")
            self._ended.labels(provider, "complete", "none")


def _tasks() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:  # read outside of a loop
        return 0


class _Labelled(Collector):
    """The same series with one label more."""

    def __init__(self, whole: Collector, worker: str) -> None:
        self._whole = whole
        self._worker = worker

    def collect(self) -> Iterator[Metric]:
        for family in self._whole.collect():
            labelled = Metric(family.name, family.documentation, family.type)
            labelled.samples = [
                sample._replace(labels={**sample.labels, "worker": self._worker}) for sample in family.samples
            ]
            yield labelled
