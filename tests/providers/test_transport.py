"""What the transport bears: hostile answers, proxies, connections that fail."""

import asyncio
import os
import resource
import sys
import zlib
from contextlib import aclosing

import httpx2
import openai
import pytest
from pydantic import SecretStr

from app.domain.failures import FailureCode, GenerationFailure
from app.domain.prompts import ModelMessage, ModelRequest
from app.providers import shipped
from app.providers.openai.adapter import OpenAIProvider
from app.providers.transport import Transport
from tests.providers.loopback import END, Loopback, Reply, chunk, events

REQUEST = ModelRequest(shipped.card("openai", "gpt-4o"), [ModelMessage("user", "hi")], None, 64, None)


async def exhaust(provider: OpenAIProvider) -> None:
    async with aclosing(provider.stream(REQUEST)) as stream:
        async for _ in stream:
            pass


def raw(head: bytes) -> Reply:
    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        await writer.drain()
        writer.close()

    return reply


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Y: z\r\n" * 100_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: br\r\nContent-Length: 3\r\n\r\nabc",
    ],
)
async def test_an_answer_that_is_no_http_is_a_failure_with_a_name(
    vendor: Loopback, provider: OpenAIProvider, head: bytes
) -> None:
    vendor.replies = [raw(head)]
    with pytest.raises(GenerationFailure):
        await exhaust(provider)


async def test_a_compressed_bomb_is_refused_before_it_fills_the_memory(
    vendor: Loopback, provider: OpenAIProvider
) -> None:
    squeeze = zlib.compressobj(wbits=31)
    bomb = b"".join(squeeze.compress(b"data: " + b"x" * 1_000_000) for _ in range(200)) + squeeze.flush()
    vendor.replies = [events(bomb, extra=b"Content-Encoding: gzip\r\n")]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(GenerationFailure) as failure:
        await exhaust(provider)
    assert failure.value.code is FailureCode.UPSTREAM_PROTOCOL
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


async def test_a_handshake_that_nobody_answers_is_a_timeout(vendor: Loopback) -> None:
    url = vendor.url.replace("http:", "https:")
    provider = OpenAIProvider("openai", api_key=SecretStr("k"), base_url=url, connect_timeout=0.1)
    with pytest.raises(GenerationFailure) as failure:
        await asyncio.wait_for(exhaust(provider), 10)
    assert failure.value.code is FailureCode.UPSTREAM_TIMEOUT
    await provider.aclose()


async def test_a_name_that_is_not_there_is_an_error_that_may_be_tried_again() -> None:
    provider = OpenAIProvider("openai", api_key=SecretStr("k"), base_url="http://x.invalid/v1", connect_timeout=60)
    with pytest.raises(GenerationFailure) as failure:
        await exhaust(provider)
    assert (failure.value.code, failure.value.transient) == (FailureCode.UPSTREAM_ERROR, True)
    await provider.aclose()


async def test_ordinary_calls_of_the_sdk_work_on_it(vendor: Loopback) -> None:
    vendor.replies = [events(chunk("a"), chunk("b"), END)]
    client = openai.AsyncOpenAI(
        api_key="k",
        base_url=vendor.url,
        http_client=httpx2.AsyncClient(transport=Transport(vendor.url, connect_timeout=5)),
    )
    stream = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], stream=True)
    texts = [choice.delta.content for part in [part async for part in stream] for choice in part.choices]
    assert texts == ["a", "b", None]
    await client.close()


async def test_requests_go_through_the_proxy_that_the_environment_names(vendor: Loopback) -> None:
    """In a process of its own, for the environment is the process's."""
    vendor.replies = [events(chunk("a"), END)]
    proxy = vendor.url.removesuffix("/v1").replace("//", "//me:pass@")
    program = (
        "import asyncio\n"
        "from tests.providers.test_transport import *\n"
        "async def main():\n"
        "    key = SecretStr('k')\n"
        "    p = OpenAIProvider('openai', api_key=key, base_url='http://far.invalid/v1', connect_timeout=5)\n"
        "    await exhaust(p)\n"
        "    await p.aclose()\n"
        "asyncio.run(main())\n"
    )
    environment = {**os.environ, "http_proxy": proxy, "no_proxy": ""}
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", program, env=environment)
    assert await child.wait() == 0
    assert vendor.requests[0].path == "http://far.invalid/v1/chat/completions"
    assert vendor.requests[0].headers["proxy-authorization"].startswith("Basic ")


async def test_no_proxy_stands_between_this_machine_and_itself(vendor: Loopback) -> None:
    vendor.replies = [events(chunk("a"), END)]
    program = (
        "import asyncio\n"
        "import sys\n"
        "from tests.providers.test_transport import *\n"
        "async def main():\n"
        "    key = SecretStr('k')\n"
        "    p = OpenAIProvider('openai', api_key=key, base_url=sys.argv[1], connect_timeout=5)\n"
        "    await exhaust(p)\n"
        "    await p.aclose()\n"
        "asyncio.run(main())\n"
    )
    environment = {**os.environ, "http_proxy": "http://127.0.0.1:9", "all_proxy": "http://127.0.0.1:9", "no_proxy": ""}
    for host in ("127.0.0.1", "localhost"):
        url = vendor.url.replace("127.0.0.1", host)
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", program, url, env=environment)
        assert await child.wait() == 0
    assert [request.path for request in vendor.requests] == ["/v1/chat/completions"] * 2
