"""What is taken away is gone with the next request on every instance, and with a user goes what still runs."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from app.core.tokens import Tokens
from app.domain.chat import Turn
from app.domain.identity import Principal
from app.models.chat import conversations, messages
from app.models.generations import generations
from app.models.identity import sessions, tickets, users
from tests.accounts.behind import alter, rows
from tests.accounts.signing import SignIn, ask, is_problem, new_key, new_ticket, sign_in
from tests.backend import PASSWORD, Backend, User
from tests.chat.reading import eventually, follow, posting
from tests.conftest import Serve
from tests.follower import Follower
from tests.sse import Stream
from tests.upstream import Answer, Upstream

COUNT = tuple(f"{number} " for number in range(1, 11))
SECRET = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"


@pytest.fixture
async def instances(database_kind: str, serve: Serve) -> Sequence[Backend]:
    """Two on one PostgreSQL, and the one that an embedded database allows."""
    return [await serve(secret_key=SECRET) for _ in range(1 if database_kind == "sqlite" else 2)]


@dataclass(frozen=True)
class Holdings:
    """Everything that may stand for one user: a sign-in with its tickets, and a key with its own."""

    sign_in: SignIn
    key: str
    key_id: str
    tickets: Sequence[str]
    """Unspent: the sign-in's, the key's."""
    bound: Sequence[tuple[str, str]]
    """With the generation that each has opened: the sign-in's, the key's."""

    def of_the_sign_in(self) -> dict[str, dict[str, Any]]:
        """How each is shown, as a request's arguments; the refresh token apart."""
        return {
            "access token": {"headers": self.sign_in.bearer},
            "cookie": {"headers": self.sign_in.under_cookie},
            "ticket": {"params": {"message": "Hello", "ticket": self.tickets[0]}},
            "spent ticket": _spent(*self.bound[0]),
        }

    def of_the_key(self) -> dict[str, dict[str, Any]]:
        return {
            "API key": {"headers": {"X-API-Key": self.key}},
            "API key as a token": {"headers": {"Authorization": f"Bearer {self.key}"}},
            "ticket of the key": {"params": {"message": "Hello", "ticket": self.tickets[1]}},
            "spent ticket of the key": _spent(*self.bound[1]),
        }


def _spent(ticket: str, generation_id: str) -> dict[str, Any]:
    return {"params": {"ticket": ticket}, "headers": {"Last-Event-ID": f"{generation_id}:1"}}


async def hold(backend: Backend, user: User) -> Holdings:
    """A second sign-in of the user, and a key."""
    here = await sign_in(backend, user)
    key = await new_key(backend, here.bearer)
    shown = (here.bearer, {"X-API-Key": key["key"]})
    bound = []
    for each in shown:
        ticket = await new_ticket(backend, each)
        opened = await ask(backend, "GET", "/ai/chat/stream", params={"message": "Hello", "ticket": ticket})
        bound.append((ticket, Stream.of(opened.content).start["generation_id"]))
    return Holdings(here, key["key"], key["id"], [await new_ticket(backend, each) for each in shown], bound)


async def statuses(instances: Sequence[Backend], requests: dict[str, dict[str, Any]]) -> set[int]:
    """Of a request that each kind of credential may make, on each instance."""
    return {
        (await ask(instance, "GET", "/ai/chat/stream" if "params" in request else "/ai/models", **request)).status_code
        for instance in instances
        for request in requests.values()
    }


async def refreshed(backend: Backend, token: str) -> httpx.Response:
    return await ask(backend, "POST", "/auth/refresh", json={"refresh_token": token})


async def set_active(database_url: str, user: User, active: bool) -> None:
    """As another instance would."""
    await alter(database_url, update(users).where(users.c.email == user.email).values(is_active=active))


async def sign_out(backend: Backend, user: User, held: Holdings, database_url: str) -> None:
    assert (await ask(backend, "POST", "/auth/logout", headers=held.sign_in.bearer)).status_code == 204


async def end_session(backend: Backend, user: User, held: Holdings, database_url: str) -> None:
    listed = (await ask(backend, "GET", "/users/me/sessions", headers=held.sign_in.bearer)).json()["items"]
    (ended,) = [each["id"] for each in listed if each["current"]]
    assert (await user.http.delete(f"/users/me/sessions/{ended}")).status_code == 204


async def change_password(backend: Backend, user: User, held: Holdings, database_url: str) -> None:
    body = {"password": "another 电池 password", "current_password": PASSWORD}
    assert (await user.http.patch("/users/me", json=body)).status_code == 200


async def delete_key(backend: Backend, user: User, held: Holdings, database_url: str) -> None:
    assert (await user.http.delete(f"/users/me/api-keys/{held.key_id}")).status_code == 204


async def deactivate(backend: Backend, user: User, held: Holdings, database_url: str) -> None:
    await set_active(database_url, user, False)


async def delete_account(backend: Backend, user: User, held: Holdings, database_url: str) -> None:
    assert (await user.http.delete("/users/me")).status_code == 204


Act = Callable[[Backend, User, Holdings, str], Awaitable[None]]

