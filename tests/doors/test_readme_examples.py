"""What the READMEs of the vendors' SDKs show, with nothing changed but the address, the key and whose model it is."""

import base64
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import certifi
import pytest

from tests.doors.conftest import Service
from tests.doors.programs import outcome
from tests.upstream import Upstream
from tests.upstream.scenarios import Answer

ROOT = Path(__file__).parent.parent.parent
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
OPENAI, DEEPSEEK, CLAUDE, OLLAMA = "openai/gpt-4o", "deepseek/chat", "anthropic/claude-sonnet-4-6", "ollama/vision"
# By package: which calls to look for, how many examples make one at least, whose models they are to work with.
READMES: Mapping[str, tuple[str, int, Sequence[str]]] = {
    "openai": (r"(responses|completions)\.(with_\w+\.)?create\(", 12, (DEEPSEEK, CLAUDE, OLLAMA)),
    "anthropic": (r"messages\.create\(", 1, (OPENAI, DEEPSEEK, OLLAMA)),
    "ollama": (r"chat\(|generate\(", 7, (OPENAI, DEEPSEEK, CLAUDE)),
}
# What they reach otherwise: other services, with other keys, or through what is not installed here.
ELSEWHERE = re.compile(r"workload_identity|DefaultAioHttpClient|ollama\.com|systemone|does-not-yet-exist")
MODELS = re.compile(r"""(['"])(gpt-5\.5|claude-opus-5-5|gemma4|gpt-oss:120b-cloud)\1""")
SAID = re.compile(r"print\((response\.output_text|completion\.|message\.|event|line|chunk|part|response\[)")
# What a vendor does not have: pictures by their address, and JSON without a schema.
REFUSED = (("img_url =", (DEEPSEEK, OLLAMA)), ("json_object", (CLAUDE,)))


@dataclass(frozen=True)
class Told:
    """What became of an example."""

    example: str
    printed: str
    raised: str | None


def examples(package: str) -> list[str]:
    readme, calls = distribution(package).read_text("METADATA") or "", READMES[package][0]
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    return [block for block in blocks if re.search(calls, block) and not ELSEWHERE.search(block)]


def whole(example: str, model: str, service: Service) -> str:
    """With what stands above it in the README, the model's name, and where the address stands in it that one, too."""
    above = []
    if "client." in example and "client = " not in example:
        above.append(f"from openai import {'AsyncOpenAI' if 'await' in example else 'OpenAI'} as Client")
        above.append("client = Client()")
    if "ollama." in example:
        above.append("import ollama")
    return MODELS.sub(f'"{model}"', "\n".join((*above, example))).replace(
        "http://localhost:11434", f"{service.backend.url}/ollama"
    )


async def run(service: Service, folder: Path, snippets: Sequence[str]) -> list[dict[str, Any]]:
    """What became of each, in one process, whose environment says where to ask."""
    url, token = service.backend.url, service.alice.token
    environment = {
        "PYTHONPATH": str(ROOT),
        "OPENAI_BASE_URL": f"{url}/v1",
        "OPENAI_API_KEY": token,
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": token,
        "OLLAMA_HOST": f"{url}/ollama",
        "OLLAMA_API_KEY": token,
        "SSL_CERT_FILE": str(folder / "authority.pem"),
    }
    output = await outcome(
        *(sys.executable, "-m", "tests.doors.snippets"), env=environment, cwd=folder, said=json.dumps(snippets)
    )
    found: list[dict[str, Any]] = json.loads(output)
    return found


@pytest.fixture(scope="module")
async def told(
    patient: Service, every_vendor: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], list[Told]]:
    """Of every package, with each of its models."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "path" / "to").mkdir(parents=True)
    (folder / "path" / "to" / "image.png").write_bytes(PNG)
    # Each example makes a client, to which it costs 40 ms to read all authorities of the world: one will do.
    (folder / "authority.pem").write_text("".join(certifi.contents().partition("-----END CERTIFICATE-----\n")[:2]))
    every_vendor.script(Answer(("Ahoy", ", matey!")))
    asked = [
        (package, model, example)
        for package, (_, _, models) in READMES.items()
        for model in models
        for example in examples(package)
    ]
    became = await run(patient, folder, [whole(example, model, patient) for _, model, example in asked])
    found: dict[tuple[str, str], list[Told]] = {}
    for (package, model, example), each in zip(asked, became, strict=True):
        found.setdefault((package, model), []).append(Told(example, **each))
    return found


@pytest.mark.parametrize(
    ("package", "model"), [(package, model) for package, (_, _, models) in READMES.items() for model in models]
)
def test_the_examples_work_with_the_models_of_others(
    told: dict[tuple[str, str], list[Told]], package: str, model: str
) -> None:
    assert len(told[package, model]) >= READMES[package][1]
    for each in told[package, model]:
        if any(mark in each.example and model in models for mark, models in REFUSED):
            assert str(each.raised).startswith("BadRequestError"), each
            continue
        assert each.raised is None, each
        if SAID.search(each.example):
            assert "Ahoy" in each.printed, each
