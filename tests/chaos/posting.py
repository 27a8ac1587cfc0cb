"""Saying something until it is acknowledged, refused for good, or given up."""

import asyncio
import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from tests.chaos.following import SILENCE, Follower, Habits
from tests.chaos.history import History, Oddity, Post, Route, Try
from tests.chaos.household import Heard, Household
from tests.chaos.http import Broken, Exchange
from tests.chaos.nonces import owners

_PATIENCE = 60.0
"""Seconds in which a post is tried again."""
_WAITS = 120.0
"""Seconds for the whole answer of `POST /ai/chat`."""
_ANSWERED = {"upstream_", "refused", "context_", "instance_"}
"""How the codes of answers that failed begin: the post itself was taken, and a repeat gets the same."""
_FOR_NOW = {"idempotency_in_progress", "database_unavailable", "draining", "unavailable", "overloaded"}
"""Refusals after which the same may be tried again."""
_UNSURE = "database_unavailable"
"""The database may have stored what it could not say so of any more: nobody says that again without a key."""
_KNOWN = {*_FOR_NOW, "conversation_busy", "too_many_generations", "unauthenticated"}


class Poster:
    """Sends one post, again and again where that is safe, and reads what it gets."""

    def __init__(
        self, history: History, house: Household, client: int, rng: random.Random, numbers: Iterator[int]
    ) -> None:
        self._history = history
        self._house = house
        self._client = client
        self._rng = rng
        self._numbers = numbers
        self.on_head: Callable[[Heard], None] = lambda heard: None
        """Told of an answer as soon as the head of its stream has come."""

    async def say(self, post: Post, habits: Habits, *, abort: float | None = None) -> tuple[Heard, Follower] | None:
        """What was heard of the answer, to be read on; None where the post was not acknowledged.

        With `abort` the client leaves the first try after so many seconds, if no head has come. A post that was said
        before is repeated, as far as its key allows.
        """
        if not post.tries:
            self._history.posts.append(post)
        deadline = time.monotonic() + _PATIENCE
        pause = 0.2
        while True:
            tried = Try(sent=time.monotonic())
            post.tries.append(tried)
            follower = Follower(self._history, self._house, self._client, self._rng, self._numbers, habits)
            retry_after = await self._try(post, tried, follower, abort)
            abort = None
            if tried.acknowledged:
                assert tried.generation_id is not None
                return self._heard(post, tried), follower
            if retry_after is None or time.monotonic() > deadline:
                return None
            await asyncio.sleep(max(retry_after, pause) * self._rng.uniform(0.7, 1.3))
            pause = min(3.0, pause * 2)

    async def _try(self, post: Post, tried: Try, follower: Follower, abort: float | None) -> float | None:
        """Seconds to wait before the same may be tried again; None when that makes no sense."""
        method, path, body = await self._spelled(post)
        account = self._house.account
        headers = {} if "ticket=" in path else account.credentials(by_key=self._rng.random() < 0.5)
        headers["Content-Type"] = "application/json"
        if post.key is not None:
            headers["Idempotency-Key"] = post.key
        patience = _WAITS if post.route is Route.JSON else SILENCE
        async with Exchange(account.url, method, path, headers, body) as exchange:
            try:
                async with asyncio.timeout(patience if abort is None else abort):
                    await exchange.head()
                return await self._answer(post, tried, follower, exchange)
            except TimeoutError:
                tried.aborted = True
                if self._rng.random() < 0.5:
                    exchange.reset()
            except Broken:
                pass
            finally:
                tried.ended = time.monotonic()
        return 0.0 if post.key is not None else None

    async def _answer(self, post: Post, tried: Try, follower: Follower, exchange: Exchange) -> float | None:
        tried.status = exchange.status
        if exchange.status == 200 and post.route is not Route.JSON:
            tried.generation_id = exchange.headers.get("x-generation-id")
            tried.conversation_id = exchange.headers.get("x-conversation-id")
            connection = follower.connection(post.route)
            tried.connection = connection.number
            self.on_head(self._heard(post, tried))
            await follower.read(connection, exchange)
            tried.message_id = connection.message_id
            return None
        body = await exchange.json()
        said = json.dumps(body, ensure_ascii=False)
        if owners(said) - {post.user}:
            self._odd(post, "another user's nonce", said, foreign=True)
        if exchange.status == 200 and isinstance(body, dict):
            tried.generation_id, tried.conversation_id = body["generation_id"], body["conversation_id"]
            tried.message_id = body["message_id"]
            tried.reply, tried.reply_status = body["reply"], body["status"]
            return None
        tried.code = body.get("code") if isinstance(body, dict) else None
        return await self._refused(post, tried, exchange.headers)

    async def _refused(self, post: Post, tried: Try, headers: Mapping[str, str]) -> float | None:
        code = tried.code or ""
        if any(code.startswith(each) for each in _ANSWERED) and post.route is Route.JSON:
            return None
        if code not in _KNOWN:
            self._odd(post, f"{tried.status} {code} to a post", str(dict(headers))[:200])
            return None
        if tried.status == 401:
            await self._house.account.sign_in()
        if code == "conversation_busy" or post.route is Route.GET:
            return None
        if code == _UNSURE and post.key is None:
            return None
        given = headers.get("retry-after", "")
        return min(float(given), 5.0) if given.isdecimal() else 0.0

    def _heard(self, post: Post, tried: Try) -> Heard:
        for heard in self._house.heard:
            if heard.generation_id == tried.generation_id:
                return heard
        heard = Heard(str(tried.generation_id), ended=tried.reply is not None)
        self._house.heard.append(heard)
        self._house.talk(str(tried.conversation_id)).turns += 1
        return heard

    async def _spelled(self, post: Post) -> tuple[str, str, bytes]:
        said: dict[str, Any] = {} if post.route is Route.REGENERATE else {"message": post.text}
        place = f"/conversations/{post.conversation_id}/messages/{post.target_id}"
        match post.route:
            case Route.REGENERATE:
                return "POST", f"{place}/regenerate", b"{}"
            case Route.EDIT:
                return "POST", f"{place}/edit", json.dumps(said).encode()
        if post.conversation_id is not None:
            said["conversation_id"] = post.conversation_id
        if post.parent_id is not None:
            said["parent_id"] = post.parent_id
        if post.route is Route.GET:
            ticket = await self._house.account.once("POST", "/auth/ticket")
            if ticket.status == 200:
                said["ticket"] = ticket.body["ticket"]
            return "GET", f"/ai/chat/stream?{urlencode(said)}", b""
        path = "/ai/chat" if post.route is Route.JSON else "/ai/chat/stream"
        return "POST", path, json.dumps(said, ensure_ascii=self._rng.random() < 0.5).encode()

    def _odd(self, post: Post, what: str, detail: str, *, foreign: bool = False) -> None:
        self._history.oddities.append(Oddity(time.monotonic(), post.user, what, detail, foreign=foreign))
