"""One user's credentials and plain requests: signing up, signing in again, JSON in and out."""

import asyncio
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from tests.chaos.http import Broken, Exchange

PASSWORD = "correct horse 电池"
_PATIENCE = 60.0
"""Seconds in which a plain request has to succeed, whatever is broken."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Of a plain request; status 0 when no whole answer came."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def code(self) -> str | None:
        return self.body.get("code") if self.status >= 400 and isinstance(self.body, dict) else None

    @property
    def retry_after(self) -> float:
        """Seconds, at most 5: nobody waits for longer here."""
        given = self.headers.get("retry-after", "")
        return min(float(given), 5.0) if given.isdecimal() else 0.0


class Account:
    """`number` is what the user's nonces name."""

    def __init__(self, url: str, number: int, rng: random.Random) -> None:
        self.url = url
        self.number = number
        self.email = f"chaos-{number}@example.com"
        self._rng = rng
        self._token = ""
        self._key = ""

    def credentials(self, *, by_key: bool) -> dict[str, str]:
        return {"X-API-Key": self._key} if by_key else {"Authorization": f"Bearer {self._token}"}

    async def sign_up(self) -> None:
        """Register, sign in and make an API key. Raises TimeoutError."""
        wanted = {"email": self.email, "password": PASSWORD}
        await self._until("POST", "/auth/register", wanted, good=(201, 409))
        await self.sign_in()
        made = await self._until("POST", "/users/me/api-keys", {"name": "chaos"}, good=(201,))
        self._key = made.body["key"]

    async def sign_in(self) -> None:
        form = urlencode({"username": self.email, "password": PASSWORD}).encode()
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        signed_in = await self._until("POST", "/auth/login", form, good=(200,), headers=kind)
        self._token = signed_in.body["access_token"]

    async def get(self, path: str) -> Any:
        """A JSON document, read as often as it takes. Raises TimeoutError."""
        return (await self._until("GET", path, None, good=(200,))).body

    async def once(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        by_key: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One try of a plain request."""
        given = {**self.credentials(by_key=by_key), **(headers or {})}
        if not isinstance(body, bytes):
            given["Content-Type"] = "application/json"
        sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        try:
            async with asyncio.timeout(30), Exchange(self.url, method, path, given, sent) as exchange:
                await exchange.head()
                return Answer(exchange.status, await exchange.json(), exchange.headers)
        except (Broken, TimeoutError):
            return Answer(0)

    async def _until(
        self, method: str, path: str, body: Any, *, good: tuple[int, ...], headers: Mapping[str, str] | None = None
    ) -> Answer:
        async with asyncio.timeout(_PATIENCE):
            while True:
                answer = await self.once(method, path, body, headers=headers)
                if answer.status in good:
                    return answer
                if answer.status == 401 and path != "/auth/login":
                    await self.sign_in()
                await asyncio.sleep(answer.retry_after or self._rng.uniform(0.2, 1.0))
