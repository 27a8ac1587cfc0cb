"""Every operation × everybody × every id: 401, 403 and 404 as promised, nothing changed, and the owner gets through."""

from uuid import uuid4

from tests.access.asking import Ask, named, valid
from tests.access.claims import Claim, Who
from tests.access.operations import Operation, Place
from tests.access.people import ALL, KEYS, MADE_BY_NAMING, Credential, Person
from tests.access.verdicts import Wrong, seen
from tests.access.world import World

REFUSED = (401, "unauthenticated")
NOT_FOUND = (404, "not_found")
UNREADABLE = {"content": b"\xff{", "headers": {"Content-Type": "application/json"}}
NO_IDS = ("1", "null", "%00", "x" * 300, "..%2f..", "' OR 1=1 --", "{id}", "%ff", "张三")

BAD = [
    Credential("anonymous"),
    Credential("nonsense", {"Authorization": "Bearer nonsense"}),
    Credential("an empty token", {"Authorization": "Bearer"}),
    Credential("another scheme", {"Authorization": "Basic YWxpY2U6cGFzc3dvcmQ="}),
    Credential("no key", {"X-API-Key": "nonsense"}),
    Credential("an empty key", {"X-API-Key": ""}),
    Credential("SQL", {"X-API-Key": "' OR '1'='1' --"}),
    Credential("no cookie", {"Cookie": "session=nonsense", "Sec-Fetch-Site": "same-origin"}),
    Credential("no ticket", params={"ticket": "nonsense"}),
]


def _in_the_address(person: Person) -> list[Credential]:
    """No credential is taken from a URL, but tickets."""
    names = ("token", "access_token", "api_key", "ticket", "session")
    return [Credential(f"?{name}", params={name: person.access}) for name in names]


async def test_whoever_may_is_let_in(world: World) -> None:
    """Else the refusals below would prove nothing."""
    wrong = Wrong()
    for operation, claim in world.claimed():
        somebody = await world.somebody(claim)
        who = {Who.ANYBODY: Credential("anonymous"), Who.ADMIN: world.admin.token}.get(claim.who, somebody.token)
        answer = await valid(operation, somebody).send(world.http, **who.sent)
        wrong.unless(answer.is_success, answer, operation.name, who.name)
    wrong.check(at_least=len(world.operations))


async def test_ids_of_ones_own_are_taken_wherever_they_stand(world: World) -> None:
    wrong = Wrong()
    for operation, claim in world.claimed(Who.USER, Who.PERSON):
        for place in operation.places:
            somebody = await world.somebody(claim)
            answer = await named(operation, place, somebody).send(world.http, **somebody.token.sent)
            wrong.unless(answer.is_success, answer, operation.name, place)
    wrong.check(at_least=8)


async def test_without_a_valid_credential_everything_is_401_whatever_is_sent(world: World) -> None:
    wrong = Wrong()
    async with world.unchanged(wrong):
        for operation, _ in world.protected:
            ask = valid(operation, world.alice)
            for credential in (*BAD, *_in_the_address(world.alice)):
                wrong.expect(await ask.send(world.http, **credential.sent), REFUSED, operation.name, credential.name)
            wrong.expect(await ask.send(world.http, **UNREADABLE), REFUSED, operation.name, "an unreadable body")
    wrong.check(at_least=14 * 10)


async def test_a_disabled_user_is_401_by_every_credential(world: World) -> None:
    wrong = Wrong()
    async with world.unchanged(wrong):
        for operation, _ in world.protected:
            for credential in world.carol.credentials:
                answer = await valid(operation, world.carol).send(world.http, **credential.sent)
                wrong.expect(answer, REFUSED, operation.name, credential.name)
        refresh = await world.http.post("/auth/refresh", json={"refresh_token": world.carol.refresh})
        wrong.expect(refresh, REFUSED, "refresh")
    wrong.check(at_least=2 * 10)


async def test_what_is_for_administrators_is_403_for_others(world: World) -> None:
    wrong = Wrong()
    async with world.unchanged(wrong):
        for operation, _ in world.claimed(Who.ADMIN):
            for credential in (*world.bob.credentials, world.machine.key(ALL), world.admin.key(ALL)):
                for owner in (world.alice, world.bob, world.admin):
                    answer = await valid(operation, owner).send(world.http, **credential.sent)
                    wrong.unless(answer.status_code == 403, answer, operation.name, credential.name)
                answer = await valid(operation, world.alice).send(world.http, **_unreadable(credential))
                wrong.unless(answer.status_code == 403, answer, operation.name, credential.name, "an unreadable body")
    wrong.check(at_least=0)


async def test_what_is_for_people_is_403_for_keys(world: World) -> None:
    wrong = Wrong()
    async with world.unchanged(wrong):
        for operation, _ in world.claimed(Who.PERSON):
            for person in (world.alice, world.admin, world.machine):
                for credential in _keys(person):
                    answer = await valid(operation, world.alice).send(world.http, **credential.sent)
                    wrong.expect(answer, (403, "sign_in_required"), operation.name, credential.name)
    wrong.check(at_least=0)


