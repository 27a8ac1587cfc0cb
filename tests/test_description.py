"""Claims about the API description: it is valid, small, and says of each route all that it may answer."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from app import problems
from app.core.config import Settings
from app.main import create_app

Json = dict[str, Any]
LIMIT_HEADERS = {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"}
OTHER_IDS = ("request_id", "client_id", "ModelAnswer/id", "schema/id", "ToolUseBlock/id", "tool_use_id")
"""Which are no UUIDs: a request's, an OAuth2 client's, a model's, an event's, a tool's call's."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    folder: Path = tmp_path_factory.mktemp("description")
    return create_app(Settings(_env_file=None, data_dir=folder, database_url=f"sqlite:///{folder}/app.db"))


@pytest.fixture(scope="module")
def document(app: FastAPI) -> Json:
    """As a client gets it."""
    described: Json = json.loads(json.dumps(app.openapi()))
    return described


def operations(document: Json) -> Iterator[tuple[str, Json]]:
    for path, described in document["paths"].items():
        for method, operation in described.items():
            yield f"{method.upper()} {path}", operation


def resolved(document: Json, part: Json) -> Json:
    name = part.get("$ref", "")
    for step in filter(None, name.removeprefix("#").split("/")):
        document = document[step]
    return document if name else part


def test_it_is_valid(document: Json) -> None:
    absolute = json.loads(json.dumps(document))
    # Where it is served from, it cannot know; so this address is relative, which the letter of the standard has not.
    absolute["components"]["securitySchemes"]["OAuth2PasswordBearer"]["flows"]["password"]["tokenUrl"] = (
        "https://x.test/"
    )
    schemathesis.openapi.from_dict(absolute).validate()


def test_the_frameworks_own_errors_are_not_in_it(document: Json) -> None:
    assert "ValidationError" not in json.dumps(document)


def test_it_refers_only_to_what_it_has(document: Json) -> None:
    for name in re.findall(r'"\$ref": "([^"]+)"', json.dumps(document)):
        assert resolved(document, {"$ref": name})


def test_it_is_small_enough_to_be_read(document: Json) -> None:
    """A refusal is described once, and not in each operation."""
    size = len(json.dumps(document, separators=(",", ":")))
    assert size / len(list(operations(document))) < 3400


def test_every_operation_has_a_name_of_its_own_and_says_what_it_does(document: Json) -> None:
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(names)) == len(names)
    for route, operation in operations(document):
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", operation["operationId"]), route
        assert operation["summary"] != operation["operationId"].replace("_", " ").title(), route
        assert set(operation["tags"]) <= {tag["name"] for tag in document["tags"]}, route


def at_a_door(route: str) -> bool:
    """Where others have made the protocol."""
    return route.split()[1].startswith(("/v1/", "/ollama", "/ai/ui/"))


def at_doors_alone(document: Json) -> set[str]:
    """The schemas that only doors have."""
    described = json.loads(json.dumps(document))
    paths = described["paths"]
    described["paths"] = {path: paths[path] for path in paths if not at_a_door(f"any {path}")}
    named = re.compile(r'"#/components/schemas/([^"]+)"')
    schemas, elsewhere = described["components"].pop("schemas"), set(named.findall(json.dumps(described)))
    new = elsewhere
    while new := set(named.findall(json.dumps([schemas[name] for name in new]))) - elsewhere:
        elsewhere |= new
    return set(schemas) - elsewhere


def refusal_at(path: str) -> Json:
    """A problem everywhere but at the doors, which answer in their own protocols' words."""
    if path.startswith("/ai/ui/"):
        return {"text/plain": {"schema": {"type": "string"}}}
    doors = (("/v1/messages", "AnthropicError"), ("/v1/", "OpenAIError"), ("/ollama", "OllamaError"))
    name = next((name for prefix, name in doors if path.startswith(prefix)), "Problem")
    media_type = "application/problem+json" if name == "Problem" else "application/json"
    return {media_type: {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def test_every_status_is_named_and_every_refusal_looks_as_its_door_has_it(document: Json) -> None:
    for route, operation in operations(document):
        for status, response in operation["responses"].items():
            assert status.isdecimal(), route
            found = resolved(document, response)
            assert found["description"] not in ("", "Successful Response"), (route, status)
            if int(status) < 400:
                continue
            if (route, status) != ("GET /ready", "503"):
                assert found["content"] == refusal_at(route.split()[1]), route
            headers = {"401": "WWW-Authenticate", "429": "Retry-After", "503": "Retry-After"}
            assert status not in headers or headers[status] in found["headers"], (route, status)


def test_every_success_has_a_schema_or_no_body(document: Json) -> None:
    for route, operation in operations(document):
        for status in (each for each in operation["responses"] if each.startswith("2")):
            content = operation["responses"][status].get("content", {})
            assert (status == "204") == (not content), route
            assert all(media["schema"] for media in content.values()), route


def not_valid(route: str) -> str:
    """The protocols that others have made know no 422."""
    return "400" if route.split()[1].startswith(("/v1/", "/ollama")) else "422"


def test_what_a_route_is_decides_what_it_may_answer(document: Json) -> None:
    for route, operation in operations(document):
        statuses, parameters = operation["responses"].keys(), operation.get("parameters", [])
        if {} not in operation.get("security", [{}]):
            assert statuses >= {"401", "403", "429", "503"}, route
        if "requestBody" in operation:
            assert statuses >= {"400", "408", "413", not_valid(route), "429", "503"}, route
        if any(each["in"] == "path" for each in parameters):
            assert "404" in statuses, route
        if any(each["in"] != "path" for each in parameters):
            assert not_valid(route) in statuses, route


def fields(part: Any, at: str = "") -> Iterator[tuple[str, Json]]:
    """Every field of every object that is described within, wherever that stands."""
    if isinstance(part, list):
        part = dict(enumerate(part))
    if not isinstance(part, dict):
        return
    for name, field in part.get("properties", {}).items() if part.get("type") == "object" else ():
        yield f"{at}/{name}", field
    for name, inner in part.items():
        yield from fields(inner, f"{at}/{name}")


def test_every_parameter_and_every_field_of_a_body_or_an_answer_is_explained(document: Json) -> None:
    for route, operation in operations(document):
        for parameter in operation.get("parameters", []):
            assert parameter.get("description"), (route, parameter["name"])
    found = dict(fields(document))
    assert len(found) > 150
    assert not [name for name, field in found.items() if not field.get("description")]


def test_every_header_and_every_set_of_words_is_explained(document: Json) -> None:
    schemas = document["components"]["schemas"]
    assert not [name for name, schema in schemas.items() if "enum" in schema and not schema.get("description")]
    for route, operation in operations(document):
        for response in operation["responses"].values():
            for name, header in resolved(document, response).get("headers", {}).items():
                assert name == "WWW-Authenticate" or resolved(document, header)["description"], (route, name)


def test_an_id_in_an_answer_is_described_as_one(document: Json) -> None:
    others = at_doors_alone(document)
    for name, field in fields(document):
        last = name.rpartition("/")[2]
        if name.startswith("/paths/") and at_a_door(f"any {name.removeprefix('/paths')}"):
            continue
        if name.startswith("/components/schemas/") and name.split("/")[3] in others:
            continue
        if (last == "id" or last.endswith("_id")) and not name.endswith(OTHER_IDS):
            assert "uuid" in json.dumps(field), name


def test_every_list_is_asked_in_the_same_words(document: Json) -> None:
    """But for those at the doors, which have their protocols' own."""
    asked = {
        route: {each["name"]: each for each in operation["parameters"]}
        for route, operation in operations(document)
        if any(each["name"] == "cursor" for each in operation.get("parameters", []))
    }
    assert len(asked) >= 7
    assert len({(each["limit"]["description"], json.dumps(each["cursor"])) for each in asked.values()}) == 1
    bounds = {(limit["minimum"], limit["maximum"]) for limit in (each["limit"]["schema"] for each in asked.values())}
    assert bounds == {(1, 100), (1, 500), (1, 1000)}


def test_a_limit_is_told_where_one_is_counted(document: Json) -> None:
    for route, operation in operations(document):
        limited = "429" in operation["responses"]
        for status, response in operation["responses"].items():
            headers = resolved(document, response).get("headers", {})
            if status == "429" or status.startswith("2"):
                assert (headers.keys() >= LIMIT_HEADERS) is limited, (route, status)


def test_whoever_waits_for_an_answer_is_told_every_way_in_which_it_may_fail(document: Json) -> None:
    told = document["paths"]["/ai/chat"]["post"]["responses"]
    assert {str(status) for status in problems.ANSWER_STATUS.values()} <= told.keys()


def test_nothing_is_left_out_but_pages_and_heads(app: FastAPI, document: Json) -> None:
    """So that what is proved of everything in it is proved of everything there is."""
    left_out = {
        f"{method} {route.path_format}"
        for route in iter_route_contexts(app.routes)
        for method in route.methods or ()
        if method.lower() not in document["paths"].get(route.path_format, {})
    }
    pages = ("/", "/docs", "/docs/oauth2-redirect", "/redoc", "/docs/assets/{name}", "/openapi.json")
    probes = ("/health", "/ready", "/metrics", "/ollama", "/ollama/", "/ollama/api/tags", "/ollama/api/version")
    heads = {f"HEAD {path}" for path in (*pages, *probes)}
    assert left_out <= {f"GET {path}" for path in (*pages, "/ollama/")} | heads


def test_authorize_shows_every_way_in(document: Json) -> None:
    schemes = document["components"]["securitySchemes"]
    assert schemes["OAuth2PasswordBearer"]["flows"]["password"]["tokenUrl"] == "/auth/login"
    assert (schemes["APIKey"]["in"], schemes["APIKey"]["name"]) == ("header", "X-API-Key")
    assert (schemes["SessionCookie"]["in"], schemes["SessionCookie"]["name"]) == ("cookie", "session")
    assert (schemes["MetricsToken"]["type"], schemes["MetricsToken"]["scheme"]) == ("http", "bearer")
    assert not [name for name, scheme in schemes.items() if not scheme.get("description")]


@pytest.mark.parametrize(
    ("route", "ways", "words"),
    [
        ("get /users/me", ["OAuth2PasswordBearer", "APIKey", "SessionCookie"], "Needs a user"),
        ("patch /users/me", ["OAuth2PasswordBearer", "SessionCookie"], "Needs a sign-in"),
        (
            "get /ai/chat/stream",
            ["OAuth2PasswordBearer", "APIKey", "SessionCookie", "Ticket"],
            "the scope `chat`",
        ),
        ("get /users", ["OAuth2PasswordBearer", "APIKey", "SessionCookie"], "Needs an administrator"),
        ("get /metrics", ["MetricsToken"], "from elsewhere"),
        ("get /health", [], ""),
    ],
)
def test_a_route_says_who_may_use_it(document: Json, route: str, ways: list[str], words: str) -> None:
    method, path = route.split()
    operation = document["paths"][path][method]
    assert [name for way in operation.get("security", []) for name in way] == ways
    assert words in operation["description"]
