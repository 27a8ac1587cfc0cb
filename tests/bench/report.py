"""The tables as Markdown, in the language of either README."""

import os
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import version

from tests.bench.doors_table import door_rows
from tests.bench.figures.chunks import Chunks
from tests.bench.results import Results
from tests.bench.table import Text, rows

_PARTS = ("uvicorn", "uvloop", "fastapi", "starlette", "openai", "anthropic", "httptools", "sqlalchemy")
_HEAD = (
    Text("bare relay", "裸转发"),
    Text("tutorial code", "教程写法"),
    Text("this service", "本服务"),
    Text("aim", "目标"),
)
_DOORS = (
    Text("model behind", "背后的模型"),
    Text("CPU per chunk", "每块的 CPU"),
    Text("as a multiple of bare", "与裸转发之比"),
    Text("CPU per request", "每个请求的 CPU"),
    Text("aim", "目标"),
)
_MET = Text("met", "达到")
_MISSED = Text("not met", "未达到")


def report(found: Sequence[Results], *, database: str, language: str) -> str:
    """One table a vendor, then on what it was measured; nothing where nothing was."""
    tables = ["\n".join(_table(results, language)) for results in found if any(rows(results))]
    if not tables:
        return ""
    loads = [results.chunks for results in found if results.chunks is not None]
    return "\n\n".join([*tables, _under(found, loads, database, language)])


def of_doors(found: Sequence[Results], *, database: str, language: str) -> str:
    """One table of all doors, and on what it was measured; nothing where nothing was."""
    lines = [line for results in found for line in _doors(results, language)]
    if not lines:
        return ""
    loads = [results.doors.chunks for results in found if results.doors is not None]
    head = _head(Text("Doors", "各入口"), _DOORS, language)
    return "\n\n".join(["\n".join([*head, *lines]), _under(found, loads, database, language)])


def _table(results: Results, language: str) -> Iterator[str]:
    title = results.vendor.title
    yield from _head(Text(title, title), _HEAD, language)
    for row in rows(results):
        aim = _aim(row.aim, row.met, language)
        yield _line([_said(row.label, language), row.bare, row.tutorial, row.ours, aim])


def _doors(results: Results, language: str) -> Iterator[str]:
    for row in door_rows(results):
        aim = _aim(row.aim, row.met, language)
        label = _said(row.label, language)
        yield _line([label, row.vendor, row.per_chunk, row.of_bare, row.per_request, aim])


def _head(title: Text, columns: Sequence[Text], language: str) -> Iterator[str]:
    yield _line([f"**{_said(title, language)}**", *(_said(each, language) for each in columns)])
    yield _line(["---"] * (len(columns) + 1))


def _aim(aim: str, met: bool | None, language: str) -> str:
    return aim if met is None else f"{aim}: {_said(_MET if met else _MISSED, language)}"


def _under(found: Sequence[Results], loads: Sequence[Chunks], database: str, language: str) -> str:
    return _said(_conditions(found, database), language) + _said(_headroom(loads), language)


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


def _headroom(loads: Sequence[Chunks]) -> Text:
    """That neither end of the relay was what slowed it."""
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
