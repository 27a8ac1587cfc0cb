"""Routes that know who is asking, and whether they may, before they read a byte of the body.

A dependency would come too late: FastAPI reads and parses the body before it solves dependencies, so that a stranger
could make us read, and learn from a 422 what we expect.
"""

import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from fastapi import Depends, Request, Security
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader, OAuth2PasswordBearer
from starlette.responses import Response

from app.bootstrap import House
from app.core.errors import CrossOrigin, Forbidden, InsufficientScope, SignInRequired, Unauthenticated
from app.core.origins import same_origin
from app.dependencies import door_bodies
from app.dependencies.credentials import credentials_of
from app.dependencies.house import house_of
from app.domain.identity import Principal, Scope
from app.services.authorization import Credentials, Kind
from app.services.limits import Limited

LAST_EVENT_ID = "last-event-id"
_HARMLESS = ("GET", "HEAD", "OPTIONS")
_GOOD_FOR = 0.5
"""Seconds after which rights are looked at again, once the body is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a route asks of whoever calls it, beside a valid credential."""

    scopes: frozenset[Scope] = frozenset()
    """What an API key must be good for; a sign-in is good for all that its user may."""
    admin: bool = False
    in_person: bool = False
    """A sign-in: what no key may do, however much it may."""
    costs: bool = False
    """Whether even a GET costs something, so that a foreign page may not cause it under the cookie."""
    tickets: bool = False
    """Whether `?ticket=` stands for a header, which EventSource cannot send."""
    limited: Limited = Limited.DEFAULT
    """What a request counts against. AI is counted by the service, which knows whether a model is to be called."""


class AdmittedRoute(APIRoute):
    need: ClassVar[Need] = Need()

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def admit(request: Request) -> Response:
            principal = await _admit(request, self.need)
            request.state.admission = _Admission(self.need, principal, time.monotonic())
            return await handle(await door_bodies.read(request, self, principal.user.id))

        return admit


def admitted(
    *scopes: Scope,
    admin: bool = False,
    in_person: bool = False,
    costs: bool = False,
    tickets: bool = False,
    limited: Limited = Limited.DEFAULT,
) -> type[AdmittedRoute]:
    """The class of routes that ask this of their callers, for `APIRouter(route_class=…)`."""
    need = Need(
        scopes=frozenset(scopes), admin=admin, in_person=in_person, costs=costs, tickets=tickets, limited=limited
    )
    return type("AdmittedRoute", (AdmittedRoute,), {"need": need})


@dataclass(frozen=True, slots=True)
class _Admission:
    """Who was let in to what, and when by the monotonic clock."""

    need: Need
    principal: Principal
    at: float


async def _admit(request: Request, need: Need) -> Principal:
    credentials = credentials_of(request, tickets=need.tickets)
    changes = need.costs or request.method not in _HARMLESS
    if credentials.kind is Kind.COOKIE and changes and not same_origin(request.headers):
        raise CrossOrigin
    principal = await _authorise(house_of(request), credentials)
    await house_of(request).limits.spend(Limited.DEFAULT, _counted_as(principal, need, request))
    _judge(principal, need)
    return principal


def _counted_as(principal: Principal, need: Need, request: Request) -> str:
    """Requests that may call a model have their own limit, and are not counted with the others; but those that are
    refused before, or get an earlier answer once more, must not be free either."""
    own = need.limited is Limited.AI and LAST_EVENT_ID not in request.headers  # with which nothing is begun
    return f"{principal.limit_key}/ai" if own else principal.limit_key


async def _authorise(house: House, credentials: Credentials) -> Principal:
    """Who is asking. Whoever cannot say so is counted by address: Unauthenticated, and in the end TooMany."""
    try:
        return await house.authorization.authorise(credentials)
    except Unauthenticated:
        await house.limits.spend_by_address(Limited.DEFAULT)
        raise


def _judge(principal: Principal, need: Need) -> None:
    """Raises InsufficientScope, SignInRequired or Forbidden."""
    if need.in_person and not principal.signed_in:
        raise SignInRequired
    if not need.scopes <= principal.grants.scopes:
        raise InsufficientScope
    if need.admin and not principal.is_admin:
        raise Forbidden


class _SignedIn(OAuth2PasswordBearer):
    """Describes how to sign in, for the API reference and its form, and says who has: AdmittedRoute does the work."""

    async def __call__(self, request: Request) -> Principal:  # type: ignore[override]  # where it gives the bare token
        return await still_admitted(request)


async def still_admitted(request: Request) -> Principal:
    """Who was let in, by the rights that are left now: for routes that have read a body by themselves, too."""
    admission: _Admission | None = getattr(request.state, "admission", None)
    if admission is None:
        raise Unauthenticated
    if time.monotonic() - admission.at <= _GOOD_FOR:
        return admission.principal
    # The body took its time, and by now they may be gone.
    credentials = credentials_of(request, tickets=admission.need.tickets)
    principal = await house_of(request).authorization.authorise(credentials)
    _judge(principal, admission.need)
    return principal


_BY_TOKEN = _SignedIn(
    tokenUrl="/auth/login", scheme_name="OAuth2PasswordBearer", description="Sign in with address and password."
)
_BY_KEY = APIKeyHeader(name="X-API-Key", scheme_name="APIKey", description="An API key.", auto_error=False)


async def _principal(
    principal: Annotated[Principal, Depends(_BY_TOKEN)], _: Annotated[str | None, Security(_BY_KEY)]
) -> Principal:
    return principal


CurrentUser = Annotated[Principal, Depends(_principal)]
