"""What Prometheus reads, as Prometheus takes it apart."""

from typing import Self

import httpx
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from app.core.metrics import Metrics
from tests.backend import PLAIN, Client


class Scrape:
    def __init__(self, text: str) -> None:
        self.text = text
        self.families: list[Metric] = list(text_string_to_metric_families(text))

    @classmethod
    async def of(cls, server: Client) -> Self:
        async with httpx.AsyncClient(base_url=server.url, trust_env=False, verify=PLAIN) as http:
            answer = await http.get("/metrics")
        assert answer.status_code == 200, answer.text
        return cls(answer.text)

    @classmethod
    def straight(cls, metrics: Metrics) -> Self:
        """Without a server."""
        return cls(metrics.exposition().decode())

    def value(self, name: str, **labels: str) -> float:
        """The sum of the series with this name and at least these labels; 0 where there is none."""
        return sum(
            sample.value
            for family in self.families
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )
