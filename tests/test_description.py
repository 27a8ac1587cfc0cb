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

from app.core.config import Settings
from app.main import create_app

Json = dict[str, Any]


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
    assert size / len(list(operations(document))) < 3000


def test_every_operation_has_a_name_of_its_own_and_says_what_it_does(document: Json) -> None:
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(names)) == len(names)
    for route, operation in operations(document):
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", operation["operationId"]), route
        assert operation["summary"], route
        assert set(operation["tags"]) <= {tag["name"] for tag in document["tags"]}, route


def test_every_status_is_named_and_every_refusal_is_a_problem(document: Json) -> None:
    for route, operation in operations(document):
        for status, response in operation["responses"].items():
            assert status.isdecimal(), route
            found = resolved(document, response)
            assert found["description"], route
            if int(status) < 400:
                continue
            if (route, status) != ("GET /ready", "503"):
                problem = found["content"]["application/problem+json"]["schema"]
                assert problem == {"$ref": "#/components/schemas/Problem"}, route
            headers = {"401": "WWW-Authenticate", "429": "Retry-After", "503": "Retry-After"}
            assert status not in headers or headers[status] in found["headers"], (route, status)


def test_every_success_has_a_schema_or_no_body(document: Json) -> None:
    for route, operation in operations(document):
        (status,) = [each for each in operation["responses"] if each.startswith("2") and each != "204"] or ["204"]
        content = operation["responses"][status].get("content", {})
        assert (status == "204") == (not content), route
        assert all(media["schema"] for media in content.values()), route


def test_what_a_route_is_decides_what_it_may_answer(document: Json) -> None:
    for route, operation in operations(document):
        statuses, parameters = operation["responses"].keys(), operation.get("parameters", [])
        if "security" in operation:
            assert statuses >= {"401", "403", "429", "503"}, route
        if "requestBody" in operation:
            assert statuses >= {"400", "408", "413", "422", "429", "503"}, route
        if any(each["in"] == "path" for each in parameters):
            assert "404" in statuses, route
        if any(each["in"] != "path" for each in parameters):
            assert "422" in statuses, route


def test_every_parameter_and_every_field_of_a_body_is_explained(document: Json) -> None:
    for route, operation in operations(document):
        for parameter in operation.get("parameters", []):
            assert parameter.get("description"), (route, parameter["name"])
        for media_type, media in operation.get("requestBody", {}).get("content", {}).items():
            if media_type != "application/json":
                continue  # the form of OAuth2
            body = resolved(document, media["schema"])
            shown = {name for example in body.get("examples", []) for name in example}
            for name, field in body["properties"].items():
                explained = "description" in field or "examples" in json.dumps(field) or "$ref" in json.dumps(field)
                assert name in shown or explained, (route, name)


def test_nothing_is_left_out_but_pages_and_heads(app: FastAPI, document: Json) -> None:
    """So that what is proved of everything in it is proved of everything there is."""
    left_out = {
        f"{method} {route.path_format}"
        for route in iter_route_contexts(app.routes)
        for method in route.methods or ()
        if method.lower() not in document["paths"].get(route.path_format, {})
    }
    pages = ("/", "/docs", "/docs/oauth2-redirect", "/redoc", "/docs/assets/{name}", "/openapi.json")
    heads = {f"HEAD {path}" for path in (*pages, "/health", "/ready", "/metrics")}
    assert left_out <= {f"GET {path}" for path in pages} | heads


def test_authorize_shows_both_ways_in(document: Json) -> None:
    schemes = document["components"]["securitySchemes"]
    assert schemes["OAuth2PasswordBearer"]["flows"]["password"]["tokenUrl"] == "/auth/login"
    assert (schemes["APIKey"]["in"], schemes["APIKey"]["name"]) == ("header", "X-API-Key")


@pytest.mark.parametrize(
    ("route", "ways", "words"),
    [
        ("get /users/me", ["OAuth2PasswordBearer", "APIKey"], "Needs a user"),
        ("patch /users/me", ["OAuth2PasswordBearer"], "Needs a sign-in"),
        ("get /ai/chat/stream", ["OAuth2PasswordBearer", "APIKey", "Ticket"], "the scope `chat`"),
        ("get /users", ["OAuth2PasswordBearer", "APIKey"], "Needs an administrator"),
        ("get /health", [], ""),
    ],
)
def test_a_route_says_who_may_use_it(document: Json, route: str, ways: list[str], words: str) -> None:
    method, path = route.split()
    operation = document["paths"][path][method]
    assert [name for way in operation.get("security", []) for name in way] == ways
    assert words in operation["description"]
