"""The valid request of each operation, so that a refusal is for the right reason."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import httpx

from tests.access.operations import Operation, Place
from tests.access.people import PASSWORD, Person
from tests.parsing.pdfs import lines, pdf

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ask:
    """A request but for the credential."""

    operation: Operation
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    json: Mapping[str, Any] | None = None
    form: Mapping[str, str] | None = None
    files: Mapping[str, tuple[str, bytes]] | None = None

    def with_id(self, place: Place, value: str) -> "Ask":
        """The same with another id in one place."""
        given = [value] if place.many else value
        if place.where == "path":
            return replace(self, path={**self.path, place.name: value})
        if place.where == "query":
            return replace(self, query={**self.query, place.name: given})
        return replace(self, json={**(self.json or {}), place.name: given})

    async def send(self, http: httpx.AsyncClient, **more: Any) -> httpx.Response:
        """Send it, with the credential in `headers` or `params`; `content` stands for its body."""
        body: Values = {} if "content" in more else {"json": self.json, "data": self.form, "files": self.files}
        params = {**self.query, **more.pop("params", {})}
        path = self.operation.path
        for name, value in self.path.items():
            path = path.replace(f"{{{name}}}", value)
        return await http.request(self.operation.method, path, params=params, **body, **more)


_HELLO = [{"role": "user", "content": "Hello"}]
# What a body needs; an operation whose schema has an example, or that takes `{}`, needs no entry.
_BODIES: Mapping[str, Callable[[Person], Values]] = {
    "POST /auth/register": lambda _: {"email": f"{uuid4().hex}@example.com", "password": PASSWORD},
    "POST /auth/refresh": lambda person: {"refresh_token": person.refresh},
    "PATCH /users/{user_id}": lambda _: {"name": "Renamed"},
    "PATCH /users/me": lambda _: {"name": "Somebody else"},
    "PATCH /conversations/{conversation_id}": lambda _: {"title": "Another title"},
    "POST /v1/chat/completions": lambda _: {"model": "openai/echo", "messages": _HELLO},
    "POST /v1/responses": lambda _: {"model": "openai/echo", "input": "Hello"},
    "POST /ollama/api/chat": lambda _: {"model": "openai/echo", "messages": _HELLO},
    "POST /ollama/api/generate": lambda _: {"model": "openai/echo", "prompt": "Hello"},
    "POST /v1/messages": lambda _: {"model": "openai/echo", "max_tokens": 64, "messages": _HELLO},
    "POST /v1/messages/count_tokens": lambda _: {"model": "openai/echo", "messages": _HELLO},
    "POST /ollama/chat": lambda _: {"model": "echo", "messages": _HELLO},
    "POST /ollama/generate": lambda _: {"model": "echo", "prompt": "Hello"},
    "POST /ollama/api/pull": lambda _: {"model": "echo"},
    "POST /ollama/api/push": lambda _: {"model": "echo"},
    "POST /ollama/api/create": lambda _: {"model": "copy", "from": "echo"},
    "POST /ollama/api/copy": lambda _: {"source": "echo", "destination": "copy"},
    "DELETE /ollama/api/delete": lambda _: {"model": "echo"},
    "POST /v1/embeddings": lambda _: {"model": "openai/echo", "input": "Hello"},
    "POST /ollama/api/embed": lambda _: {"model": "openai/echo", "input": "Hello"},
    "POST /ollama/api/embeddings": lambda _: {"model": "openai/echo", "prompt": "Hello"},
    "POST /ollama/api/show": lambda _: {"model": "openai/echo"},
    "POST /rag/collections": lambda _: {"name": uuid4().hex},
    "POST /rag/search": lambda person: {"query": "canary", "collection": person.ids.get("name", "none")},
    "POST /rag/query": lambda person: {"question": "canary", "collection": person.ids.get("name", "none")},
}
_FORMS: Mapping[str, Callable[[Person], dict[str, str]]] = {
    "POST /auth/login": lambda person: {"username": person.email, "password": PASSWORD},
}
_FILES: Mapping[str, Mapping[str, tuple[str, bytes]]] = {
    "POST /files": {"file": ("notes.txt", "Notes 笔记".encode())},
    "POST /analyze/pdf": {"file": ("notes.pdf", pdf(lines("Notes")))},
}
_PATHS: Mapping[str, Mapping[str, str]] = {
    "GET /v1/models/{model}": {"model": "openai/echo"},
    "GET /ai/ui/chat/{chat_id}/stream": {"chat_id": "whatever its page calls it"},
}
_QUERIES: Mapping[str, Values] = {"GET /ai/chat/stream": {"message": "Hello"}}


def valid(operation: Operation, person: Person) -> Ask:
    """What `person` may send, with ids of what is theirs."""
    ids = {place.name: person.id_of(operation, place) for place in operation.places if place.where == "path"}
    ids |= _PATHS.get(operation.name, {})
    form = _FORMS.get(operation.name)
    query, files = _QUERIES.get(operation.name, {}), _FILES.get(operation.name)
    return Ask(operation, ids, query, _body(operation, person), form and form(person), files)


def named(operation: Operation, place: Place, person: Person) -> Ask:
    """The valid request with an id in one more place, and whatever that one stands in."""
    ask = valid(operation, person)
    if place.where == "path":
        return ask
    if place.name == "parent_id":
        within = next(each for each in operation.places if each.name == "conversation_id")
        ask = ask.with_id(within, person.id_of(operation, within))
    return ask.with_id(place, person.id_of(operation, place))


def _body(operation: Operation, person: Person) -> Values | None:
    if operation.body is None:
        return None
    if operation.name in _BODIES:
        return _BODIES[operation.name](person)
    if examples := operation.body.get("examples"):
        return dict(examples[0])
    needed = operation.body.get("required", ())
    return {name: operation.body["properties"][name]["examples"][0] for name in needed}
