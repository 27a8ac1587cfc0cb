"""No answer holds a secret: not one that is stored, nor one that belongs to the server. (CVE-2026-64859: it did.)"""

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx

from tests.access.asking import valid
from tests.access.claims import Who
from tests.access.people import PASSWORD, Credential, Person
from tests.access.verdicts import Wrong
from tests.access.world import SECRET_KEY, SERVICE_KEY, VENDOR_KEY, World, on_one_database

_SECRET_COLUMNS = ("password_hash", "key_hash", "ticket_hash", "refresh_id", "previous_refresh_id")
# Who asks for one is given it, once.
GIVEN = {
    "POST /auth/login": ("access_token", "refresh_token"),
    "POST /auth/refresh": ("access_token", "refresh_token"),
    "POST /auth/ticket": ("ticket",),
    "POST /users/me/api-keys": ("key",),
}


@on_one_database
async def test_no_answer_to_anybody_holds_a_secret(world: World) -> None:
    wrong = Wrong()
    for operation, claim in world.claimed():
        somebody = await world.somebody(claim)
        secrets = await world.stored(*_SECRET_COLUMNS) | _known(world, somebody)
        for who in _askers(world, somebody, claim.who):
            answer = await valid(operation, somebody).send(world.http, **who.sent)
            given = set(_texts({name: _json(answer).get(name) for name in GIVEN.get(operation.name, ())}))
            held = [secret for secret in secrets - given if secret in _text(answer)]
            wrong.unless(not held, answer, operation.name, who.name, "holds", held)
            if not answer.is_success:
                break  # somebody before has ended it
    wrong.check(at_least=60)


@on_one_database
async def test_what_is_given_once_is_shown_nowhere_afterwards(world: World) -> None:
    somebody = await world.somebody()
    made = await world.http.post("/users/me/api-keys", json={"name": "once"}, **somebody.token.sent)
    ticket = await world.http.post("/auth/ticket", **somebody.token.sent)
    secrets = [made.json()["key"], ticket.json()["ticket"], *somebody.keys.values(), somebody.access, somebody.refresh]
    wrong = Wrong()
    for operation, claim in world.protected:
        if operation.method == "GET":
            for who in _askers(world, somebody, claim.who):
                answer = await valid(operation, somebody).send(world.http, **who.sent)
                held = [secret for secret in secrets if secret in _text(answer)]
                wrong.unless(not held, answer, operation.name, who.name, "holds", held)
    wrong.check(at_least=20)


def _askers(world: World, somebody: Person, who: Who) -> list[Credential]:
    if who is Who.ANYBODY:
        return [Credential("anonymous")]
    if who is Who.ADMIN:
        return [world.admin.token, world.admin.key("admin")]
    return [somebody.key("*"), somebody.cookie, somebody.token]


def _known(world: World, somebody: Person) -> set[str]:
    """Secrets that stand in no table."""
    people = (somebody, world.alice, world.admin, world.carol)
    tokens = {secret for person in people for secret in (person.access, person.refresh, *person.keys.values())}
    return {PASSWORD, VENDOR_KEY, SERVICE_KEY, SECRET_KEY, *tokens}


def _json(answer: httpx.Response) -> dict[str, Any]:
    found = answer.json() if answer.headers.get("content-type") == "application/json" else {}
    return found if isinstance(found, dict) else {}


def _text(answer: httpx.Response) -> str:
    """All texts of an answer, as they were before they were spelled as JSON or packed into an archive."""
    said = repr(answer.headers)
    if answer.headers.get("content-type") == "application/zip":
        archive = zipfile.ZipFile(io.BytesIO(answer.content))
        return said + "".join(archive.read(name).decode(errors="replace") for name in archive.namelist())
    try:
        return "\n".join([said, *_texts(json.loads(answer.content))])
    except ValueError:
        return said + answer.text


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield str(name)
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    else:
        yield str(value)
