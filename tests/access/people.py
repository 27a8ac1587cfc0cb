"""Those who ask: each has an account, every kind of credential, and one of everything that can be had."""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import httpx

from tests.access.operations import Operation, Place
from tests.sse import Stream

PASSWORD = "canary horse 电池 staple"
SECRET = "canary words that nobody else may read"

ALL = "*"
KEYS = (ALL, "chat", "files", "rag", "models:openai/*")
"""Keys that everybody has: one that is good for all that a key may, and one for each of these scopes."""

# What a place is called, where that is not what it holds.
_HOLDS = {
    "leaf": "message_id",
    "leaf_id": "message_id",
    "parent_id": "message_id",
    "file_ids": "file_id",
    "collection": "name",
}
# Where it is the question's own message, for answers are not edited.
_OF_QUESTIONS = ("POST /conversations/{conversation_id}/messages/{message_id}/edit",)
# What is made by being named, so that none is unknown there.
MADE_BY_NAMING = ("POST /rag/collections/{name}/documents",)


@dataclass(frozen=True, slots=True)
class Credential:
    """One way to say who one is."""

    name: str
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def sent(self) -> dict[str, Any]:
        return {"headers": dict(self.headers), "params": dict(self.params)}


@dataclass(slots=True)
class Person:
    email: str
    id: str
    access: str
    refresh: str
    ids: dict[str, str] = field(default_factory=dict)
    """What they have, by the name of its place."""
    elsewhere: dict[str, str] = field(default_factory=dict)
    """What they have too, but not within the first."""
    deleted: dict[str, str] = field(default_factory=dict)
    """What they had."""
    keys: dict[str, str] = field(default_factory=dict)
    """API keys, by the one scope that each has."""
    is_admin: bool = False

    @property
    def token(self) -> Credential:
        return Credential("token", {"Authorization": f"Bearer {self.access}"})

    @property
    def cookie(self) -> Credential:
        return Credential("cookie", {"Cookie": f"session={self.access}", "Sec-Fetch-Site": "same-origin"})

    def key(self, scope: str) -> Credential:
        return Credential(f"key({scope})", {"X-API-Key": self.keys[scope]})

    def key_as_bearer(self, scope: str) -> Credential:
        return Credential(f"key({scope}) as bearer", {"Authorization": f"Bearer {self.keys[scope]}"})

    @property
    def credentials(self) -> list[Credential]:
        """All that they have."""
        return [self.token, self.cookie, *(way(scope) for scope in self.keys for way in (self.key, self.key_as_bearer))]

    def id_of(self, operation: Operation, place: Place) -> str:
        name = _HOLDS.get(place.name, place.name)
        if name == "message_id" and operation.name in _OF_QUESTIONS:
            name = "question_id"
        assert name in self.ids, (
            f"{operation.name} takes {place}, and nobody has one: give everybody a {name!r} in tests/access/people.py"
        )
        return self.ids[name]

    def other_ids(self, place: Place) -> dict[str, str]:
        """Of what was deleted, and of what stands elsewhere."""
        name = _HOLDS.get(place.name, place.name)
        found = {"deleted": self.deleted.get(name)}
        if place.name != name:
            found["from elsewhere"] = self.elsewhere.get(name)
        return {kind: value for kind, value in found.items() if value is not None}


async def sign_in(http: httpx.AsyncClient, email: str) -> tuple[str, str]:
    answer = await http.post("/auth/login", data={"username": email, "password": PASSWORD})
    http.cookies.clear()
    assert answer.status_code == 200, answer.text
    tokens = answer.json()
    return tokens["access_token"], tokens["refresh_token"]


