"""What Prometheus reads, for this machine and for whoever has the token."""

import hmac
from collections.abc import Mapping

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from pydantic import SecretStr
from starlette.responses import PlainTextResponse

from app.core.errors import Unauthenticated
from app.core.proxies import parse_address
from app.dependencies import HouseDep

router = APIRouter(tags=["operations"], default_response_class=PlainTextResponse)

# Whoever asks through a proxy on this machine comes from this machine, too; what the proxy adds gives it away.
_FORWARDED = ("forwarded", "via", "x-real-ip", "fly-client-ip", "cf-connecting-ip", "true-client-ip")
_HEADERS = {"Content-Type": CONTENT_TYPE_PLAIN_0_0_4, "Cache-Control": "no-store"}


@router.head("/metrics", include_in_schema=False)
@router.get(
    "/metrics",
    summary="Show counts and measurements",
    response_description="All of them, as Prometheus reads them.",
    responses={401: {"description": "Neither from this machine nor with the right token."}},
    openapi_extra={"security": [{}, {"MetricsToken": []}]},
)
async def metrics(request: Request, house: HouseDep) -> PlainTextResponse:
    """For Prometheus, in its text format.

    Open from the server's own machine; from elsewhere with `Authorization: Bearer <METRICS_TOKEN>`.
    """
    peer = request.client.host if request.client else None
    if not (_from_here(peer, request.headers) or _knows(house.settings.metrics_token, request.headers)):
        raise Unauthenticated
    return PlainTextResponse(await house.exposition.text(), headers=_HEADERS)


def _from_here(peer: str | None, headers: Mapping[str, str]) -> bool:
    """Whether the connection is this machine's own, and nobody else's behind it."""
    if any(name in _FORWARDED or name.startswith("x-forwarded") for name in headers):
        return False
    address = parse_address(peer) if peer else None
    return address is not None and address.is_loopback


def _knows(token: SecretStr | None, headers: Mapping[str, str]) -> bool:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    expected = token.get_secret_value() if token else ""
    # Headers come as Latin-1; with no token nothing is right, an empty one neither.
    right = hmac.compare_digest(given.strip().encode("latin-1"), expected.encode())
    return right and bool(expected) and scheme.lower() == "bearer"
