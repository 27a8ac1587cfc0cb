"""What a vendor finds wrong with a request is the client's business: it is no 5xx, which every client would repeat."""

from typing import Any

import pytest

from tests.doors.conftest import Service
from tests.upstream import Upstream

VENDORS = ("openai", "anthropic", "ollama")
ASKED: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "x"}]},
    "/v1/responses": {"input": "x", "store": False},
    "/v1/messages": {"max_tokens": 10, "messages": [{"role": "user", "content": "x"}]},
    "/ollama/api/chat": {"messages": [{"role": "user", "content": "x"}]},
    "/ollama/api/generate": {"prompt": "x"},
}


@pytest.mark.parametrize("vendor_name", VENDORS)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_model_that_its_vendor_does_not_have_is_not_found(
    patient: Service, vendor: Upstream, vendor_name: str, stream: bool
) -> None:
    found = {}
    for path, asked in ASKED.items():
        body = {"model": f"{vendor_name}/missing", "stream": stream, **asked}
        answer = await patient.alice.http.post(path, json=body)
        found[path] = (answer.status_code, answer.json()["error"])
    assert {path: status for path, (status, _) in found.items()} == dict.fromkeys(ASKED, 404)
    said = "The provider does not know this model."
    of_openai = {"message": said, "type": "invalid_request_error", "param": "model", "code": "model_not_found"}
    assert found["/v1/chat/completions"][1] == found["/v1/responses"][1] == of_openai
    assert found["/v1/messages"][1] == {"type": "not_found_error", "message": said}
    assert found["/ollama/api/chat"][1] == found["/ollama/api/generate"][1] == said


@pytest.mark.parametrize("model", ["openai/missing", "openai/status-400", "anthropic/status-400", "ollama/status-400"])
async def test_a_request_that_is_refused_for_itself_is_a_bad_one_where_it_is_stored_too(
    patient: Service, vendor: Upstream, model: str
) -> None:
    stored = await patient.alice.http.post("/v1/responses", json={"model": model, "input": "x"})
    joined = await patient.alice.http.post(
        "/v1/chat/completions",
        json={"model": model, "messages": [{"role": "user", "content": "x"}]},
        headers={"X-Conversation-ID": "new"},
    )
    for answer in (stored, joined):
        assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
