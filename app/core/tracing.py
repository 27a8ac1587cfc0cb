"""Traces, where a collector is set for them; else nothing of OpenTelemetry's SDK is so much as imported."""

from typing import Protocol

from opentelemetry.trace import TracerProvider

from app.core.config import StartRefused, TracingSettings


class Tracing(Protocol):
    """Makes spans and sends them."""

    @property
    def provider(self) -> TracerProvider | None:
        """For those who have something to tell; None where nobody listens."""
        ...

    def open(self) -> None:
        """Begin to send."""
        ...

    async def close(self) -> None:
        """Send what still waits, as far as that goes within two seconds."""
        ...


class NoTracing:
    provider = None

    def open(self) -> None:
        pass

    async def close(self) -> None:
        pass


def tracing(settings: TracingSettings, version: str) -> Tracing:
    """As the settings have it; nothing is sent before it is opened. Raises StartRefused."""
    endpoint = settings.traces_endpoint
    if endpoint is None:
        return NoTracing()
    headers = settings.otel_exporter_otlp_headers
    try:
        from app.core.spans import Batches, Spans  # noqa: PLC0415  # 8 MB and 80 ms that nobody else should pay

        return Spans(
            endpoint,
            headers=headers.get_secret_value() if headers else "",
            service=settings.otel_service_name,
            version=version,
            batches=Batches(
                queue=settings.otel_bsp_max_queue_size,
                size=settings.otel_bsp_max_export_batch_size,
                delay_ms=settings.otel_bsp_schedule_delay,
            ),
        )
    except (ValueError, RuntimeError) as error:  # of a variable that is the SDK's own; some it reads when imported
        raise StartRefused(f"OTEL_…: {error}") from error
