"""Requests by the route that they took, counted at a price that each of them can pay."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from app.core.pace import Tally

OTHER = "other"
"""What stands for an address that no route has, and for a method that nothing here answers."""
UNANSWERED = "none"
"""The status of a request whose client left before its answer began."""

_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


class Traffic(Collector):
    """How many requests there were and how long each waited for the head of its answer.

    A stream's body goes on for minutes, so that its length says nothing of this server. The values of labels are a
    closed list: `route` is a template of our own, never a path; whoever counts sees to that.
    """

    def __init__(self) -> None:
        self._requests: dict[tuple[str, str, str | int], int] = {}
        self._waits: dict[tuple[str, str], Tally] = {}

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """The head of an answer was sent, so many seconds after the request came. 0.5 µs."""
        method = self._count(method, route, status)
        tally = self._waits.get((method, route))
        if tally is None:
            tally = self._waits[method, route] = Tally()
        tally.observe(seconds)

    def unanswered(self, method: str, route: str) -> None:
        """The client left first."""
        self._count(method, route, UNANSWERED)

    def collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "ai_http_requests",
            "Requests by their route and how they were answered.",
            labels=("method", "route", "status"),
        )
        for (method, route, status), count in sorted(self._requests.items(), key=str):
            requests.add_metric((method, route, str(status)), count)
        yield requests
        waits = HistogramMetricFamily(
            "ai_http_response_seconds", "From a request's head to its answer's.", labels=("method", "route")
        )
        for labels, tally in sorted(self._waits.items(), key=lambda each: each[0]):
            waits.add_metric(labels, tally.buckets(), tally.total)
        yield waits

    def _count(self, method: str, route: str, status: str | int) -> str:
        if method not in _METHODS:
            method = OTHER
        series = (method, route, status)
        self._requests[series] = self._requests.get(series, 0) + 1
        return method
