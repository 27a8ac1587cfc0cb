"""The examples that the API reference shows at the doors work as they stand."""

import asyncio
from typing import Any

import httpx

from tests.doors.conftest import Service
from tests.upstream import Upstream

DOORS = ("/v1/", "/ollama/", "/ai/ui/")
# To a real Ollama, of whose models we know nothing.
PASSED_ON = {
    *("/ollama/chat", "/ollama/generate"),
    *(f"/ollama/api/{each}" for each in ("pull", "push", "create", "copy", "blobs/{digest}")),
}


async def test_every_body_at_the_doors_has_an_example_that_is_answered(patient: Service, vendor: Upstream) -> None:
    description = (await patient.alice.http.get("/openapi.json")).json()
    shown = {path: example(description, path) for path in description["paths"] if is_asked(description, path)}
    assert {"/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/embeddings"} <= shown.keys()
    assert {"/ollama/api/chat", "/ollama/api/generate", "/ollama/api/embed", "/ai/ui/chat"} <= shown.keys()

    async def ask(path: str, body: Any) -> httpx.Response:
        answer: httpx.Response = await patient.alice.http.post(path, json=body)
        return answer

    answers = await asyncio.gather(*(ask(path, body) for path, body in shown.items()))
    assert {path: answer.status_code for path, answer in zip(shown, answers, strict=True)} == dict.fromkeys(shown, 200)


def is_asked(description: Any, path: str) -> bool:
    return path.startswith(DOORS) and path not in PASSED_ON and "post" in description["paths"][path]


def example(description: Any, path: str) -> Any:
    schema = description["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    named = description["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return named["examples"][0]
