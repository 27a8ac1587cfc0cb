"""The tables as Markdown, in the language of either README."""

import os
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import version

from tests.bench.results import Results
from tests.bench.table import Row, Text, rows

_PARTS = ("uvicorn", "uvloop", "fastapi", "starlette", "openai", "anthropic", "httptools", "sqlalchemy")
_HEAD = (
    Text("bare relay", "裸转发"),
    Text("tutorial code", "教程写法"),
    Text("this service", "本服务"),
    Text("aim", "目标"),
)
_MET = Text("met", "达到")
_MISSED = Text("not met", "未达到")
_RULE = "| --- | --- | --- | --- | --- |"


def report(found: Sequence[Results], *, database: str, language: str) -> str:
    """One table a vendor, then on what it was measured."""
    paragraphs = ["\n".join(_table(results, language)) for results in found]
    conditions = _said(_conditions(found, database), language) + _said(_headroom(found), language)
    return "\n\n".join([*paragraphs, conditions])


def _table(results: Results, language: str) -> Iterator[str]:
    yield _line([f"**{results.vendor.title}**", *(_said(each, language) for each in _HEAD)])
    yield _RULE
    for row in rows(results):
        yield _line([_said(row.label, language), row.bare, row.tutorial, row.ours, _aim(row, language)])


def _aim(row: Row, language: str) -> str:
    if row.met is None:
        return row.aim
    return f"{row.aim}: {_said(_MET if row.met else _MISSED, language)}"


def machine() -> str:
    """What is the same for every figure of a run: the system, and the parts that count."""
    parts = ", ".join(f"{part} {version(part)}" for part in _PARTS)
    return f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {parts}"


def _conditions(found: Sequence[Results], database: str) -> Text:
    cores, rounds = os.cpu_count(), max((results.amounts.rounds for results in found), default=0)
    on = f"{machine()}, {database}"
    return Text(
        f"On {cores} cores, {on}. Rounds: {rounds}; medians, in brackets the least and the most.",
        f"{cores} 核,{on}。共 {rounds} 轮,取中位数,括号内为最小值与最大值。",
    )


def _headroom(found: Sequence[Results]) -> Text:
    """That neither end of the relay was what slowed it."""
    loads = [results.chunks for results in found if results.chunks is not None]
    if not loads:
        return Text("", "")
    client = max(share for chunks in loads for share in chunks.client)
    vendor = max(share for chunks in loads for share in chunks.vendor)
    return Text(
        f" While chunks were relayed, the client took {client:.0%} of a core and the vendor {vendor:.0%}.",
        f"转发时,压测客户端占一个核的 {client:.0%},模拟服务商占 {vendor:.0%}。",
    )


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _said(text: Text, language: str) -> str:
    return text.zh if language == "zh" else text.en
