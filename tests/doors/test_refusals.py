"""Claims about how each door refuses: in its own protocol's words, whatever was refused and by whom."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRouter
from pydantic import Field

from app import problems
from app.core import errors
from app.core.config import Settings
from app.core.errors import AnswerFailed, AppError, NotSupported, UnknownModel
from app.core.serving import Standing, served
from app.core.traffic import Traffic
from app.middleware import middleware
from app.schemas.doors import DoorBody, Items, JsonObject, Text
from app.wire.refusals import anthropic_error, ollama_error, openai_error
from tests.doors.conftest import Service

OPENAI, RESPONSES, ANTHROPIC, OLLAMA, UI, OWN = DOORS = (
    "/v1/chat",
    "/v1/responses",
    "/v1/messages",
    "/ollama/api",
    "/ai/ui",
    "/own",
)
REFUSALS: dict[str, AppError] = {
    "key": errors.Unauthenticated(),
    "scope": errors.InsufficientScope(),
    "model": UnknownModel(name="x"),
    "too-long": AnswerFailed("context_too_long", "It is too long."),
    "message": errors.MessageTooLong(),
    "field": errors.Invalid("A picture is one of these.", field="messages[2].content[0].image_url"),
    "tools": NotSupported("parallel_calls"),
    "stop": NotSupported("stop"),
    "format": NotSupported("json_schema"),
    "seed": NotSupported("seed"),
    "rate": errors.TooMany(limit=5, retry_after=66),
    "slots": errors.TooManyGenerations(limit=8, retry_after=2),
    "busy": errors.ConversationBusy(),
    "made": errors.AlreadyMade(),
    "rejected": AnswerFailed("upstream_error", "The provider rejected the request.", rejected=True),
    "upstream": AnswerFailed("upstream_error", "The provider failed."),
    "stored": AnswerFailed("upstream_error", "The provider failed.", stored=True),
    "auth": AnswerFailed("upstream_auth", "The provider does not accept our key."),
    "loaded": AnswerFailed("upstream_overloaded", "The provider is overloaded.", retry_after=3),
    "late": AnswerFailed("upstream_timeout", "The provider did not answer in time."),
    "refused": AnswerFailed("refused", "The provider refused."),
    "database": errors.DatabaseUnavailable(),
    "ours": AppError(),
}


class PartGiven(DoorBody):
    text: Text


class MessageGiven(DoorBody):
    role: Text
    content: Text | Items[PartGiven] | None = None


class BodyGiven(DoorBody):
    messages: Annotated[Items[MessageGiven], Field(min_length=1)]
    temperature: Annotated[float, Field(le=2)] | None = None
    more: JsonObject | None = None


ROUTER = APIRouter()


@ROUTER.get("/refused/{name}")
async def refused(name: str) -> None:
    raise REFUSALS[name]


@ROUTER.get("/standing")
async def standing() -> None:
    served().standing = Standing(limit=20, remaining=19, resets_in=66)


@ROUTER.get("/broken")
async def broken() -> None:
    raise RuntimeError("canary")


@ROUTER.post("/body")
async def body(_: BodyGiven, number: int = 0) -> int:
    return number


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(
        _env_file=None, max_body_bytes=2000, max_door_body_bytes=5000, cors_origins="https://page.example"
    )
    app = FastAPI(middleware=middleware(settings, problems.internal_error, Traffic()))
    problems.install(app)
    for prefix in DOORS:
        app.include_router(ROUTER, prefix=prefix)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


@pytest.mark.parametrize(
    ("name", "status", "kind", "code", "param"),
    [
        ("key", 401, "invalid_request_error", "invalid_api_key", None),
        ("scope", 403, "invalid_request_error", "insufficient_scope", None),
        ("model", 404, "invalid_request_error", "model_not_found", "model"),
        ("too-long", 400, "invalid_request_error", "context_length_exceeded", "messages"),
        ("message", 400, "invalid_request_error", "context_length_exceeded", "messages"),
        ("field", 400, "invalid_request_error", None, "messages[2].content[0].image_url"),
        ("tools", 400, "invalid_request_error", "unsupported_parameter", "parallel_tool_calls"),
        ("stop", 400, "invalid_request_error", "unsupported_parameter", "stop"),
        ("format", 400, "invalid_request_error", "unsupported_parameter", "response_format"),
        ("rate", 429, "rate_limit_error", "rate_limit_exceeded", None),
        ("slots", 429, "rate_limit_error", "rate_limit_exceeded", None),
        ("busy", 409, "invalid_request_error", "conversation_busy", None),
        ("rejected", 400, "invalid_request_error", None, None),
        ("upstream", 502, "server_error", "upstream_error", None),
        ("loaded", 503, "server_error", "upstream_overloaded", None),
        ("late", 504, "server_error", "upstream_timeout", None),
        ("refused", 400, "invalid_request_error", "content_policy_violation", None),
        ("database", 503, "server_error", "database_unavailable", None),
        ("ours", 500, "server_error", "internal", None),
    ],
)
async def test_openais_clients_are_refused_in_its_words(
    client: httpx.AsyncClient, name: str, status: int, kind: str, code: str | None, param: str | None
) -> None:
    answer = await client.get(f"{OPENAI}/refused/{name}")
    error = answer.json()["error"]
    assert answer.json().keys() == {"error"}
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    assert error.keys() == {"message", "type", "param", "code"}
    assert (error["type"], error["code"], error["param"]) == (kind, code, param)
    assert error["message"]


@pytest.mark.parametrize(
    ("name", "status", "kind", "words"),
    [
        ("key", 401, "authentication_error", ""),
        ("scope", 403, "permission_error", ""),
        ("model", 404, "not_found_error", "model: x"),
        ("too-long", 400, "invalid_request_error", "prompt is too long"),
        ("field", 400, "invalid_request_error", "messages[2].content[0].image_url: A picture"),
        ("stop", 400, "invalid_request_error", ": stop_sequences."),
        ("busy", 409, "conflict_error", ""),
        ("rate", 429, "rate_limit_error", ""),
        ("rejected", 400, "invalid_request_error", "rejected"),
        ("upstream", 502, "api_error", ""),
        ("loaded", 529, "overloaded_error", ""),
        ("late", 504, "timeout_error", ""),
        ("database", 503, "overloaded_error", ""),
        ("ours", 500, "api_error", ""),
    ],
)
async def test_anthropics_clients_are_refused_in_its_words(
    client: httpx.AsyncClient, name: str, status: int, kind: str, words: str
) -> None:
    answer = await client.get(f"{ANTHROPIC}/refused/{name}")
    told = answer.json()
    assert (answer.status_code, told["type"], told["error"]["type"]) == (status, "error", kind)
    assert words in told["error"]["message"]
    assert told["request_id"] == answer.headers["request-id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("key", 401, "Valid credentials are required."),
        ("model", 404, "model 'x' not found"),
        ("too-long", 400, "It is too long."),
        ("seed", 400, "The chosen model cannot do this: options.seed."),
        ("rate", 429, "Too many requests."),
        ("rejected", 400, "The provider rejected the request."),
        ("loaded", 503, "The provider is overloaded."),
    ],
)
async def test_ollamas_clients_are_told_in_one_string(
    client: httpx.AsyncClient, name: str, status: int, words: str
) -> None:
    answer = await client.get(f"{OLLAMA}/refused/{name}")
    assert (answer.status_code, answer.json()) == (status, {"error": words})


async def test_use_chat_which_shows_the_whole_body_gets_a_sentence(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{UI}/refused/slots")
    assert (answer.status_code, answer.text) == (429, "Too many answers are being written at once.")
    assert answer.headers["content-type"].startswith("text/plain")
    wrong = await client.post(f"{UI}/body", json={"messages": [{}]})
    assert (wrong.status_code, wrong.text) == (422, "messages[0].role: Field required")


async def test_all_else_is_a_problem_as_ever(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{OWN}/refused/model")
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_model")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "request-id" not in answer.headers
    rejected = await client.get(f"{OWN}/refused/rejected")
    assert rejected.status_code == 502
    for near in ("/v1x", "/ollamas", "/ai/uix", "/messages"):
        assert (await client.get(near)).headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("given", "param", "words"),
    [
        ({}, "messages", "messages: Field required"),
        ({"messages": None}, "messages", "messages: Field required"),
        ({"messages": []}, "messages", "messages: List should have at least 1 item"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content", "valid string; or: "),
        (
            {"messages": [{"role": "u"}, {"role": "u", "content": [{"x": 1}]}]},
            "messages[1].content[0].text",
            "required",
        ),
        ({"messages": [{"role": "u", "content": "a\x00"}]}, "messages[0].content", "NUL"),
        ({"messages": [{"role": "u", "content": "\ud800"}]}, "messages[0].content", "surrogates"),
        ({"messages": [{"role": "u"}], "temperature": 9}, "temperature", "temperature: "),
        ({"messages": [{"role": "u"}], "more": {"a": ["\x00"]}}, "more", "NUL"),
        ([], None, "The body must be a JSON object."),
    ],
)
async def test_a_fault_of_the_body_is_told_with_its_place(
    client: httpx.AsyncClient, given: Any, param: str | None, words: str
) -> None:
    sent: Any = {"content": json.dumps(given), "headers": {"Content-Type": "application/json"}}
    answer = await client.post(f"{OPENAI}/body", **sent)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["code"], error["param"]) == (
        400,
        "invalid_request_error",
        None,
        param,
    )
    assert words in error["message"]
    anthropic = await client.post(f"{ANTHROPIC}/body", **sent)
    ollama = await client.post(f"{OLLAMA}/body", **sent)
    assert anthropic.status_code == ollama.status_code == 400
    assert anthropic.json()["error"]["message"] == ollama.json()["error"] == error["message"]


async def test_what_a_door_does_not_know_or_is_null_is_passed_over(client: httpx.AsyncClient) -> None:
    given = {"messages": [{"role": "u", "content": None, "name": "x"}], "temperature": None, "store": True}
    assert (await client.post(f"{OPENAI}/body", json=given)).status_code == 200


async def test_a_fault_of_the_query_is_told_with_its_name(client: httpx.AsyncClient) -> None:
    answer = await client.post(f"{OPENAI}/body?number=x", json={"messages": [{"role": "u"}]})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "number")


@pytest.mark.parametrize(
    ("method", "path", "sent", "status"),
    [
        ("GET", "/nowhere", {}, 404),
        ("DELETE", "/body", {}, 405),
        ("POST", "/body", {"content": b"{", "headers": {"Content-Type": "application/json"}}, 400),
        ("POST", "/body", {"content": b"[" * 4000, "headers": {"Content-Type": "application/json"}}, 400),
        ("POST", "/body", {"content": b"\xff", "headers": {"Content-Type": "application/json"}}, 400),
        ("POST", "/body", {"content": b"<a/>", "headers": {"Content-Type": "text/xml"}}, 415),
        ("POST", "/body", {"content": b"x" * 5001, "headers": {"Content-Type": "application/json"}}, 413),
        ("GET", "/broken", {}, 500),
    ],
    ids=["unknown", "method", "json", "deep", "utf-8", "type", "long", "broken"],
)
async def test_what_the_framework_refuses_is_spelled_alike(
    client: httpx.AsyncClient, method: str, path: str, sent: dict[str, Any], status: int
) -> None:
    answers = {door: await client.request(method, door + path, **sent) for door in (OPENAI, ANTHROPIC, OLLAMA)}
    assert {answer.status_code for answer in answers.values()} == {status}
    assert answers[OPENAI].json()["error"].keys() == {"message", "type", "param", "code"}
    assert answers[ANTHROPIC].json()["error"].keys() == {"type", "message"}
    assert isinstance(answers[OLLAMA].json()["error"], str)
    for answer in answers.values():
        assert "canary" not in answer.text
        assert ("allow" in answer.headers) is (status == 405)


async def test_bodies_are_longer_at_the_doors_alone(client: httpx.AsyncClient) -> None:
    given = {"messages": [{"role": "u", "content": "x" * 3000}]}
    assert (await client.post(f"{OPENAI}/body", json=given)).status_code == 200
    assert (await client.post(f"{OWN}/body", json=given)).status_code == 413


async def test_what_both_have_is_refused_as_the_version_asks(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/models/nowhere", headers={"anthropic-version": "2023-06-01"})
    assert answer.json()["error"]["type"] == "not_found_error"
    assert (await client.get("/v1/models/nowhere")).json()["error"]["type"] == "invalid_request_error"


async def test_a_field_has_the_name_that_its_door_gives_it(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{RESPONSES}/refused/format")
    assert answer.json()["error"]["param"] == "text.format"
    assert answer.json()["error"]["message"].endswith(": text.format.")
    assert (await client.get(f"{RESPONSES}/refused/too-long")).json()["error"]["param"] == "input"


@pytest.mark.parametrize(
    ("name", "advice"),
    [("busy", "true"), ("made", "false"), ("auth", "false"), ("upstream", None), ("stored", "false"), ("rate", None)],
)
@pytest.mark.parametrize("door", [OPENAI, ANTHROPIC])
async def test_clients_that_repeat_by_themselves_are_told_what_a_repeat_does_not_mend(
    client: httpx.AsyncClient, door: str, name: str, advice: str | None
) -> None:
    answer = await client.get(f"{door}/refused/{name}")
    assert answer.headers.get("x-should-retry") == advice


async def test_a_refusal_says_who_may_ask_and_when(client: httpx.AsyncClient) -> None:
    for door in (OPENAI, ANTHROPIC, OLLAMA, UI):
        assert (await client.get(f"{door}/refused/key")).headers["www-authenticate"] == "Bearer"
        assert (await client.get(f"{door}/refused/rate")).headers["retry-after"] == "66"


async def test_where_one_stands_is_told_in_openais_headers(client: httpx.AsyncClient) -> None:
    headers = (await client.get(f"{OPENAI}/standing")).headers
    assert headers["request-id"] == headers["x-request-id"]
    assert headers["openai-processing-ms"].isdecimal()
    told = [headers[f"x-ratelimit-{name}-requests"] for name in ("limit", "remaining", "reset")]
    assert told == ["20", "19", "1m6s"]
    assert headers["ratelimit-limit"] == "20"
    refused = (await client.get(f"{OPENAI}/refused/rate")).headers
    assert [refused[f"x-ratelimit-{name}-requests"] for name in ("limit", "remaining", "reset")] == ["5", "0", "1m6s"]


async def test_where_one_stands_is_told_in_anthropics_headers(client: httpx.AsyncClient) -> None:
    headers = (await client.get(f"{ANTHROPIC}/standing")).headers
    told = [headers[f"anthropic-ratelimit-requests-{name}"] for name in ("limit", "remaining", "reset")]
    assert told[:2] == ["20", "19"]
    assert told[2].endswith("Z")
    assert "openai-processing-ms" not in headers


async def test_an_sdk_in_a_browser_may_send_and_read_its_headers(client: httpx.AsyncClient) -> None:
    origin = {"Origin": "https://page.example"}
    sent = "authorization, x-api-key, anthropic-version, anthropic-dangerous-direct-browser-access, openai-project"
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": f"{sent}, x-stainless-lang"}
    assert (await client.options(f"{OPENAI}/body", headers=origin | asked)).status_code == 200
    exposed = (await client.get(f"{OPENAI}/standing", headers=origin)).headers["access-control-expose-headers"]
    assert {"request-id", "x-ratelimit-reset-requests", "retry-after"} <= set(exposed.lower().split(", "))


def test_an_error_within_a_stream_has_the_same_words() -> None:
    assert openai_error("upstream_cut", "It broke off.") == {
        "error": {"message": "It broke off.", "type": "server_error", "param": None, "code": "upstream_cut"}
    }
    rejected = openai_error("upstream_error", "It was rejected.", rejected=True)["error"]
    assert (rejected["type"], rejected["code"]) == ("invalid_request_error", None)
    assert anthropic_error("upstream_overloaded", "Busy.")["error"] == {"type": "overloaded_error", "message": "Busy."}
    assert ollama_error("internal", "Ours.") == {"error": "Ours."}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/ollama/api/chat", "/ai/ui/chat"])
async def test_a_stranger_learns_nothing_and_how_to_come_in(patient: Service, path: str) -> None:
    async with httpx.AsyncClient(base_url=patient.backend.url, trust_env=False) as stranger:
        answer = await stranger.post(path, content=b"{", headers={"Content-Type": "application/json"})
        unknown = await stranger.post(f"{path}/nowhere", json={})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert "Valid credentials are required." in answer.text
    assert unknown.status_code == 404


async def test_anthropics_clients_may_bring_their_key_in_its_header(patient: Service) -> None:
    made = await patient.alice.http.post("/users/me/api-keys", json={"name": "sdk"})
    assert made.status_code in (201, 403), made.text
    token = patient.alice.token
    async with httpx.AsyncClient(base_url=patient.backend.url, trust_env=False) as client:
        by_key = await client.post("/v1/messages", json={}, headers={"x-api-key": made.json()["key"]})
        by_token = await client.post("/v1/messages", json={}, headers={"Authorization": f"Bearer {token}"})
    assert by_key.status_code == by_token.status_code == 400
    assert by_key.json()["error"]["type"] == "invalid_request_error"
