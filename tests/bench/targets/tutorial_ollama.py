"""The tutorial on Ollama's own protocol: httpx, line by line."""

import json
import sys
from collections.abc import AsyncGenerator
from typing import Any

import httpx

from tests.bench.targets.tutorial import Messages, serve, tutorial


def app(upstream: str) -> Any:
    # httpx alone would stop at 100 connections; the SDKs allow 1,000.
    limits = httpx.Limits(max_connections=1000, max_keepalive_connections=100)
    client = httpx.AsyncClient(base_url=upstream, timeout=600, limits=limits, trust_env=False)

    async def answer(model: str, messages: Messages) -> AsyncGenerator[str, None]:
        body = {"model": model, "messages": messages, "stream": True}
        async with client.stream("POST", "/api/chat", json=body) as response:
            response.raise_for_status()
            async for line in response.aiter_lines():
                chunk = json.loads(line)
                if text := chunk["message"]["content"]:
                    yield text

    return tutorial(answer)


if __name__ == "__main__":
    serve(app(sys.argv[2]), int(sys.argv[1]))
