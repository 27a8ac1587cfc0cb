"""What a body says beside what is asked for: nobody sets more than is offered, and nothing that is sent is run."""

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from app.wire.doors import Door, door_at
from tests.access.asking import valid
from tests.access.claims import Who
from tests.access.operations import Operation
from tests.access.people import Credential
from tests.access.verdicts import Wrong
from tests.access.world import World, on_one_database

pytestmark = on_one_database
# CVE-2026-56276 and others: a body could set what only the server may.
MORE: dict[str, Any] = {
    "role": "admin",
    "is_admin": True,
    "is_active": True,
    "owner": "alice@example.com",
    "owner_id": "01a1feb7-aad1-76c5-b429-c7ecdd7bd63a",
    "user_id": "01a1feb7-aad1-76c5-b429-c7ecdd7bd63a",
    "id": "01a1feb7-aad1-76c5-b429-c7ecdd7bd63a",
    "password_hash": "x",
    "hashed_password": "x",
    "key_hash": "x",
    "token_version": 1,
    "quota": 1_000_000,
    "created_at": "2020-01-01T00:00:00Z",
    "updated_at": "2020-01-01T00:00:00Z",
    "status": "complete",
    "__proto__": {"role": "admin"},
    "constructor": {"prototype": {"role": "admin"}},
}
# CVE-2024-6587: the vendor's key went to whatever address a body named.
ELSEWHERE: dict[str, Any] = {
    "api_base": "http://evil.test",
    "base_url": "http://evil.test",
    "api_key": "sk-x",
    "organization": "x",
    "extra_headers": {"X": "y"},
    "extra_body": {"x": "y"},
    "proxy": "http://evil.test",
    "callback_url": "http://evil.test",
}
# CVE-2021-32677: a page of another site may send these without asking.
SIMPLE = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/html", "")
CODE = ("{{7*7}}", "${7*7}", "#{7*7}", "<%= 7*7 %>", "%s%n", "{0.__class__}", "$(id)", "`id`", "__import__('os')")


@pytest.mark.parametrize(
    "more", [{name: value} for name, value in (MORE | ELSEWHERE).items()], ids=lambda more: next(iter(more))
)
async def test_nobody_sets_what_is_not_offered(world: World, more: dict[str, Any]) -> None:
    (name,) = more
    wrong = Wrong()
    async with world.unchanged(wrong):
        for operation, credential in _with_bodies(world):
            assert operation.body is not None
            if name in operation.body["properties"] or door_at(operation.path) is not Door.OWN:
                continue  # the doors pass over what they do not know, for their protocols grow
            body = {**(valid(operation, world.alice).json or {}), **more}
            answer = await _sent(world, operation, credential, json=body)
            wrong.expect(answer, (422, "validation_error"), operation.name)
    wrong.check(at_least=6)


@pytest.mark.parametrize("media_type", SIMPLE)
async def test_json_is_taken_only_as_what_it_is(world: World, media_type: str) -> None:
    """Not as what a foreign page's form could send without a preflight."""
    wrong = Wrong()
    async with world.unchanged(wrong):
        for operation, credential in _with_bodies(world):
            if operation.takes_form and "multipart" in media_type:
                continue  # a form it is then, and this is none
            if operation.path.startswith("/ollama"):
                continue  # as a real one, whose users send what curl sends; a foreign page is known by its origin
            body = json.dumps(valid(operation, world.alice).json).encode()
            answer = await _sent(world, operation, credential, content=body, media_type=media_type)
            wrong.unless(answer.status_code in (415, 422), answer, operation.name)
    wrong.check(at_least=6)


@pytest.mark.parametrize("code", CODE)
async def test_what_looks_like_code_comes_back_as_it_was_sent(world: World, code: str) -> None:
    """As a title, a message, a system prompt, a name; CVE-2026-33017 and others ran it."""
    somebody = await world.somebody()
    sent = somebody.token.sent
    answer = await world.http.post("/ai/chat", json={"message": code, "system_prompt": code}, **sent)
    assert answer.json()["reply"] == f"You said: {code}"
    path = f"/conversations/{answer.json()['conversation_id']}"
    renamed = await world.http.patch(path, json={"title": code}, **sent)
    assert renamed.json()["title"] == (await world.http.get(path, **sent)).json()["title"] == code
    messages = await world.http.get(f"{path}/messages", **sent)
    assert [each["content"] for each in messages.json()["items"]] == [code, f"You said: {code}"]
    me = await world.http.patch("/users/me", json={"name": code}, **sent)
    key = await world.http.post("/users/me/api-keys", json={"name": code}, **sent)
    assert me.json()["name"] == key.json()["name"] == code


def _with_bodies(world: World) -> list[tuple[Operation, Credential]]:
    """The operations that take JSON, each with somebody who may do it."""
    who = {Who.ANYBODY: Credential("anonymous"), Who.ADMIN: world.admin.token}
    return [
        (operation, who.get(claim.who, world.alice.token))
        for operation, claim in world.claimed()
        if operation.body is not None
    ]


async def _sent(world: World, operation: Operation, credential: Credential, **body: Any) -> httpx.Response:
    """The valid request with another body, under another name if `media_type` says so."""
    ask = replace(valid(operation, world.alice), json=None, form=None)
    media_type = body.pop("media_type", "application/json")
    content = body.get("content", json.dumps(body.get("json")).encode())
    headers = {**credential.headers, "Content-Type": media_type}
    return await ask.send(world.http, content=content, headers=headers)
