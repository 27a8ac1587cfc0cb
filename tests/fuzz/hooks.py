"""Who asks, and what we accept on purpose: loaded by schemathesis. FUZZ_ROLE is `anonymous`, `user` or `admin`."""

import os
from functools import cache
from typing import Any
from uuid import uuid4

import httpx
import schemathesis
from schemathesis.core.failures import Failure

ROLE = os.environ["FUZZ_ROLE"]
PASSWORD = os.environ["FUZZ_PASSWORD"]
ADMIN = os.environ["FUZZ_ADMIN"]
HTTP = httpx.Client(base_url=os.environ["FUZZ_URL"], timeout=20, trust_env=False)

Case = schemathesis.Case[Any]

ENDING = (("POST", "/auth/logout"), ("DELETE", "/users/me"))
"""Whoever does this is nobody afterwards."""


def _sign_in(email: str) -> str:
    answer = HTTP.post("/auth/login", data={"username": email, "password": PASSWORD})
    HTTP.cookies.clear()
    token: str = answer.raise_for_status().json()["access_token"]
    return token


def _sign_up() -> str:
    email = f"{uuid4().hex}@example.com"
    HTTP.post("/auth/register", json={"email": email, "password": PASSWORD}).raise_for_status()
    return _sign_in(email)


@cache
def _admin_id() -> str:
    answer = HTTP.get("/users/me", headers={"Authorization": f"Bearer {_sign_in(ADMIN)}"})
    found: str = answer.raise_for_status().json()["id"]
    return found


class SignedIn:
    """One for the whole run; somebody new for what ends a session, and after it was ended on the way."""

    token: str | None = None

    def get(self, case: Case, context: schemathesis.AuthContext) -> str:
        if (case.operation.method.upper(), case.operation.path) in ENDING:
            return _sign_up()
        if SignedIn.token is None:
            SignedIn.token = _sign_in(ADMIN) if ROLE == "admin" else _sign_up()
        return SignedIn.token

    def set(self, case: Case, data: str, context: schemathesis.AuthContext) -> None:
        case.headers["Authorization"] = f"Bearer {data}"


if ROLE != "anonymous":
    schemathesis.auth(refresh_interval=None)(SignedIn)


@schemathesis.hook
def before_load_schema(context: schemathesis.HookContext, raw_schema: dict[str, Any]) -> None:
    # It can leave out and spoil a bearer token, but not one that was got by OAuth2.
    schemes = raw_schema["components"]["securitySchemes"]
    schemes["OAuth2PasswordBearer"] = {"type": "http", "scheme": "bearer"}


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: Case) -> bool:
    """The administrator neither removes nor demotes who the run is signed in as."""
    return ROLE != "admin" or (case.path_parameters or {}).get("user_id") != _admin_id()


@schemathesis.hook
def after_call(context: schemathesis.HookContext, case: Case, response: schemathesis.Response) -> None:
    if response.status_code == 401 and response.request.headers.get("Authorization") == f"Bearer {SignedIn.token}":
        SignedIn.token = None


@schemathesis.hook
def filter_failure(
    context: schemathesis.HookContext, failure: Failure, case: Case, response: schemathesis.Response
) -> bool:
    """Whether it is one."""
    if failure.code == "ST201":  # wrong, and taken
        return not _has_an_empty_value(case)
    if failure.code == "ST202":  # right, and refused
        return not _breaks_a_rule_of_ours(response)
    return True


def _has_an_empty_value(case: Case) -> bool:
    """In a query it is one that a form left out, for forms send every field: we take it for absent."""
    return any(value == "" for value in (case.query or {}).values())


def _breaks_a_rule_of_ours(response: schemathesis.Response) -> bool:
    """One that JSON Schema has no words for: what is an address, a password, a text without NUL. Its own have names."""
    if response.status_code != 422 or "problem" not in str(response.headers.get("content-type")):
        return False
    return any(error["type"] == "value_error" for error in response.json().get("errors", []))
