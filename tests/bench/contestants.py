"""Who is compared, and how each is asked for the same answers."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from urllib.parse import urlencode

from tests.bench.answers import Reader, WrongAnswer, data_lines, read_ours, read_tutorial
from tests.bench.load import Reply, once
from tests.bench.processes import Served
from tests.bench.vendors import Vendor

QUESTION = (
    "I keep a small garden behind the house, and since the hot week in July the lower leaves of my tomatoes turn "
    "yellow and curl at the edges. What could be the reason, and what should I look at first?"
)
REPLY = f"You said: {QUESTION}"
"""What the vendor's `echo` answers; histories are made of these two."""

Continue = Callable[[str], bytes]
"""The request that goes on with a conversation by asking this model. Repeating it leaves its length as it was."""


class Contestant(ABC):
    name: str

    def __init__(self, vendor: Vendor, served: Served, read: Reader) -> None:
        self.vendor = vendor
        self.served = served
        self.read = read

    @property
    def port(self) -> int:
        return self.served.port

    @abstractmethod
    def first_message(self, model: str) -> bytes:
        """The request that begins a conversation."""


class Converser(Contestant):
    """Whoever can be asked in the middle of a conversation, too."""

    @abstractmethod
    async def conversation(self, length: int) -> Continue:
        """A conversation that holds so many messages, an even number."""


class Bare(Converser):
    """Is given the vendor's own request; so it can be left out, and the vendor asked straight."""

    def __init__(self, vendor: Vendor, served: Served, name: str = "bare") -> None:
        super().__init__(vendor, served, vendor.read)
        self.name = name

    def first_message(self, model: str) -> bytes:
        return self._request(model, [])

    async def conversation(self, length: int) -> Continue:
        exchange = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": REPLY}]
        return lambda model: self._request(model, exchange * (length // 2))

    def _request(self, model: str, history: list[dict[str, str]]) -> bytes:
        messages = [*history, {"role": "user", "content": QUESTION}]
        return post(self.vendor.path, self.vendor.body(model, messages))


class Tutorial(Converser):
    name = "tutorial"

    def __init__(self, vendor: Vendor, upstream: Served) -> None:
        served = Served(f"tests.bench.targets.tutorial_{vendor.name}", ("{port}", upstream.url))
        super().__init__(vendor, served, read_tutorial)
        self._numbers = count()

    def first_message(self, model: str) -> bytes:
        return self._request(model, f"conversation-{next(self._numbers)}", 0)

    async def conversation(self, length: int) -> Continue:
        name = f"conversation-{next(self._numbers)}"
        for _ in range(length // 2):
            succeeded(await once(self.port, self._request("echo", name, 0)))
        # Its list goes on growing, which costs nothing; the model is shown the same number of them each time.
        return lambda model: self._request(model, name, length)

    def _request(self, model: str, conversation: str, window: int) -> bytes:
        return post("/chat", {"message": QUESTION, "conversation_id": conversation, "model": model, "window": window})


class Ours(Converser):
    """`python -m app.main` as an operator runs it: a database of its own, a signed-in user, everything stored."""

    name = "ours"

    def __init__(self, vendor: Vendor, upstream: Served, folder: Path, database_url: str | None = None) -> None:
        environment = {
            "PORT": "{port}",
            "ENVIRONMENT": "development",
            "DATA_DIR": str(folder),
            "DATABASE_URL": database_url or f"sqlite+aiosqlite:///{folder / 'app.db'}",
            "ACCESS_TOKEN_MINUTES": "1440",
            "DEFAULT_MODEL": f"{vendor.name}/echo",
            # One user is the whole crowd here.
            "MAX_CONCURRENT_GENERATIONS": "10000",
            "MAX_CONCURRENT_GENERATIONS_PER_USER": "10000",
            # Counted, as everybody's are, and never reached.
            "RATE_LIMIT_AI": "1000000/minute",
            "RATE_LIMIT_AUTH": "1000000/minute",
            "RATE_LIMIT_DEFAULT": "1000000/minute",
            # A flood says where it comes from.
            "TRUSTED_PROXIES": "127.0.0.1",
            **vendor.settings(upstream.url),
        }
        super().__init__(vendor, Served("app.main", environment=environment), read_ours)
        self._token = ""

    async def sign_in(self) -> None:
        """As a new user; before that nothing can be asked."""
        account = {"email": "bench@example.com", "password": "a long password"}
        succeeded(await once(self.port, post("/auth/register", account)))
        form = urlencode({"username": account["email"], "password": account["password"]}).encode()
        signed_in = await once(self.port, post_form("/auth/login", form))
        self._token = json.loads(succeeded(signed_in).body)["access_token"]

    def first_message(self, model: str) -> bytes:
        return self._request(model)

    async def conversation(self, length: int) -> Continue:
        named: dict[str, str] = {}
        for _ in range(length // 2):
            reply = succeeded(await once(self.port, self._request("echo", **named)))
            start, *_ = data_lines(reply.body)
            named = {"conversation_id": start["conversation_id"], "parent_id": start["message_id"]}
        return lambda model: self._request(model, **named)

    def stop(self, generation_id: str) -> bytes:
        return self.post(f"/ai/generations/{generation_id}/stop", {})

    def post(self, path: str, body: Mapping[str, object]) -> bytes:
        """A request of the user who is signed in."""
        return post(path, body, f"authorization: Bearer {self._token}\r\n")

    def _request(self, model: str, **named: str) -> bytes:
        return self.post("/ai/chat/stream", {"message": QUESTION, "model": f"{self.vendor.name}/{model}", **named})


def post(path: str, body: Mapping[str, object], headers: str = "") -> bytes:
    return _post(path, json.dumps(body).encode(), "application/json", headers)


def post_form(path: str, content: bytes, headers: str = "") -> bytes:
    return _post(path, content, "application/x-www-form-urlencoded", headers)


def succeeded(reply: Reply) -> Reply:
    """Raises WrongAnswer for a refusal."""
    if reply.status >= 300:
        raise WrongAnswer(f"{reply.status}: {reply.body.decode(errors='replace')}")
    return reply


def ledger(port: int, method: str = "GET") -> bytes:
    """What the vendor saw; DELETE forgets it."""
    return f"{method} /-/requests HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n".encode()


def _post(path: str, content: bytes, kind: str, headers: str = "") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: {kind}\r\ncontent-length: {len(content)}\r\n"
    return f"{head}{headers}\r\n".encode() + content
