"""One decision, however somebody says who they are; and nothing that was taken away is good for anything."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.access.asking import Ask, valid
from tests.access.claims import Claim, Who
from tests.access.operations import Operation
from tests.access.people import ALL, Credential, Person
from tests.access.verdicts import Wrong, refused, verdict
from tests.access.world import World, on_one_database

UNREADABLE = b"\xff{"
FOREIGN_PAGES = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.test"},
    {"Origin": "null"},
    {"Referer": "https://evil.test/page"},
]


def harmless(operation: Operation, claim: Claim, person: Person) -> Ask | None:
    """A request that shows whether somebody is let in, and does nothing if so; None where there is none."""
    ask = valid(operation, person)
    for place in operation.places:
        if place.where == "path":
            return ask.with_id(place, str(uuid4()))
    return ask if operation.body is not None or (operation.method == "GET" and not claim.costs) else None


def probes(world: World, person: Person) -> Iterator[tuple[Operation, Claim, Ask]]:
    for operation, claim in world.protected:
        if (ask := harmless(operation, claim, person)) is not None:
            yield operation, claim, ask


async def decision(world: World, ask: Ask, credential: Credential) -> tuple[int, str]:
    if ask.operation.body is None:
        return verdict(await ask.send(world.http, **credential.sent))
    headers = {**credential.headers, "Content-Type": "application/json"}
    return verdict(await ask.send(world.http, content=UNREADABLE, headers=headers, params=dict(credential.params)))


@on_one_database
async def test_a_key_means_the_same_in_either_header(world: World) -> None:
    wrong = Wrong()
    for person in (world.alice, world.admin, world.carol):
        for operation, _, ask in probes(world, world.alice):
            for scope in person.keys:
                one = await decision(world, ask, person.key(scope))
                other = await decision(world, ask, person.key_as_bearer(scope))
                wrong.that(one == other, f"{operation.name} · {person.email} · {scope}: {one} and {other}")
    wrong.check(at_least=200)


@on_one_database
async def test_a_cookie_means_the_same_as_its_token(world: World) -> None:
    wrong = Wrong()
    for person in (world.alice, world.admin, world.carol):
        for operation, _, ask in probes(world, world.alice):
            one, other = [await decision(world, ask, each) for each in (person.token, person.cookie)]
            wrong.that(one == other, f"{operation.name} · {person.email}: {one} and {other}")
    wrong.check(at_least=60)


@on_one_database
@pytest.mark.parametrize("page", FOREIGN_PAGES, ids=str)
async def test_a_foreign_page_changes_and_costs_nothing_under_the_cookie(world: World, page: dict[str, str]) -> None:
    wrong = Wrong()
    credential = Credential("cookie", {"Cookie": f"session={world.alice.access}", **page})
    async with world.unchanged(wrong):
        for operation, claim in world.protected:
            answer = await valid(operation, world.alice).send(world.http, **credential.sent)
            if operation.method == "GET" and not claim.costs:
                wrong.unless(answer.is_success or claim.who is Who.ADMIN, answer, operation.name)
            else:
                wrong.expect(answer, (403, "cross_origin"), operation.name)
    wrong.check(at_least=20)


@on_one_database
async def test_the_credential_that_a_program_sets_must_be_good_whatever_stands_beside_it(world: World) -> None:
    wrong = Wrong()
    alice = world.alice
    bad = [{"X-API-Key": "nonsense"}, {"X-API-Key": ""}, {"Authorization": "Bearer nonsense"}, {"Authorization": ""}]
    async with world.unchanged(wrong):
        for operation, _, ask in probes(world, alice):
            for headers in bad:
                good = alice.cookie.headers if "Authorization" in headers else alice.token.headers
                answer = await decision(world, ask, Credential("both", {**good, **headers}))
                wrong.that(
                    answer == refused(operation.path, 401, "unauthenticated"), f"{operation.name} · {headers}: {answer}"
                )
    wrong.check(at_least=80)


async def test_a_ticket_opens_the_streams_that_take_one_and_nothing_else(world: World) -> None:
    wrong = Wrong()
    for operation, claim in world.protected:
        somebody = await world.somebody(claim)
        for asked_by in (somebody.token, somebody.key("chat")):
            ticket = await _ticket(world, asked_by)
            answer = await valid(operation, somebody).send(world.http, **ticket.sent)
            wrong.unless(answer.is_success if claim.tickets else answer.status_code == 401, answer, operation.name)
    wrong.check(at_least=40)


async def test_what_was_taken_away_is_good_for_nothing(world: World) -> None:
    """A ticket, a key and a session that have ended, and all that a user had who was deactivated or deleted."""
    ended, deactivated, deleted = [await world.somebody() for _ in range(3)]
    gone: list[Credential] = []
    for person in (ended, deactivated, deleted):
        gone += [*person.credentials, await _ticket(world, person.token), await _ticket(world, person.key(ALL))]
    for key in (await world.http.get("/users/me/api-keys", **ended.token.sent)).json()["items"]:
        await world.http.delete(f"/users/me/api-keys/{key['id']}", **ended.token.sent)
    await world.http.post("/auth/logout", **ended.token.sent)
    off = await world.http.patch(f"/users/{deactivated.id}", json={"is_active": False}, **world.admin.token.sent)
    out = await world.http.delete(f"/users/{deleted.id}", **world.admin.token.sent)
    assert (off.status_code, out.status_code) == (200, 204)

    wrong = Wrong()
    async with world.unchanged(wrong):
        for operation, _ in world.protected:
            for credential in gone:
                answer = await valid(operation, ended).send(world.http, **credential.sent)
                wrong.expect(answer, (401, "unauthenticated"), operation.name, credential.name)
        for person in (ended, deactivated, deleted):
            answer = await world.http.post("/auth/refresh", json={"refresh_token": person.refresh})
            wrong.expect(answer, (401, "unauthenticated"), "refresh")
    wrong.check(at_least=400)


async def _ticket(world: World, asked_by: Credential) -> Credential:
    answer = await world.http.post("/auth/ticket", **asked_by.sent)
    assert answer.status_code == 200, answer.text
    return Credential(f"ticket of {asked_by.name}", params={"ticket": answer.json()["ticket"]})
