"""The needs of routes, by name: the house, who is asking, and routes that ask it first."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, ClassVar

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from fastapi.security import OAuth2PasswordBearer
from starlette.responses import Response

from app.bootstrap import House
from app.core.errors import CrossOrigin, Forbidden, Unauthenticated
from app.core.origins import same_origin
from app.domain.identity import Principal, Role
from app.services.authorization import Credentials, Kind

SESSION_COOKIE = "session"
_HARMLESS = ("GET", "HEAD", "OPTIONS")


async def _house(request: Request) -> House:
    house: House = request.app.state.house
    return house


HouseDep = Annotated[House, Depends(_house)]


class ProtectedRoute(APIRoute):
    """A route that knows who is asking before it reads a byte of the body.

    A dependency would come too late: FastAPI reads and parses the body before it solves dependencies, so that a
    stranger could make us read, and learn from a 422 what we expect.
    """

    costs: ClassVar[bool] = False
    """Whether even a GET costs something, so that a foreign page may not cause it under the cookie."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def authorised(request: Request) -> Response:
            request.state.principal = await _authorise(request, costs=self.costs)
            return await handle(request)

        return authorised


class CostlyRoute(ProtectedRoute):
    """A protected route whose GET starts or spends something."""

    costs = True


async def _authorise(request: Request, *, costs: bool) -> Principal:
    credentials = _credentials(request)
    changes = costs or request.method not in _HARMLESS
    if credentials.kind is Kind.COOKIE and changes and not same_origin(request.headers):
        raise CrossOrigin
    house = await _house(request)
    return await house.authorization.authorise(credentials)


def _credentials(request: Request) -> Credentials:
    return Credentials(
        api_key=request.headers.get("x-api-key"),
        bearer=_bearer(request.headers.get("authorization")),
        cookie=request.cookies.get(SESSION_COOKIE),
    )


def _bearer(header: str | None) -> str | None:
    """The token; of another scheme nothing, which is no valid token, for a header that is there must be good."""
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


class _SignedIn(OAuth2PasswordBearer):
    """Describes how to sign in, for the API reference and its form, and says who has: ProtectedRoute does the work."""

    async def __call__(self, request: Request) -> Principal:  # type: ignore[override]  # where it gives the bare token
        principal: Principal | None = getattr(request.state, "principal", None)
        if principal is None:
            raise Unauthenticated
        return principal


CurrentUser = Annotated[Principal, Depends(_SignedIn(tokenUrl="/auth/login", scheme_name="OAuth2PasswordBearer"))]


async def _admin(principal: CurrentUser) -> Principal:
    if principal.user.role is not Role.ADMIN:
        raise Forbidden
    return principal


AdminUser = Annotated[Principal, Depends(_admin)]
