"""What there is, as the API description says it: the operations, and where ids stand in their requests."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Where = Literal["path", "query", "body"]
# Names that stand for something that has an owner, though they are no UUIDs.
_NAMES = ("collection",)
# What everybody has; or what is an answer's own at a door, whose tests try those of others.
_SHARED = ("model", "after_id", "before_id", "chat_id", "previous_response_id")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an id stands; `many` where it is one of a list."""

    where: Where
    name: str
    many: bool = False

    def __str__(self) -> str:
        return f"{self.name} in the {self.where}"


@dataclass(frozen=True, slots=True)
class Operation:
    method: str
    path: str
    places: Sequence[Place]
    parameters: Sequence[str]
    body: Mapping[str, Any] | None
    """The schema of its JSON body, if it takes one."""
    answers: Sequence[str]
    takes_form: bool
    """With files, instead of JSON or beside it."""

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_list(self) -> bool:
        return "cursor" in self.parameters


def operations_of(document: Mapping[str, Any]) -> Sequence[Operation]:
    return [
        _operation(document, method.upper(), path, described)
        for path, operations in document["paths"].items()
        for method, described in operations.items()
    ]


def _operation(document: Mapping[str, Any], method: str, path: str, described: Mapping[str, Any]) -> Operation:
    media = described.get("requestBody", {}).get("content", {})
    body = _body(document, media["application/json"]["schema"]) if "application/json" in media else None
    parameters = described.get("parameters", ())
    return Operation(
        method,
        path,
        [*_places_in_parameters(document, parameters), *_places_in_body(document, body or {})],
        [each["name"] for each in parameters],
        body,
        sorted(described["responses"]),
        "multipart/form-data" in media,
    )


def _places_in_parameters(document: Mapping[str, Any], parameters: Sequence[Mapping[str, Any]]) -> Iterator[Place]:
    for each in parameters:
        if each["name"] in _SHARED:
            continue
        if each["in"] == "path":
            yield Place("path", each["name"])
        elif each["in"] == "query" and _is_id(document, each["name"], each["schema"]):
            yield Place("query", each["name"], _is_many(each["schema"]))


def _places_in_body(document: Mapping[str, Any], body: Mapping[str, Any]) -> Iterator[Place]:
    for name, schema in body.get("properties", {}).items():
        if name not in _SHARED and _is_id(document, name, schema):
            yield Place("body", name, _is_many(schema))


def _is_id(document: Mapping[str, Any], name: str, schema: Mapping[str, Any]) -> bool:
    schema = _resolved(document, schema)
    within = [*schema.get("anyOf", ()), *filter(None, [schema.get("items")])]
    return (
        schema.get("format") == "uuid"
        or name in _NAMES
        or name.endswith(("_id", "_ids"))
        or any(_is_id(document, "", each) for each in within)
    )


def _is_many(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "array" or any(each.get("type") == "array" for each in schema.get("anyOf", ()))


def _body(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of a body that may be left out, the one that may be sent."""
    sent = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    return _resolved(document, sent[0] if sent else schema)


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: Mapping[str, Any] = document["components"]["schemas"][name] if name else schema
    return found
