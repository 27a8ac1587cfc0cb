"""The credentials that a request brings."""

from fastapi import Request

from app.services.authorization import Credentials

SESSION_COOKIE = "session"
TICKET = "ticket"


def credentials_of(request: Request, *, tickets: bool) -> Credentials:
    """From its headers and its cookie; from its address only where `tickets` are taken, and nothing but those."""
    return Credentials(
        api_key=request.headers.get("x-api-key"),
        bearer=_bearer(request.headers.get("authorization")),
        ticket=request.query_params.get(TICKET) if tickets else None,
        cookie=request.cookies.get(SESSION_COOKIE),
    )


def _bearer(header: str | None) -> str | None:
    """The token; of another scheme nothing, which is no valid token, for a header that is there must be good."""
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
