"""Routes for anybody, who is counted by address before a byte of the body is read."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ClassVar

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from app.dependencies.house import house_of
from app.services.limits import Limited

Handle = Callable[[Request], Awaitable[Response]]


class LimitedRoute(APIRoute):
    limited: ClassVar[Limited] = Limited.DEFAULT

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def spend(request: Request) -> Response:
            await house_of(request).limits.spend_by_address(self.limited)
            return await self.serve(request, handle)

        return spend

    async def serve(self, request: Request, handle: Handle) -> Response:
        """Once the request is counted."""
        return await handle(request)


def limited_by_address(limited: Limited) -> type[LimitedRoute]:
    """The class of open routes that spend from this limit, for `APIRouter(route_class=…)`."""
    return type("LimitedRoute", (LimitedRoute,), {"limited": limited})
