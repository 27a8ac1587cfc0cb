"""Claims about how refusals are spelled."""

import inspect
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI, Query
from fastapi.routing import APIRouter
from pydantic import BaseModel, ConfigDict

from app import problems
from app.core import errors
from app.core.errors import AppError

CLASSES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, AppError) and kind not in (errors.AnswerFailed, errors.DocumentUnreadable, errors.NotSupported)
]


class Item(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: int
    tag: UUID | None = None


def application() -> FastAPI:
    app = FastAPI()
    problems.install(app)
    router = APIRouter(prefix="/items")

    @router.get("/refused/{code}")
    async def refused(code: str, retry_after: int | None = None) -> None:
        kind = next(kind for kind in CLASSES if kind.__name__ == code)
        raise kind(retry_after=retry_after)

    @router.get("/failed/{code}")
    async def failed(code: str) -> None:
        raise errors.AnswerFailed(code, "The model's answer failed.")

    @router.get("/unreadable/{code}")
    async def unreadable(code: str) -> None:
        raise errors.DocumentUnreadable(code, "It cannot be read.")

    @router.post("/{item_id}")
    async def create(item_id: UUID, item: Item, page: Annotated[int, Query(le=10)] = 1) -> None: ...

    app.include_router(router)
    return app


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application()), base_url="http://test") as client:
        yield client


EXPECTED = {
    "AppError": 500,
    "Invalid": 422,
    "UnknownModel": 422,
    "MessageTooLong": 422,
    "KeyReused": 422,
    "InvalidCursor": 422,
    "MalformedForm": 400,
    "NotAForm": 415,
    "TooLarge": 413,
    "StorageQuotaExceeded": 413,
    "InvalidEventId": 400,
    "Unauthenticated": 401,
    "BadCredentials": 401,
    "Forbidden": 403,
    "CrossOrigin": 403,
    "RegistrationClosed": 403,
    "NotFound": 404,
    "Gone": 410,
    "Conflict": 409,
    "EmailTaken": 409,
    "LastAdmin": 409,
    "ConversationBusy": 409,
    "RefreshInProgress": 409,
    "IdempotencyInProgress": 409,
    "AlreadyMade": 409,
    "TooManyKeys": 409,
    "TooMany": 429,
    "TooManyGenerations": 429,
    "ExportRunning": 429,
    "TooManyDownloads": 429,
    "Unavailable": 503,
    "DatabaseUnavailable": 503,
    "Draining": 503,
    "Overloaded": 503,
    "StorageUnavailable": 503,
    "StorageFull": 507,
    "FileUnreadable": 500,
    "RangeNotSatisfiable": 416,
}


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
async def test_every_refusal_has_its_status_and_form(client: httpx.AsyncClient, kind: type[AppError]) -> None:
    answer = await client.get(f"/items/refused/{kind.__name__}")
    body = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert body.keys() == {"type", "title", "status", "detail", "code", "request_id"}
    assert (body["status"], body["code"], body["detail"]) == (answer.status_code, kind.code, kind.default_detail)
    # A new class gets the status of its parent; whether that was meant is said here.
    assert answer.status_code == EXPECTED.get(kind.__name__, problems.status_of(kind()))
    assert answer.status_code != 500 or kind in (AppError, errors.FileUnreadable)
    assert ("www-authenticate" in answer.headers) is (answer.status_code == 401)
    assert ("retry-after" in answer.headers) is (answer.status_code in (429, 503))
    assert ("connection" in answer.headers) is (kind is errors.Draining)


async def test_a_document_that_cannot_be_read_says_why_in_its_code(client: httpx.AsyncClient) -> None:
    answer = await client.get("/items/unreadable/encrypted")
    assert (answer.status_code, answer.json()["code"]) == (422, "encrypted")
    assert answer.json()["errors"][0]["loc"] == ["body", "file"]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("upstream_error", 502),
        ("upstream_auth", 502),
        ("upstream_cut", 502),
        ("upstream_protocol", 502),
        ("upstream_rate_limited", 503),
        ("upstream_overloaded", 503),
        ("instance_lost", 503),
        ("instance_draining", 503),
        ("upstream_timeout", 504),
        ("context_too_long", 422),
        ("refused", 422),
        ("internal", 500),
    ],
)
async def test_a_failed_answer_has_its_own_code_and_a_status_by_it(
    client: httpx.AsyncClient, code: str, status: int
) -> None:
    answer = await client.get(f"/items/failed/{code}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert ("retry-after" in answer.headers) is (status == 503)


async def test_a_refusal_says_when_to_come_back(client: httpx.AsyncClient) -> None:
    answer = await client.get("/items/refused/TooMany?retry_after=17")
    assert answer.headers["retry-after"] == "17"


async def test_an_impossible_id_is_answered_like_an_unknown_one(client: httpx.AsyncClient) -> None:
    answer = await client.post("/items/canary", json={"size": "canary"})
    unknown = await client.get("/items/refused/NotFound")
    assert (answer.status_code, answer.json()) == (404, unknown.json())


@pytest.mark.parametrize(
    ("body", "query", "loc", "kind"),
    [
        ({"size": "canary"}, "", ["body", "size"], "int_parsing"),
        ({}, "", ["body", "size"], "missing"),
        ({"size": 1, "canary-key": "canary"}, "", ["body", "canary-key"], "extra_forbidden"),
        ({"size": 1, "\ud800": "canary"}, "", ["body"], "string_unicode"),
        ({"size": 1, "tag": "canary-zzz"}, "", ["body", "tag"], "uuid_parsing"),
        ({"size": 1}, "?page=canary", ["query", "page"], "int_parsing"),
        ({"size": 1}, "?page=99", ["query", "page"], "less_than_equal"),
    ],
    ids=str,
)
async def test_a_finding_names_the_place_and_never_the_value(
    client: httpx.AsyncClient, body: dict[str, Any], query: str, loc: list[str], kind: str
) -> None:
    answer = await client.post(
        f"/items/{UUID(int=1)}{query}", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")
    (finding,) = answer.json()["errors"]
    assert finding.keys() == {"loc", "msg", "type"}
    assert (finding["loc"], finding["type"]) == (loc, kind)
    assert "canary" not in finding["msg"]
    assert "z" not in finding["msg"]


async def test_findings_are_few_and_short(client: httpx.AsyncClient) -> None:
    body = {f"{number}" + "k" * 5000: 1 for number in range(300)}
    answer = await client.post(f"/items/{UUID(int=1)}", json=body)
    assert answer.status_code == 422
    assert len(answer.content) < 20_000


async def test_an_unknown_path_and_a_wrong_method_are_problems(client: httpx.AsyncClient) -> None:
    unknown = await client.get("/canary")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    wrong = await client.delete("/items/refused/NotFound")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "GET"
    for answer in (unknown, wrong):
        assert answer.headers["content-type"] == "application/problem+json"
        assert "canary" not in answer.text
