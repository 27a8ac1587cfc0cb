"""The API description: what each operation asks of its caller and may answer, by rule from what it is.

A route names only what it alone has, as `responses={409: {"description": "…"}}`; how a refusal looks is added here.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts

from app.dependencies.admission import AdmittedRoute, Need
from app.dependencies.credentials import SESSION_COOKIE, TICKET
from app.dependencies.limiting import LimitedRoute
from app.domain import conversation_files
from app.domain.identity import Scope
from app.wire import refusal_schemas
from app.wire.doors import Door, door_at

Json = dict[str, Any]
"""A part of the document, which is JSON and nothing else."""

# Beside those of which the framework knows.
_WAYS: Mapping[str, Json] = {
    "SessionCookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": SESSION_COOKIE,
        "description": "Set by signing in, for this site's own pages: a browser sends it by itself, and what changes "
        "or costs something is refused to the pages of others.",
    },
    "Ticket": {
        "type": "apiKey",
        "in": "query",
        "name": TICKET,
        "description": "For EventSource, which can send no header: a one-time ticket of 30 seconds.",
    },
    "MetricsToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "The METRICS_TOKEN of this server; from its own machine none is needed.",
    },
}
# Where the words in the code are for whoever reads that, or there are none.
_SCHEMAS: Mapping[str, str] = {
    "Action": "An act that is put on record.",
    "Author": "Who speaks: a person or a model.",
    "DocumentStatus": "How a document stands: it is found once it is `ready`; one that `failed` says why.",
    "FailureCode": "Why an answer failed. `internal` is a fault of ours, `instance_…` a machine that went away, "
    "`upstream_…` the model's server.",
    "JobStatus": "How a job stands: it ends `complete`, `failed` or `cancelled`, and a retry begins it anew.",
    "Role": "What a user may do; an `admin` may see and change all users.",
    "Status": "How an answer stands: it is `streaming` while it is written, and then what it ended as, for good.",
}
_FORM = "Body_login"
_FORM_FIELDS: Mapping[str, str] = {
    "grant_type": "`password`, or left out.",
    "username": "The address.",
    "password": "The password.",
    "scope": "Ignored: a sign-in may do all that its user may.",
    "client_id": "Ignored.",
    "client_secret": "Ignored.",
}
_BY_DEFAULT = "Successful Response"
_BY_FRAMEWORK = ("HTTPValidationError", "ValidationError")
_JSON = "application/json"
_REFUSALS = "#/components/responses/"


class DescribedAPI(FastAPI):
    """FastAPI with a description that names every status."""

    def openapi(self) -> Json:
        if self.openapi_schema is None:
            document = super().openapi()
            _complete(document)
            for operation, route in _operations(document, self):
                _Described(document, operation, route).complete()
            _add_refusals(document)
        return super().openapi()  # which keeps it


def operation_id(route: APIRoute) -> str:
    """The name of the function, which a generated client then has as its method's."""
    return route.name


def _operations(document: Json, app: FastAPI) -> Iterator[tuple[Json, RouteContext]]:
    for route in iter_route_contexts(app.routes):
        for method in route.methods or ():
            operation = document["paths"].get(route.path_format, {}).get(method.lower())
            if operation is not None and operation["operationId"] == getattr(route, "unique_id", None):
                yield operation, route


def _complete(document: Json) -> None:
    components = document["components"]
    # The document is read and written past the framework.
    components["schemas"] = (
        dict(conversation_files.schemas())
        | {name: schema for name, schema in components["schemas"].items() if name not in _BY_FRAMEWORK}
        | dict(refusal_schemas.SCHEMAS)
    )
    for schema in components["schemas"].values():
        for described in schema.get("properties", {}).values():
            described.pop("title", None)  # its name once more, with capitals
    for name, description in _SCHEMAS.items():
        components["schemas"][name]["description"] = description
    for name, description in _FORM_FIELDS.items():
        components["schemas"][_FORM]["properties"][name]["description"] = description
    components["headers"] = dict(refusal_schemas.HEADERS)
    components["securitySchemes"] |= _WAYS


def _add_refusals(document: Json) -> None:
    """Those that some operation refers to; there are many doors, and not all statuses at each."""
    responses = (
        response
        for described in document["paths"].values()
        for operation in described.values()
        for response in operation["responses"].values()
    )
    used = {response["$ref"].removeprefix(_REFUSALS) for response in responses if "$ref" in response}
    document["components"]["responses"] = {
        name: response for name, response in refusal_schemas.RESPONSES.items() if name in used
    }


