"""Who leaves a door ends the answer: at once, whenever it is, and nothing of it stays behind."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.backend import User
from tests.chat.conftest import serving
from tests.doors.conftest import Service
from tests.doors.every_door import HELLO, asked, body, both_ways, every_door
from tests.upstream import Answer, Filler, Refuse, Silence, ToolCall, Upstream

SOON = 10.0
"""Seconds; it takes milliseconds, and machines have bad moments."""
CALLED = {"name": "weather", "arguments": "{}"}
_people = iter(range(1000))


@pytest.fixture(scope="module")
async def service(
    every_vendor: Upstream, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """One answer at a time for each, and little patience with readers."""
    settings = {"max_concurrent_generations_per_user": 1, "reader_timeout": 0.3}
    async with serving(every_vendor, sqlite_template, tmp_path_factory.mktemp("leaving"), **settings) as service:
        yield service


@pytest.fixture
async def newcomer(service: Service) -> User:
    """Somebody who has used nothing yet."""
    return await service.backend.user(f"newcomer-{next(_people)}")


async def requests(user: User) -> int:
    """In the ledger."""
    items = (await user.http.get("/users/me/usage")).json()["items"]
    return sum(each["requests"] for each in items)


async def nothing_stays(service: Service, user: User, *, booked: int = 1) -> None:
    async with asyncio.timeout(SOON):
        while await requests(user) != booked or service.backend.house.engine.passing:
            await asyncio.sleep(0.01)
    exposed = service.backend.house.metrics.exposition().decode()
    assert "ai_open_streams 0" in exposed
    assert "ai_live_generations 0" in exposed


@every_door
@both_ways
@pytest.mark.parametrize("model", ["openai/gpt", "anthropic/claude-sonnet-4-6", "ollama/llama"])
async def test_before_the_first_word(
    service: Service, newcomer: User, vendor: Upstream, path: str, stream: bool, model: str
) -> None:
    vendor.script(Silence())
    reading = asyncio.create_task(asked(newcomer, path, stream=stream, model=model))
    await vendor.requested()
    assert (await asked(newcomer, path, stream=stream, model=model)).status_code == 429
    reading.cancel()
    assert (await vendor.ended(within=SOON)).ended == "aborted"
    await nothing_stays(service, newcomer)
    vendor.script(Answer())
    assert (await asked(newcomer, path, stream=stream, model=model)).status_code == 200


@every_door
@both_ways
async def test_in_its_midst(service: Service, newcomer: User, vendor: Upstream, path: str, stream: bool) -> None:
    vendor.script(Answer(("a", "b", "c"), hold=True))
    reading = asyncio.create_task(asked(newcomer, path, stream=stream))
    call = await vendor.requested()
    await vendor.release(2, request=call)
    await asyncio.sleep(0.02)
    reading.cancel()
    assert (await vendor.ended(within=SOON)).sent_chunks == 2
    await nothing_stays(service, newcomer)


async def test_between_two_attempts_there_is_no_second(service: Service, newcomer: User, vendor: Upstream) -> None:
    vendor.script(Refuse(503, headers={"retry-after": "5"}))
    reading = asyncio.create_task(asked(newcomer, "/v1/chat/completions", stream=True))
    await vendor.ended()
    await asyncio.sleep(0.05)
    reading.cancel()
    async with asyncio.timeout(4):
        await nothing_stays(service, newcomer)
    assert len(vendor.calls) == 1


@every_door
async def test_while_the_body_is_read_nobody_is_asked(
    service: Service, newcomer: User, vendor: Upstream, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    host, port = service.backend.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {newcomer.token}\r\n"
    writer.write(f'{head}Content-Type: application/json\r\nContent-Length: 999\r\n\r\n{{"model": '.encode())
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.close()
    vendor.script(Answer())
    assert (await asked(newcomer, path, stream=False)).status_code == 200
    assert len(vendor.calls) == 1
    assert not [each for each in caplog.records if each.levelname == "ERROR"]


@every_door
async def test_who_takes_nothing_is_dropped(service: Service, newcomer: User, vendor: Upstream, path: str) -> None:
    vendor.script(Answer((Filler(300_000),) * 50, delay=0.1))
    content = json.dumps(body(path, stream=True)).encode()
    host, port = service.backend.url.removeprefix("http://").split(":")
    unread = socket.socket()
    unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    unread.connect((host, int(port)))
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {newcomer.token}\r\n"
    unread.sendall(f"{head}Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)
    with unread:
        assert (await vendor.ended(within=10)).ended == "aborted"
        await nothing_stays(service, newcomer)


@both_ways
async def test_in_the_midst_of_a_tools_arguments_they_are_paid_for(
    service: Service, newcomer: User, vendor: Upstream, stream: bool
) -> None:
    vendor.script(Answer((ToolCall("weather", '{"city": "' + 400 * "x"), "b"), hold=True))
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    told = [
        *HELLO,
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": CALLED}]},
        {"role": "tool", "tool_call_id": "c", "content": 4000 * "y"},
    ]
    reading = asyncio.create_task(asked(newcomer, "/v1/chat/completions", stream=stream, messages=told, tools=[tool]))
    call = await vendor.requested()
    await vendor.release(request=call)
    await asyncio.sleep(0.02)
    reading.cancel()
    await nothing_stays(service, newcomer)
    [booked] = (await newcomer.http.get("/users/me/usage")).json()["items"]
    assert booked["estimated"] == 1
    assert booked["output_tokens"] >= 100
    assert booked["input_tokens"] >= 1000
