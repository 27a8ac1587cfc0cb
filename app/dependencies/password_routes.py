"""Routes that hash a password for anybody: counted by address, and turned away while there is no room."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from starlette.responses import Response

from app.core.errors import Overloaded, TooMany
from app.dependencies.house import house_of
from app.dependencies.limiting import Handle, LimitedRoute
from app.services.limits import Limited


class PasswordRoute(LimitedRoute):
    """Whoever is turned away is so before the form is read, and has to come back with another connection.

    What an idle connection holds, some 60 objects, the garbage collector looks through while all streams wait: with
    2,000 who were turned away and stayed 0.2 s at a time, about once a second (measured).
    """

    limited = Limited.AUTH

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def admit(request: Request) -> Response:
            try:
                with house_of(request).passwords.entrance():
                    pass  # no room for those who are here already: not worth a look at the rest
                return await handle(request)
            except (Overloaded, TooMany) as refusal:
                refusal.hangs_up = True
                raise

        return admit

    async def serve(self, request: Request, handle: Handle) -> Response:
        """With the whole body: who sends it a byte at a time must not keep a place from others meanwhile."""
        await request.body()
        with house_of(request).passwords.entrance():
            return await handle(request)
