"""A collector of traces on loopback: it takes OTLP over HTTP apart, or fails as it is told."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector:
    """`received` is all that came, headers too. It answers `status`, once `open` is set."""

    def __init__(self) -> None:
        self.received = b""
        self.batches: list[ExportTraceServiceRequest] = []
        self.asked = 0
        self.status = 200
        self._writers: list[asyncio.StreamWriter] = []
        self.open = asyncio.Event()
        self.open.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.open.set()
        self._server.close()
        for writer in self._writers:
            writer.close()
        await self._server.wait_closed()

    @property
    def spans(self) -> list[Span]:
        return [
            span for batch in self.batches for of in batch.resource_spans for by in of.scope_spans for span in by.spans
        ]

    @property
    def resource(self) -> dict[str, Any]:
        return dict(attributes(self.batches[0].resource_spans[0].resource.attributes))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line.split(b":")[1])
                    for line in head.lower().split(b"\r\n")
                    if line.startswith(b"content-length")
                )
                body = await reader.readexactly(length)
                self.asked += 1
                self.received += head + body
                await self.open.wait()
                if self.status == 200:
                    self.batches.append(ExportTraceServiceRequest.FromString(body))
                writer.write(b"HTTP/1.1 %d Canary\r\nContent-Length: 6\r\n\r\ncanary" % self.status)
                await writer.drain()
        writer.close()


def attributes(of: Any) -> Iterator[tuple[str, Any]]:
    """What a span or a resource says of itself."""
    for each in of:
        yield each.key, getattr(each.value, each.value.WhichOneof("value"))
