"""Celery's queue in Redis: how it is set up, and messages for the workers that take them from there."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from celery import Celery
from kombu.exceptions import OperationalError
from redis import RedisError, SSLConnection, UnixDomainSocketConnection
from redis.connection import parse_url

from app.stores.breaker import Away
from app.stores.redis import PREFIX

T = TypeVar("T")

NAME = "ai-backend"
QUEUE = f"{PREFIX}:jobs"
TASK = "ingest"
"""Reads one document. Its argument, a job's id, is for people who look at the queue."""
_CONNECTING = 2.0
_ANSWERING = 5.0
"""Seconds. Those who wait are a thread of nobody's, and workers, which ask for messages for a second each."""
_VISIBLE = 3600
"""Seconds after which what a dead worker had taken is given to another. Long before that it has been sent again, for
the job's lease has run out."""


def celery_settings(url: str) -> Mapping[str, object]:
    """Celery's own settings, for those who send and those who take. `url` is REDIS_URL."""
    return {
        "broker_url": _broker_url(url),
        "broker_use_ssl": _tls(url),
        "broker_transport_options": {
            # Kombu's prefix for all keys leaves some out; these and the queue are all that it makes here.
            "unacked_key": f"{QUEUE}:unacked",
            "unacked_index_key": f"{QUEUE}:unacked-index",
            "unacked_mutex_key": f"{QUEUE}:unacked-mutex",
            "visibility_timeout": _VISIBLE,
            "socket_connect_timeout": _CONNECTING,
            "socket_timeout": _ANSWERING,
            "max_retries": 0,
        },
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,  # a worker waits as long as it takes
        "task_default_queue": QUEUE,
        "task_ignore_result": True,
        "result_backend": None,
        "task_serializer": "json",
        "accept_content": ["json"],
    }


class CeleryPost:
    """Sends in a thread: kombu blocks. A call takes seconds at most, whatever becomes of Redis."""

    def __init__(self, url: str) -> None:
        self._celery = Celery(NAME, set_as_current=False, fixups=[])
        self._celery.conf.update(celery_settings(url))

    async def send(self, job_ids: Sequence[str]) -> None:
        """A message for each. Raises Away, and then some of them may have been sent."""

        def send() -> None:
            for job_id in job_ids:
                self._celery.send_task(TASK, (job_id,), retry=False)

        await _in_thread(send)

    async def length(self) -> int:
        """How many nobody has taken yet. Raises Away."""

        def count() -> int:
            with self._celery.pool.acquire(block=True) as connection:
                return int(connection.default_channel.queue_declare(queue=QUEUE).message_count)

        return await _in_thread(count)


async def _in_thread(work: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(work)
    except (OperationalError, RedisError, OSError) as error:
        raise Away("celery") from error


def _parts(url: str) -> Mapping[str, Any]:
    """Which of several spellings counts is what our own client makes of it."""
    parts: Mapping[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]
    return parts


def _broker_url(url: str) -> str:
    """As kombu spells it."""
    parts = _parts(url)
    name, password = (quote(str(parts.get(part, "")), safe="") for part in ("username", "password"))
    user = f"{name}:{password}@" if name or password else ""
    database = parts.get("db", 0)
    if parts.get("connection_class") is UnixDomainSocketConnection:
        return f"redis+socket://{user}{quote(parts['path'])}?virtual_host={database}"
    host = str(parts.get("host", "localhost"))
    host = f"[{host}]" if ":" in host else host
    return f"redis://{user}{host}:{parts.get('port', 6379)}/{database}"


def _tls(url: str) -> Mapping[str, object] | None:
    parts = _parts(url)
    if parts.get("connection_class") is not SSLConnection:
        return None
    return {"ssl_cert_reqs": "required"} | {name: given for name, given in parts.items() if name.startswith("ssl_")}