class _Described:
    """One operation of the document, and the route that answers it."""

    def __init__(self, document: Json, operation: Json, route: RouteContext) -> None:
        self._schemas: Mapping[str, Any] = document["components"]["schemas"]
        self._operation = operation
        self._door = door_at(route.path_format or "")
        own = route.original_route
        self._need = own.need if isinstance(own, AdmittedRoute) else None
        self._limited = isinstance(own, LimitedRoute)
        self._parameters: list[Json] = operation.get("parameters", [])
        self._content: Json = operation.get("requestBody", {}).get("content", {})

    def complete(self) -> None:
        self._name_parameters()
        self._complete_responses()
        self._complete_successes()
        if self._need is not None:
            self._say_who_may(self._need)

    def _name_parameters(self) -> None:
        for parameter in self._parameters:
            name: str = parameter["name"]
            parameter.get("schema", {}).pop("title", None)
            if name.endswith("_id"):
                parameter.setdefault("description", f"The {name.removesuffix('_id')}'s id.")

    def _complete_responses(self) -> None:
        responses: Json = self._operation["responses"]
        if _is_by_framework(responses.get("422")):
            del responses["422"]
        if "422" in responses and refusal_schemas.status_at(self._door, 422) != 422:
            responses.setdefault("400", responses.pop("422"))
        for code in self._codes():
            status = refusal_schemas.status_at(self._door, code)
            component = refusal_schemas.name(status, self._door)
            responses.setdefault(str(status), {"$ref": f"{_REFUSALS}{component}"})
        for said, response in responses.items():
            if said.isdecimal() and int(said) >= 400 and "$ref" not in response:
                responses[said] = refusal_schemas.response(int(said), self._door) | response
        self._operation["responses"] = dict(sorted(responses.items()))

    def _complete_successes(self) -> None:
        for status, response in self._operation["responses"].items():
            if not status.startswith("2"):
                continue
            if response["description"] == _BY_DEFAULT and status == "204":
                response["description"] = "It is done; the answer has no body."
            elif response["description"] == _BY_DEFAULT and self._is_list():
                response["description"] = "A page of the list."
            if self._limited or self._need is not None:
                response["headers"] = response.get("headers", {}) | refusal_schemas.STANDING

    def _say_who_may(self, need: Need) -> None:
        self._operation["security"] = [{name: []} for name in _ways(need)]
        said = self._operation.get("description")
        self._operation["description"] = f"{said}\n\n{_asked(need)}" if said else _asked(need)

    def _codes(self) -> Iterator[int]:
        """What it may refuse with for being of its kind."""
        if self._need is not None:
            yield from (401, 403, 429, 503)
        if self._door is Door.ANTHROPIC:
            yield 529
        if self._limited:
            yield 429
        if self._content:
            yield from (400, 408, 413, 422, 503)
        if _JSON in self._content:
            yield 415
        if any(each["in"] == "path" for each in self._parameters) or self._names_another():
            yield 404
        if any(each["in"] != "path" for each in self._parameters):
            yield 422
        if self._parameters:
            yield 431
        if any(each["name"] == "Idempotency-Key" for each in self._parameters):
            yield 409

    def _is_list(self) -> bool:
        return any(each["name"] == "cursor" for each in self._parameters)

    def _names_another(self) -> bool:
        """Whether an id stands in its query or body. Where administrators search, ids only narrow down."""
        schemas = [schema for media in self._content.values() for schema in self._properties(media["schema"])]
        if self._need is None or not self._need.admin:
            schemas += [each["schema"] for each in self._parameters]
        return any(_is_id(schema) for schema in schemas)

    def _properties(self, schema: Json) -> Iterator[Json]:
        name = schema.get("$ref", "").rpartition("/")[2]
        yield from self._schemas.get(name, schema).get("properties", {}).values()


def _is_id(schema: Json) -> bool:
    within = [*schema.get("anyOf", ()), schema.get("items", {})]
    return schema.get("format") == "uuid" or any(_is_id(each) for each in within if each)


def _is_by_framework(response: Json | None) -> bool:
    schema = (response or {}).get("content", {}).get(_JSON, {}).get("schema", {})
    return bool(schema.get("$ref", "").endswith(_BY_FRAMEWORK))


def _ways(need: Need) -> Iterator[str]:
    yield "OAuth2PasswordBearer"
    if not need.in_person:
        yield "APIKey"
    yield "SessionCookie"
    if need.tickets:
        yield "Ticket"


def _asked(need: Need) -> str:
    """For people, under what the operation does."""
    if need.in_person:
        return "*Needs a sign-in; an API key cannot do this.*"
    who = "an administrator" if need.admin else "a user"
    scopes = " and ".join(f"`{scope}`" for scope in sorted(need.scopes | ({Scope.ADMIN} if need.admin else set())))
    return f"*Needs {who}; an API key needs the scope {scopes}.*" if scopes else f"*Needs {who}, or an API key of one.*"