async def sign_up(http: httpx.AsyncClient, name: str) -> Person:
    """Somebody with an account and nothing else."""
    email = f"{name}@example.com"
    answer = await http.post("/auth/register", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    return Person(email, answer.json()["id"], *await sign_in(http, email))


async def furnish(http: httpx.AsyncClient, person: Person) -> None:
    """One of everything, and every kind of key."""
    scopes = [*KEYS, "admin"] if person.is_admin else KEYS
    made = {scope: await _make_key(http, person, scope) for scope in scopes}
    person.keys |= {scope: key["key"] for scope, key in made.items()}
    person.ids |= {
        "user_id": person.id,
        "actor_id": person.id,
        "target_id": person.id,
        "credential_id": made[KEYS[0]]["id"],
        "key_id": made[KEYS[0]]["id"],
        "session_id": await _session(http, person),
        "file_id": await _file(http, person),
        "digest": f"sha256:{hashlib.sha256().hexdigest()}",  # of nothing, which is what is sent
        **await _papers(http, person),
        **await _talk(http, person),
    }


async def lose_one_of_everything(http: httpx.AsyncClient, person: Person) -> None:
    """Something of each kind that was deleted, and something that stands elsewhere than the first."""
    person.elsewhere |= await _talk(http, person)
    leaver = await sign_up(http, f"leaver-of-{person.id}")
    access, _ = await sign_in(http, person.email)
    other = replace(person, access=access)
    person.deleted |= {
        "user_id": leaver.id,
        "key_id": (await _make_key(http, person, KEYS[0]))["id"],
        "session_id": await _session(http, other),
        "file_id": await _file(http, person),
        **await _papers(http, person),
        **await _talk(http, person),
    }
    await _delete(http, leaver, "/users/me")
    await _delete(http, person, f"/users/me/api-keys/{person.deleted['key_id']}")
    await _delete(http, person, f"/users/me/sessions/{person.deleted['session_id']}")
    await _delete(http, person, f"/files/{person.deleted['file_id']}")
    await _delete(http, person, f"/rag/collections/{person.deleted['name']}")
    await _delete(http, person, f"/conversations/{person.deleted['conversation_id']}")


async def _talk(http: httpx.AsyncClient, person: Person) -> dict[str, str]:
    answer = await http.post("/ai/chat/stream", json={"message": SECRET}, **person.token.sent)
    assert answer.status_code == 200, answer.text
    start = Stream.of(answer.content).start
    said = await http.get(f"/conversations/{start['conversation_id']}/messages", **person.token.sent)
    question_id = said.json()["items"][0]["id"]
    return {name: start[name] for name in ("conversation_id", "generation_id", "message_id")} | {
        "question_id": question_id
    }


async def _make_key(http: httpx.AsyncClient, person: Person, scope: str) -> dict[str, str]:
    wanted = {"name": f"for {scope}"} | ({} if scope == ALL else {"scopes": [scope]})
    answer = await http.post("/users/me/api-keys", json=wanted, **person.token.sent)
    assert answer.status_code == 201, answer.text
    made: dict[str, str] = answer.json()
    return made


async def _file(http: httpx.AsyncClient, person: Person) -> str:
    """One that is like no other, with a secret."""
    content = f"{SECRET} {uuid4()}".encode()
    answer = await http.post("/files", files={"file": ("secret.txt", content)}, **person.token.sent)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def _papers(http: httpx.AsyncClient, person: Person) -> dict[str, str]:
    """A collection like no other, with a document that has a secret and is read."""
    name = f"papers-{uuid4()}"
    path = f"/rag/collections/{name}/documents"
    text = {"title": "Secret", "text": f"{SECRET} {uuid4()}"}
    answer = await http.post(path, json=text, **person.token.sent)
    assert answer.status_code == 202, answer.text
    (added,) = answer.json()["documents"]
    async with asyncio.timeout(60):
        while (await _status(http, person, f"{path}/{added['document_id']}")) != "ready":
            await asyncio.sleep(0.1)
    return {"name": name, "document_id": added["document_id"], "job_id": added["job_id"]}


async def _status(http: httpx.AsyncClient, person: Person, path: str) -> str:
    return str((await http.get(path, **person.token.sent)).json()["status"])


async def _session(http: httpx.AsyncClient, person: Person) -> str:
    """The one by which they are here."""
    answer = await http.get("/users/me/sessions", **person.token.sent)
    (here,) = [each["id"] for each in answer.json()["items"] if each["current"]]
    return str(here)


async def _delete(http: httpx.AsyncClient, person: Person, path: str) -> None:
    answer = await http.delete(path, **person.token.sent)
    assert answer.status_code == 204, answer.text
