"""Who may do what: written down by hand from what is promised, and never read from the application.

Whoever adds a route adds it here; until then `test_claims` fails and says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Who(Enum):
    ANYBODY = "anybody"
    USER = "a user, by whatever credential"
    PERSON = "a user who has signed in; no key"
    ADMIN = "an administrator, by whatever credential"


@dataclass(frozen=True, slots=True)
class Claim:
    """`scopes` is what an API key must be good for; `costs` says that a GET of it must not come from a foreign page."""

    who: Who
    scopes: frozenset[str] = frozenset()
    costs: bool = False
    tickets: bool = False
    ends: bool = False
    """Whether it takes away what it is done with or to, so that the next request needs somebody new."""
    models: str | None = None
    """The one provider whose models it reaches, where that is not any."""


def anybody() -> Claim:
    return Claim(Who.ANYBODY)


def user(
    *scopes: str, costs: bool = False, tickets: bool = False, ends: bool = False, models: str | None = None
) -> Claim:
    return Claim(Who.USER, frozenset(scopes), costs, tickets, ends, models)


def person(*, costs: bool = False, ends: bool = False) -> Claim:
    return Claim(Who.PERSON, costs=costs, ends=ends)


def admin(*, ends: bool = False) -> Claim:
    return Claim(Who.ADMIN, frozenset({"admin"}), ends=ends)


CLAIMS: Mapping[str, Claim] = {
    "GET /health": anybody(),
    "GET /ready": anybody(),
    "GET /metrics": anybody(),  # from this machine, as here
    "POST /auth/register": anybody(),
    "POST /auth/login": anybody(),
    "POST /auth/refresh": anybody(),
    "POST /auth/logout": person(ends=True),
    "GET /users/me": user(),
    "PATCH /users/me": person(),
    "DELETE /users/me": person(ends=True),
    "POST /ai/chat": user("chat"),
    "POST /ai/chat/stream": user("chat"),
    "GET /ai/chat/stream": user("chat", costs=True, tickets=True),
    "GET /ai/models": user("chat"),
    "GET /ai/generations/{generation_id}/events": user("chat", costs=True, tickets=True),
    "POST /ai/generations/{generation_id}/stop": user("chat"),
    "POST /ai/ui/chat": user("chat"),
    "GET /ai/ui/chat/{chat_id}/stream": user("chat", costs=True),
    "POST /auth/ticket": user("chat"),
    "GET /users/me/sessions": person(),
    "DELETE /users/me/sessions/{session_id}": person(ends=True),
    "GET /users/me/api-keys": person(),
    "POST /users/me/api-keys": person(),
    "DELETE /users/me/api-keys/{key_id}": person(ends=True),
    "GET /users/me/usage": user(),
    "GET /users/me/export": person(costs=True),
    "GET /users": admin(),
    "GET /users/{user_id}": admin(),
    "PATCH /users/{user_id}": admin(),
    "DELETE /users/{user_id}": admin(ends=True),
    "GET /admin/audit": admin(),
    "GET /conversations": user("chat"),
    "GET /conversations/{conversation_id}": user("chat"),
    "PATCH /conversations/{conversation_id}": user("chat"),
    "DELETE /conversations/{conversation_id}": user("chat", ends=True),
    "GET /conversations/{conversation_id}/messages": user("chat"),
    "GET /conversations/{conversation_id}/summaries": user("chat"),
    "POST /conversations/{conversation_id}/messages/{message_id}/regenerate": user("chat"),
    "POST /conversations/{conversation_id}/messages/{message_id}/edit": user("chat"),
    "POST /conversations/{conversation_id}/fork": user("chat"),
    "PUT /conversations/{conversation_id}/messages/{message_id}/feedback": user("chat"),
    "DELETE /conversations/{conversation_id}/messages/{message_id}/feedback": user("chat"),
    "GET /conversations/{conversation_id}/export": user("chat"),
    "GET /conversations/export": user("chat"),
    "POST /conversations/import": user("chat"),
    "POST /files": user("files"),
    "GET /files": user("files"),
    "GET /files/{file_id}": user("files"),
    "GET /files/{file_id}/content": user("files"),
    "DELETE /files/{file_id}": user("files", ends=True),
    "GET /rag/collections": user("rag"),
    "POST /rag/collections": user("rag"),
    "DELETE /rag/collections/{name}": user("rag", ends=True),
    "POST /rag/collections/{name}/documents": user("rag"),
    "GET /rag/collections/{name}/documents": user("rag"),
    "GET /rag/collections/{name}/documents/{document_id}": user("rag"),
    "DELETE /rag/collections/{name}/documents/{document_id}": user("rag", ends=True),
    "GET /jobs/{job_id}": user("rag"),
    "GET /jobs/{job_id}/events": user("rag"),
    "DELETE /jobs/{job_id}": user("rag", ends=True),
    "POST /jobs/{job_id}/retry": user("rag"),
    "POST /rag/search": user("rag"),
    "POST /rag/query": user("rag"),
    "POST /analyze/pdf": user("files", "chat"),
    "POST /v1/embeddings": user("chat"),
    "POST /v1/chat/completions": user("chat"),
    "POST /v1/responses": user("chat"),
    "POST /ollama/api/chat": user("chat"),
    "POST /ollama/api/generate": user("chat"),
    "POST /v1/messages": user("chat"),
    "POST /v1/messages/count_tokens": user("chat"),
    "GET /v1/models": user("chat"),
    "GET /v1/models/{model}": user("chat"),
    "POST /ollama/api/embed": user("chat"),
    "POST /ollama/api/embeddings": user("chat"),
    "GET /ollama": user("chat"),
    "GET /ollama/api/version": user("chat"),
    "GET /ollama/api/tags": user("chat"),
    "GET /ollama/api/ps": user("chat"),
    "POST /ollama/api/show": user("chat"),
    "POST /ollama/chat": user("chat", models="ollama"),
    "POST /ollama/generate": user("chat", models="ollama"),
    "GET /ollama/tags": user("chat"),
    "POST /ollama/api/pull": admin(),
    "POST /ollama/api/push": admin(),
    "POST /ollama/api/create": admin(),
    "POST /ollama/api/copy": admin(),
    "DELETE /ollama/api/delete": admin(),
    "HEAD /ollama/api/blobs/{digest}": admin(),
    "POST /ollama/api/blobs/{digest}": admin(),
}
