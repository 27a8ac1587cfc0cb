"""The session cookie of this site's own pages: an access token that scripts cannot read."""

from fastapi import Request, Response

from app.bootstrap import House
from app.core.origins import same_origin
from app.dependencies import SESSION_COOKIE
from app.services.signin import TokenPair


def set_session(request: Request, response: Response, house: House, pair: TokenPair) -> None:
    """Not for a page of another site: it could sign its visitor in as somebody else."""
    if same_origin(request.headers):
        _write(response, house, pair.access_token, pair.expires_in)


def clear_session(response: Response, house: House) -> None:
    _write(response, house, "", 0)


def _write(response: Response, house: House, value: str, max_age: int) -> None:
    # A browser replaces a cookie only by one of the same attributes.
    response.set_cookie(
        SESSION_COOKIE,
        value,
        max_age=max_age,
        path="/",
        secure=house.settings.production,
        httponly=True,
        samesite="lax",
    )