async def test_a_key_does_only_what_it_is_for(world: World) -> None:
    wrong = Wrong()
    async with world.unchanged(wrong):
        for operation, claim in world.claimed(Who.USER, Who.ADMIN):
            for person in (world.alice, world.admin):
                for scope in person.keys:
                    for credential in (person.key(scope), person.key_as_bearer(scope)):
                        if not all(_is_for(scope, needed) for needed in claim.scopes):
                            answer = await valid(operation, person).send(world.http, **credential.sent)
                            wrong.expect(answer, (403, "insufficient_scope"), operation.name, credential.name)
    wrong.check(at_least=0)


async def test_a_key_with_the_scope_is_as_good_as_a_sign_in(world: World) -> None:
    wrong = Wrong()
    for operation, claim in world.claimed(Who.USER):
        for scope in KEYS:
            if all(_is_for(scope, needed) for needed in claim.scopes) and _reaches(scope, claim.models):
                somebody = await world.somebody(claim)
                answer = await valid(operation, somebody).send(world.http, **somebody.key(scope).sent)
                wrong.unless(answer.is_success, answer, operation.name, scope)
    wrong.check(at_least=0)


async def test_what_somebody_else_owns_is_answered_as_what_is_unknown(world: World) -> None:
    """By path, query and body; for the administrator, too; with one foreign id, and with all of them."""
    wrong = Wrong()
    async with world.unchanged(wrong):
        for operation, claim in _with_owners(world):
            for place in operation.places:
                for asker in (world.bob, world.admin):
                    unknown = await _named(operation, place, asker, str(uuid4())).send(world.http, **asker.token.sent)
                    wrong.expect(unknown, NOT_FOUND, operation.name, place, "unknown")
                    for kind, value in _not_theirs(operation, place, asker, world.alice).items():
                        answer = await _named(operation, place, asker, value).send(world.http, **asker.token.sent)
                        wrong.unless(seen(answer) == seen(unknown), answer, operation.name, place, kind, asker.email)
            if operation.places and operation.places[0].where == "path":
                others = [world.bob.token] if claim.who is Who.PERSON else [world.bob.token, world.machine.key(ALL)]
                for credential in others:
                    answer = await valid(operation, world.alice).send(world.http, **credential.sent)
                    wrong.expect(answer, NOT_FOUND, operation.name, "all of it", credential.name)
    wrong.check(at_least=30)


async def test_what_is_unknown_is_404_for_administrators(world: World) -> None:
    wrong = Wrong()
    async with world.unchanged(wrong):
        for operation, _ in world.claimed(Who.ADMIN):
            for place in operation.places:
                if place.where == "path":
                    ask = valid(operation, world.alice)
                    for value in (str(uuid4()), *world.alice.other_ids(place).values(), *NO_IDS):
                        answer = await ask.with_id(place, value).send(world.http, **world.admin.token.sent)
                        wrong.expect(answer, NOT_FOUND, operation.name, value)
    wrong.check(at_least=0)


async def test_what_is_no_id_is_unknown_in_a_path_and_invalid_elsewhere(world: World) -> None:
    wrong = Wrong()
    async with world.unchanged(wrong):
        for operation, _ in _with_owners(world):
            for place in operation.places:
                for value in NO_IDS:
                    ask = _named(operation, place, world.alice, value)
                    answer = await ask.send(world.http, **world.alice.token.sent)
                    statuses = (404,) if place.where == "path" else (404, 422)
                    wrong.unless(answer.status_code in statuses, answer, operation.name, place, value)
                    wrong.unless(value == "1" or value not in answer.text, answer, operation.name, "echoes", value)
    wrong.check(at_least=50)


async def test_an_unknown_path_is_404_for_anybody(world: World) -> None:
    wrong = Wrong()
    paths = ("/nonsense", "/ai/nonsense", "/conversations/1/nonsense", "/ai/chat/stream/1", "/admin/nonsense")
    for credential in (Credential("anonymous"), world.alice.token, world.admin.token):
        for path in paths:
            for method in ("GET", "POST", "DELETE"):
                answer = await world.http.request(method, path, **credential.sent)
                wrong.expect(answer, NOT_FOUND, method, path, credential.name)
    wrong.check(at_least=45)


def _with_owners(world: World) -> list[tuple[Operation, Claim]]:
    """What is for users, where naming a thing does not make it."""
    claimed = world.claimed(Who.USER, Who.PERSON)
    return [(operation, claim) for operation, claim in claimed if operation.name not in MADE_BY_NAMING]


def _named(operation: Operation, place: Place, person: Person, value: str) -> Ask:
    return named(operation, place, person).with_id(place, value)


def _not_theirs(operation: Operation, place: Place, asker: Person, owner: Person) -> dict[str, str]:
    """What `asker` may not have in this place: of `owner`, deleted, from elsewhere."""
    return {"foreign": owner.id_of(operation, place), **asker.other_ids(place)}


def _keys(person: Person) -> list[Credential]:
    return [way(scope) for scope in person.keys for way in (person.key, person.key_as_bearer)]


def _is_for(scope: str, needed: str) -> bool:
    return scope == needed or (scope == ALL and needed != "admin") or (scope.startswith("models:") and needed == "chat")


def _reaches(scope: str, provider: str | None) -> bool:
    return provider is None or not scope.startswith("models:") or scope.startswith(f"models:{provider}/")


def _unreadable(credential: Credential) -> dict[str, object]:
    headers = {**credential.headers, "Content-Type": "application/json"}
    return {"content": b"\xff{", "headers": headers, "params": dict(credential.params)}
