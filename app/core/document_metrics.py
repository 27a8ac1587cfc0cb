"""What is counted of the reading of documents: how it ends, how long it takes, and how many wait for it."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_READING = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)


class DocumentMetrics:
    """Part of `Metrics`. Without a registry nobody hears of it: a process that serves nothing has none."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.jobs_waiting = Gauge("ai_jobs_waiting", "Documents that nobody reads yet.", registry=registry)
        self._ended = Counter(
            "ai_documents_read", "Documents by how their reading ended.", ("outcome", "code"), registry=registry
        )
        self._pages = Counter(
            "ai_document_pages_read", "Pages of documents that were read, or not.", ("outcome",), registry=registry
        )
        self._seconds = Histogram(
            "ai_document_reading_seconds",
            "From the beginning of a document's reading to the last of its passages.",
            registry=registry,
            buckets=_READING,
        )
        self._begin_at_zero()

    def pages(self, count: int, unreadable: int) -> None:
        """So many pages more were stored, and of so many of them there is no text although something is on them."""
        self._pages.labels("read").inc(count - unreadable)
        self._pages.labels("unreadable").inc(unreadable)

    def read(self, seconds: float, *, whole: bool) -> None:
        """A document was read to its end, and each page if `whole`, in so many seconds of this process."""
        self._ended.labels("whole" if whole else "partly", "none").inc()
        self._seconds.observe(seconds)

    def failed(self, code: str) -> None:
        """A document cannot be read; why, in one of our own words."""
        self._ended.labels("failed", code).inc()

    def put_off(self) -> None:
        """What the reading needs is away; it is tried again."""
        self._ended.labels("put_off", "none").inc()

    def _begin_at_zero(self) -> None:
        """A series that is born with its first count hides that count from `rate()`."""
        for outcome in ("whole", "partly", "put_off"):
            self._ended.labels(outcome, "none")
        # The one failure that is ours.
        self._ended.labels("failed", "internal")
        self.pages(0, 0)
