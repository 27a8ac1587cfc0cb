"""LangChain's models for OpenAI and for Anthropic, at their own doors, with models of all the other vendors behind."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.doors.conftest import Service
from tests.doors.programs import outcome
from tests.upstream import Upstream
from tests.upstream.scenarios import Answer

HERE = Path(__file__).parent
PYTHON = HERE.parent / "clients" / ".langchain" / "bin" / "python"
DOORS = {
    "openai": ("anthropic", "deepseek", "ollama"),
    "responses": ("anthropic", "ollama"),
    "anthropic": ("openai", "deepseek", "ollama"),
}
# No reports to its makers.
SILENT = {"LANGSMITH_TRACING": "false"}
EACH = [(door, vendor) for door, vendors in DOORS.items() for vendor in vendors]
TWO_CALLS = [["get_weather", {"city": "Paris"}], ["get_time", {"city": "Paris"}]]
# What a vendor does not have, by its name at the door: DeepSeek no schemas, and it does not stop at one call, as
# LangChain's client for OpenAI then asks; Ollama runs tools as the model likes.
NO_SCHEMA = {("openai", "deepseek"): "response_format", ("anthropic", "deepseek"): "output_config.format"}
NOT_MADE = {("openai", "deepseek"): "parallel_tool_calls"} | {(door, "ollama"): "tool_choice" for door in DOORS}


class Told:
    """What each case of a door and a vendor has found."""

    def __init__(self, cases: dict[str, Any]) -> None:
        self._cases = cases

    def found(self, *case: str) -> Any:
        told = self._cases["/".join(case)]
        assert "found" in told, told["threw"]
        return told["found"]

    def threw(self, *case: str) -> str:
        told = self._cases["/".join(case)]
        assert "threw" in told, told["found"]
        return str(told["threw"])


@pytest.fixture(scope="module")
async def every_vendor() -> AsyncIterator[Upstream]:
    async with Upstream(models=("nomic-embed-text",)) as vendor:
        vendor.script(Answer(('{"city":', ' "Köln"}')), model="city")
        yield vendor


@pytest.fixture(scope="module")
async def told(patient: Service) -> Told:
    """With packages of its own: LangChain needs some that are older than what the service has."""
    if not PYTHON.exists():
        pytest.skip("not installed: tests/clients/.langchain (make test does)")
    given = {"url": patient.backend.url, "token": patient.alice.token, **DOORS, "embedder": "ollama/nomic-embed-text"}
    command = str(PYTHON), str(HERE / "langchain_cases.py")
    return Told(json.loads(await outcome(*command, env=SILENT, cwd=HERE, said=json.dumps(given))))


@pytest.mark.parametrize(("door", "vendor"), EACH)
def test_an_answer_is_waited_for_or_streamed_with_its_usage(told: Told, door: str, vendor: str) -> None:
    assert told.found("waits", door, vendor) == {"text": "You said: Hello", "used": [1, 3]}
    streamed = told.found("streams", door, vendor)
    assert (streamed["text"], streamed["used"]) == ("You said: Hello", [1, 3])
    assert streamed["pieces"] >= 3


@pytest.mark.parametrize(("door", "vendor"), EACH)
def test_tools_are_called_and_their_results_go_back(told: Told, door: str, vendor: str) -> None:
    assert told.found("calls", door, vendor) == {"calls": TWO_CALLS, "text": "You said: And?"}
    assert told.found("calls in a stream", door, vendor) == TWO_CALLS


@pytest.mark.parametrize(("door", "vendor"), EACH)
def test_an_answer_is_of_a_form_where_its_vendor_has_such_a_thing(told: Told, door: str, vendor: str) -> None:
    if refused := NO_SCHEMA.get((door, vendor)):
        assert refused in told.threw("keeps to a schema", door, vendor)
    else:
        assert told.found("keeps to a schema", door, vendor) == {"city": "Köln"}
    if refused := NOT_MADE.get((door, vendor)):
        assert refused in told.threw("is made to call", door, vendor)
    else:
        assert told.found("is made to call", door, vendor) == {"city": "Paris"}


@pytest.mark.parametrize("door", DOORS)
def test_an_unknown_model_is_none_in_its_words(told: Told, door: str) -> None:
    for vendor in DOORS[door]:
        threw = told.threw("is refused", door, vendor)
        assert "ModelNotFoundError" in threw
        assert "nobody/has-this" in threw


def test_vectors_are_made(told: Told) -> None:
    assert told.found("embeds") == [32, 32]