# What is done, and whether the sign-in falls by it, and the key.
ACTS: Sequence[tuple[Act, bool, bool]] = (
    (sign_out, True, False),
    (end_session, True, False),
    (change_password, True, False),
    (delete_key, False, True),
    (deactivate, True, True),
    (delete_account, True, True),
)


@pytest.mark.parametrize(("act", "sign_in_falls", "key_falls"), ACTS, ids=[act.__name__ for act, *_ in ACTS])
async def test_what_is_taken_away_is_refused_by_the_next_request_on_every_instance(
    instances: Sequence[Backend], database_url: str, upstream: Upstream, act: Act, sign_in_falls: bool, key_falls: bool
) -> None:
    user = await instances[0].user()
    held = await hold(instances[0], user)
    everything = held.of_the_sign_in() | held.of_the_key()
    falling = (held.of_the_sign_in() if sign_in_falls else {}) | (held.of_the_key() if key_falls else {})
    # Each instance has seen them, as one with a cache of its own would have.
    lasting = {name: request for name, request in everything.items() if not name.startswith("ticket")}
    assert await statuses(instances, lasting) <= {200, 204}
    answered = len(upstream.calls)

    await act(instances[0], user, held, database_url)

    assert await statuses(list(reversed(instances)), falling) == {401}
    assert len(upstream.calls) == answered
    standing = {name: request for name, request in everything.items() if name not in falling}
    assert await statuses(instances[-1:], standing) <= {200, 204}
    renewals = {(await refreshed(instance, held.sign_in.refresh)).status_code for instance in instances}
    assert renewals == ({401} if sign_in_falls else {200, 409} if len(instances) > 1 else {200})


async def test_a_role_holds_from_the_next_request_on_every_instance(
    instances: Sequence[Backend], database_url: str
) -> None:
    user = await instances[0].user()
    held = await hold(instances[0], user)
    one = update(users).where(users.c.email == user.email)
    for role, seen in (("admin", 200), ("user", 403), ("admin", 200), ("user", 403)):
        await alter(database_url, one.values(role=role))
        for instance in instances:
            for shown in (held.sign_in.bearer, held.sign_in.under_cookie):
                assert (await ask(instance, "GET", "/users", headers=shown)).status_code == seen
                assert (await ask(instance, "GET", "/users/me", headers=shown)).json()["role"] == role
            # A key without the scope is none of an administrator's, whoever its owner is.
            assert (await ask(instance, "GET", "/users", headers={"X-API-Key": held.key})).status_code == 403


async def test_who_is_active_again_is_signed_in_again(instances: Sequence[Backend], database_url: str) -> None:
    user = await instances[0].user()
    await set_active(database_url, user, False)
    for instance in instances:
        is_problem(await ask(instance, "GET", "/users/me", headers=dict(user.http.headers)), 401, "unauthenticated")
    await set_active(database_url, user, True)
    for instance in instances:
        assert (await ask(instance, "GET", "/users/me", headers=dict(user.http.headers))).status_code == 200


async def test_a_revoked_token_is_refused_around_its_expiry(instances: Sequence[Backend]) -> None:
    """As long as it could be read, so long must it be known that it is revoked: there is no list that forgets."""
    user = await instances[0].user()
    here = await sign_in(instances[0], user)
    claims = Tokens(SECRET, timedelta(minutes=1), timedelta(days=1)).read_refresh(here.refresh)

    def expiring(seconds: int) -> dict[str, str]:
        tokens = Tokens(SECRET, timedelta(seconds=seconds), timedelta(days=1))
        return {"Authorization": f"Bearer {tokens.access(claims.user_id, claims.session_id)}"}

    # A little before its expiry, and after it within the leeway that clocks are given.
    still_read = [here.bearer, expiring(20), expiring(0), expiring(-4)]
    for instance in instances:
        for shown in still_read:
            assert (await ask(instance, "GET", "/users/me", headers=shown)).status_code == 200
        assert (await ask(instance, "GET", "/users/me", headers=expiring(-Tokens.LEEWAY - 2))).status_code == 401

    await ask(instances[0], "POST", "/auth/logout", headers=here.bearer)

    for instance in instances:
        for shown in (*still_read, expiring(1), expiring(-1)):
            assert (await ask(instance, "GET", "/users/me", headers=shown)).status_code == 401


async def test_of_twenty_refreshes_over_all_instances_one_succeeds(instances: Sequence[Backend]) -> None:
    user = await instances[0].user()
    here = await sign_in(instances[0], user)
    turns = [instances[n % len(instances)] for n in range(20)]

    answers = await asyncio.gather(*(refreshed(instance, here.refresh) for instance in turns))

    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 19
    (won,) = [answer.json() for answer in answers if answer.status_code == 200]
    assert (await refreshed(instances[-1], won["refresh_token"])).status_code == 200
    # By now the first is two rotations old: whoever brings it has stolen it, or been stolen from.
    is_problem(await refreshed(instances[0], here.refresh), 401, "unauthenticated")
    for instance in instances:
        for token in (here.access, won["access_token"]):
            shown = {"Authorization": f"Bearer {token}"}
            assert (await ask(instance, "GET", "/users/me", headers=shown)).status_code == 401


