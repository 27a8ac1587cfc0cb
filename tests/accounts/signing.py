"""Signing in as a client that keeps all it is given: both tokens, and the cookie apart from them."""

from dataclasses import dataclass
from typing import Any

import httpx

from tests.backend import PASSWORD, PLAIN, Client, User


@dataclass(frozen=True)
class SignIn:
    """One sign-in, and how its credentials are shown to any instance."""

    email: str
    access: str
    refresh: str
    cookie: str

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access}"}

    @property
    def under_cookie(self) -> dict[str, str]:
        return {"Cookie": f"session={self.cookie}"}


async def sign_in(backend: Client, user: User, *, agent: str = "tests") -> SignIn:
    """Once more, as from another device."""
    async with httpx.AsyncClient(base_url=backend.url, timeout=60, trust_env=False, verify=PLAIN) as http:
        form = {"username": user.email, "password": PASSWORD}
        answer = await http.post("/auth/login", data=form, headers={"User-Agent": agent})
        assert answer.status_code == 200, answer.text
        body = answer.json()
        return SignIn(user.email, body["access_token"], body["refresh_token"], http.cookies["session"])


async def ask(backend: Client, method: str, path: str, **request: Any) -> httpx.Response:
    """One request of a client that has nothing but what the request says."""
    async with httpx.AsyncClient(base_url=backend.url, timeout=60, trust_env=False, verify=PLAIN) as http:
        return await http.request(method, path, **request)


async def new_key(backend: Client, headers: dict[str, str], **body: Any) -> dict[str, Any]:
    """An API key, as its maker is told of it."""
    answer = await ask(backend, "POST", "/users/me/api-keys", json={"name": "tests", **body}, headers=headers)
    assert answer.status_code == 201, answer.text
    key: dict[str, Any] = answer.json()
    return key


async def new_ticket(backend: Client, headers: dict[str, str]) -> str:
    answer = await ask(backend, "POST", "/auth/ticket", headers=headers)
    assert answer.status_code == 200, answer.text
    ticket: str = answer.json()["ticket"]
    return ticket


def is_problem(answer: httpx.Response, status: int, code: str) -> bool:
    assert answer.headers.get("content-type") == "application/problem+json", (answer.status_code, answer.text)
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code), answer.text
    return True
