"""What answers cost in memory the process that reads them, which has to be one of its own.

    python -m tests.providers.growth http://127.0.0.1:1234 huge-line-1024 endless-headers

For each vendor and each of these models: how it ended, and by how many KiB the process had then grown at its highest,
since a first, harmless answer. A model named `list` stands for the list of models.
"""

import asyncio
import json
import re
import sys
from pathlib import Path

from app.domain.cards import ModelCard
from app.domain.failures import GenerationFailure
from app.domain.providers import Provider
from tests.providers.adapters import ADAPTERS, Adapter, asking, outcome, run


def highest() -> int:
    """KiB. Not `getrusage`, whose figure a process takes over from the one that started it."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found[1])


async def ended(adapter: Adapter, provider: Provider, model: str) -> str | None:
    """The code of its failure."""
    if model == "list":
        try:
            await provider.models()
        except GenerationFailure as failure:
            return failure.code
        return None
    _, failed = await outcome(provider, asking(ModelCard(adapter.id, model)))
    return None if failed is None else failed.code


async def main(url: str, *models: str) -> None:
    providers = [(adapter, adapter.make(url)) for adapter in ADAPTERS if adapter.id == adapter.card.provider]
    for adapter, provider in providers:
        await run(provider, asking(adapter.card))
    before = highest()
    rows = []
    for adapter, provider in providers:
        for model in models:
            code = await ended(adapter, provider, model)
            rows.append((adapter.id, model, code, highest() - before))
        await provider.aclose()
    print(json.dumps(rows))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