# What still runs


async def test_the_open_streams_of_a_deactivated_user_end_wherever_they_are_read(
    instances: Sequence[Backend], upstream: Upstream, database_url: str
) -> None:
    alice, elsewhere = await instances[0].user(), await instances[-1].user()
    upstream.script(Answer(COUNT, hold=True))
    async with Follower.post(alice, "Count") as posted:
        start = (await posted.until(lambda stream: bool(stream.events))).start
        await upstream.release(3)
        await posted.until(lambda stream: len(stream.events) >= 4)
        async with Follower.resume(elsewhere, start["generation_id"]) as other:
            await other.until(lambda stream: len(stream.events) >= 4)

            await set_active(database_url, alice, False)

            ends = [await each.ended(within=8) for each in (posted, other)]
    for stream in ends:
        assert (stream.done["status"], stream.text, stream.named("failure")) == ("stopped", "1 2 3 ", [])
        assert stream.seqs == list(range(1, len(stream.events) + 1))
    assert upstream.calls[0].ended == "aborted"
    (answer,) = await rows(database_url, select(messages).where(messages.c.id == start["message_id"]))
    assert (answer["status"], answer["content"]) == ("stopped", "1 2 3 ")
    await set_active(database_url, alice, True)
    assert (await follow(elsewhere, start["generation_id"])).text == "1 2 3 "


async def test_other_peoples_streams_go_on(instances: Sequence[Backend], upstream: Upstream, database_url: str) -> None:
    alice, bob = await instances[0].user("alice"), await instances[0].user("bob")
    upstream.script([Answer(COUNT, hold=True), Answer(COUNT, hold=True)])
    async with posting(alice, "Count") as hers, posting(bob, "Count") as his:
        await hers.event()
        await his.event()
        await set_active(database_url, alice, False)
        assert Stream(await hers.rest()).done["status"] == "stopped"
        await upstream.finish()
        ending = Stream(await his.rest())
    assert (ending.done["status"], ending.text) == ("complete", "".join(COUNT))


async def test_an_answer_that_began_as_its_user_was_deactivated_is_stopped(
    instances: Sequence[Backend], upstream: Upstream, database_url: str
) -> None:
    """A request that was authorised a moment before."""
    alice = await instances[0].user()
    here = await sign_in(instances[0], alice)
    house = instances[0].house
    claims = house.tokens.read_access(here.access)
    principal = Principal(await _user_of(instances[0], claims.session_id), session_id=claims.session_id)
    upstream.script(Answer(COUNT, delay=30))
    await set_active(database_url, alice, False)

    started = await house.chat.post(principal, Turn("Count"))

    async with asyncio.timeout(10):
        await started.log.wait_for(2**31)
    await eventually(lambda: all(call.ended == "aborted" for call in upstream.calls))
    await set_active(database_url, alice, True)
    whole = await follow(alice, started.generation.id)
    assert whole.done["status"] == "stopped"
    assert "1 2 ".startswith(whole.text)


async def _user_of(backend: Backend, session_id: str) -> Any:
    return await backend.house.database.now.sessions.user_of(session_id)


async def test_an_answer_outlives_the_session_that_asked_for_it(
    instances: Sequence[Backend], upstream: Upstream
) -> None:
    """Signing out is leaving, and leaving stops nothing; but from then on that session reads no more of it."""
    alice = await instances[0].user()
    here = await sign_in(instances[0], alice)
    signed_out = await instances[0].user()
    signed_out.http.headers.update(here.bearer)
    upstream.script(Answer(COUNT, hold=True))
    async with Follower.post(signed_out, "Count") as posted:
        start = (await posted.until(lambda stream: bool(stream.events))).start

        assert (await ask(instances[-1], "POST", "/auth/logout", headers=here.bearer)).status_code == 204

        again = await ask(instances[-1], "GET", f"/ai/generations/{start['generation_id']}/events", headers=here.bearer)
        is_problem(again, 401, "unauthenticated")
        await upstream.finish()
        await posted.ended()
    whole = await follow(alice, start["generation_id"])
    assert (whole.done["status"], whole.text) == ("complete", "".join(COUNT))


async def test_an_account_that_goes_takes_its_running_answers_along(
    instances: Sequence[Backend], upstream: Upstream, database_url: str
) -> None:
    alice, elsewhere = await instances[0].user(), await instances[-1].user()
    upstream.script(Answer(COUNT, hold=True))
    async with Follower.post(alice, "Count") as posted:
        await posted.until(lambda stream: bool(stream.events))
        await upstream.release(3)

        deleted = await elsewhere.http.delete("/users/me")

        stream = await posted.ended(within=8)
    assert deleted.status_code == 204, deleted.text
    assert len([event for event in stream.messages if "done" in event.json]) == 1
    assert (await upstream.ended(within=8)).ended == "aborted"
    for table in (generations, messages, conversations, tickets, sessions):
        assert await rows(database_url, select(table)) == [], table.name
