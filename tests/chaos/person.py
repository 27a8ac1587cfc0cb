"""One client of one user: what it does, one thing after the other."""

import asyncio
import json
import random
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from tests.chaos.drawing import Drawing
from tests.chaos.following import Follower, Habits
from tests.chaos.history import Glimpse, History, Oddity, Post, Route, Stop
from tests.chaos.household import Heard, Household, Talk
from tests.chaos.nonces import owners
from tests.chaos.plans import Plan
from tests.chaos.posting import Poster

_ROUTES = ((Route.STREAM, Route.JSON, Route.GET), (72, 14, 14))


class Person:
    """`think` is how many seconds it waits at most between two things."""

    def __init__(
        self,
        history: History,
        house: Household,
        client: int,
        rng: random.Random,
        numbers: Iterator[int],
        *,
        think: float = 1.0,
    ) -> None:
        self._history = history
        self._house = house
        self._client = client
        self._rng = rng
        self._numbers = numbers
        self._think = think
        self._drawing = Drawing(rng)
        self._user = house.account.number

    async def live(self, until: Callable[[], bool]) -> None:
        """Do one thing after the other; once `until` is true, end what was begun."""
        acts = (self._talk, self._look, self._branch, self._read_again, self._intrude)
        while not until():
            (act,) = self._rng.choices(acts, (72, 7, 6, 11, 4))
            try:
                await act()
            except TimeoutError:
                self._odd("a plain request that could not be answered in a minute", act.__name__)
            await asyncio.sleep(self._rng.uniform(0, self._think))

    # --- saying something ---

    async def _talk(self) -> None:
        talk = self._house.idle_talk(self._rng) if self._rng.random() < 0.75 else None
        await self._say(self._post(talk))

    async def _intrude(self) -> None:
        """Speak while an answer is being written: that is refused, or it has just ended."""
        talk = self._house.busy_talk(self._rng)
        if talk is not None:
            await self._say(self._post(talk))

    async def _branch(self) -> None:
        """Go on from somewhere else, say something differently, or have it answered once more."""
        talk = self._house.idle_talk(self._rng)
        if talk is None:
            return
        messages = await self._messages(talk)
        post = self._post(talk)
        match self._rng.choice(("regenerate", "edit", "parent")):
            case "regenerate" if messages:
                chosen = self._rng.choice(messages)
                post.plan = _plan_behind(messages, chosen) or post.plan
                post.route, post.target_id, post.text = Route.REGENERATE, chosen["id"], ""
            case "edit" if asked := [each for each in messages if each["role"] == "user"]:
                post.route, post.target_id = Route.EDIT, self._rng.choice(asked)["id"]
            case "parent" if answers := [each for each in messages if each["role"] == "assistant"]:
                post.parent_id = self._rng.choice(answers)["id"]
        await self._say(post)

    def _post(self, talk: Talk | None) -> Post:
        (route,) = self._rng.choices(*_ROUTES)
        plan = self._drawing.plan(self._user, self._house.next_serial())
        return Post(
            number=next(self._numbers),
            user=self._user,
            client=self._client,
            route=route,
            plan=plan,
            text=self._drawing.question(plan),
            key=f"key-{plan.nonce}" if route is not Route.GET and self._rng.random() < 0.6 else None,
            conversation_id=talk.conversation_id if talk else None,
        )

    async def _say(self, post: Post) -> None:
        rng = self._rng
        habits = Habits(drops=rng.choice((0, 0, 0, 1, 1, 2, 4)), reset=rng.random() < 0.3)
        abort = rng.uniform(0, 0.15) if rng.random() < 0.06 else None
        poster = Poster(self._history, self._house, self._client, rng, self._numbers)
        beside: list[asyncio.Task[None]] = []
        poster.on_head = lambda heard: beside.extend(map(asyncio.create_task, self._beside(heard)))
        with self._waiting(post):
            said = await poster.say(post, habits, abort=abort)
            if said is not None and post.route is not Route.JSON:
                heard, follower = said
                await follower.finish(heard)
            await asyncio.gather(*beside)
        if said is not None and post.key is not None and rng.random() < 0.1:
            await self._repeat(poster, post)

    async def _repeat(self, poster: Poster, post: Post) -> None:
        """The same once more with the same key, long after it was answered."""
        poster.on_head = lambda heard: None
        said = await poster.say(post, Habits())
        if said is not None and post.route is not Route.JSON:
            heard, follower = said
            await follower.finish(heard)

    @contextmanager
    def _waiting(self, post: Post) -> Iterator[None]:
        talk = self._house.talk(post.conversation_id) if post.conversation_id is not None else None
        if talk is not None:
            talk.busy += 1
        try:
            yield
        finally:
            if talk is not None:
                talk.busy -= 1

    def _beside(self, heard: Heard) -> Iterator[Coroutine[Any, Any, None]]:
        """What others do while an answer is read: read it too, or stop it."""
        if self._rng.random() < 0.1:
            yield self._read(heard, after=0)
        if self._rng.random() < 0.06:
            yield self._stop(heard)

    async def _stop(self, heard: Heard) -> None:
        await asyncio.sleep(self._rng.uniform(0, 1))
        for _ in range(self._rng.choice((1, 2, 3))):
            stop = Stop(self._user, heard.generation_id, time.monotonic())
            self._history.stops.append(stop)
            answer = await self._house.account.once("POST", f"/ai/generations/{heard.generation_id}/stop")
            stop.ended, stop.status = time.monotonic(), answer.status or None
            if answer.status == 202:
                stop.reported = answer.body["status"]
            elif answer.status == 401:
                await self._house.account.sign_in()
            elif answer.status not in (0, 503):
                self._odd(f"{answer.status} {answer.code} to a stop", heard.generation_id)

    # --- reading ---

    async def _read_again(self) -> None:
        heard = self._house.old_answer(self._rng)
        if heard is not None:
            await self._read(
                heard, after=self._rng.choice((0, 0, heard.last_seq, self._rng.randint(0, heard.last_seq)))
            )

    async def _read(self, heard: Heard, *, after: int) -> None:
        habits = Habits(drops=self._rng.choice((0, 0, 1, 2)), reset=self._rng.random() < 0.3)
        follower = Follower(self._history, self._house, self._client, self._rng, self._numbers, habits, after=after)
        await follower.finish(heard)

    async def _look(self) -> None:
        if self._house.talks:
            await self._messages(self._rng.choice(list(self._house.talks.values())))

    async def _messages(self, talk: Talk) -> list[dict[str, Any]]:
        body = await self._house.account.get(f"/conversations/{talk.conversation_id}/messages?limit=500")
        said = json.dumps(body, ensure_ascii=False)
        if owners(said) - {self._user}:
            self._odd("another user's nonce", said, foreign=True)
        messages: list[dict[str, Any]] = body["items"]
        for each in messages[-2:]:
            if each["role"] == "assistant":
                seen = Glimpse(time.monotonic(), self._user, each["id"], each["status"], each["content"])
                self._history.glimpses.append(seen)
        return messages

    def _odd(self, what: str, detail: str, *, foreign: bool = False) -> None:
        self._history.oddities.append(Oddity(time.monotonic(), self._user, what, detail[:300], foreign=foreign))


def _plan_behind(messages: list[dict[str, Any]], chosen: dict[str, Any]) -> Plan | None:
    """That of the question which another answer is to be given to."""
    by_id = {each["id"]: each for each in messages}
    question = chosen if chosen["role"] == "user" else by_id[chosen["parent_id"]]
    return Plan.of(question["content"])
