"""The credentials that a request brings."""

from fastapi import Request

from app.services.authorization import Credentials

SESSION_COOKIE = "session"
TICKET = "ticket"


def credentials_of(request: Request, *, tickets: bool) -> Credentials:
    """From its headers and its cookie; from its address only where `tickets` are taken, and nothing but those."""
    return Credentials(
        api_key=_only(request.headers.getlist("x-api-key")),
        bearer=_bearer(_only(request.headers.getlist("authorization"))),
        ticket=request.query_params.get(TICKET) if tickets else None,
        cookie=request.cookies.get(SESSION_COOKIE),
    )


def _only(values: list[str]) -> str | None:
    """Of several, which a proxy and we might choose from differently, nothing, which is not valid."""
    return None if not values else values[0] if len(values) == 1 else ""


def _bearer(header: str | None) -> str | None:
    """The token; of another scheme nothing, which is no valid token, for a header that is there must be good."""
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
