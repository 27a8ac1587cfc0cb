"""The tables as Markdown, in the language of either README."""

import os
from collections.abc import Iterator, Sequence

from tests.bench.report import machine
from tests.bench.table import Text
from tests.load.cores import Cores
from tests.load.crowd import Crowd
from tests.load.documents import Brought
from tests.load.documents_report import document_tables
from tests.load.options import Options
from tests.load.readers import Held
from tests.load.results import Found
from tests.load.stores import TITLES
from tests.load.streams import Streams
from tests.load.tables import aim, mean, ms, percentiles, said, table

MEAN_MS = 200
"""The mark for a crowd with time to think."""
STREAM_KB = 60
STUCK_MB = 4
DROPPED_S = 45

_BARE = Text("bare relay", "裸转发")
_USERS = (
    Text("seconds of thought", "思考秒数"),
    Text("mean", "平均"),
    Text("p50 / p95 / p99", "p50 / p95 / p99"),
    Text("first text, mean", "首字平均"),
    Text("answers a second", "每秒回答"),
    Text("CPU of the worker", "服务进程 CPU"),
    Text("refused (503)", "拒绝(503)"),
    Text("errors", "错误"),
)
_STREAMS = (
    Text("open at once, complete", "同时打开,完整"),
    Text("memory of each, a minute after", "每路内存,一分钟后"),
    Text("CPU of the worker", "服务进程 CPU"),
    Text("chunk late by, p50 / p95 / p99", "每块延迟 p50 / p95 / p99"),
    Text("from the last chunk to the end, p50 / p99", "末块到结束 p50 / p99"),
    Text("errors", "错误"),
)
_READERS = (
    Text("memory of each, in the worker / in the kernel", "每个占用,服务进程 / 内核"),
    Text("dropped after, first / last", "断开时刻,最早 / 最晚"),
    Text("answers stored whole", "完整存储的回答"),
    Text("healthy streams whole, chunk late by p50 / p99", "正常读者完整数,每块延迟 p50 / p99"),
    Text("errors", "错误"),
)


def report(found: Found, options: Options, cores: Cores, *, language: str) -> str:
    """A table for each part, then on what it was measured."""
    tables = []
    if found.users:
        title = Text(f"{options.users} users", f"{options.users} 个用户")
        tables.append(table(title, _USERS, _users(found, language), language))
    if found.streams:
        title = Text(f"{options.size.streams:,} open streams", f"{options.size.streams:,} 路同时打开的流")
        tables.append(table(title, _STREAMS, _streams(found, language), language))
    for held in found.readers.values():
        stuck, healthy = held.readers.stuck, held.readers.healthy
        title = Text(f"{stuck} that do not read, {healthy} that do", f"{stuck} 个不读的与 {healthy} 个正常的读者")
        tables.append(table(title, _READERS, _readers(found, language), language))
    tables += document_tables(found, language)
    return "\n\n".join([*tables, said(_conditions(found, cores), language)])


def _users(found: Found, language: str) -> Iterator[Sequence[str]]:
    for kind, path, crowd in found.users:
        least, most = crowd.thinking
        thinks = most > 0
        yield [
            f"`POST {path}`, {TITLES[kind]}",
            f"{least:g}–{most:g}" if thinks else said(Text("none", "无"), language),
            *_times(crowd, language, marked=thinks),
            ms(mean(crowd.first)) if crowd.first else "",
            f"{crowd.rate:.0f}",
            f"{crowd.worker:.0%}",
            str(crowd.refused),
            str(len(crowd.errors)),
        ]


def _times(crowd: Crowd, language: str, *, marked: bool) -> Sequence[str]:
    if not crowd.whole:
        return "", ""
    middle = mean(crowd.whole)
    shown = aim(ms(middle), middle * 1000 < MEAN_MS, language) if marked else ms(middle)
    return shown, percentiles(crowd.whole, 0.5, 0.95, 0.99)


def _streams(found: Found, language: str) -> Iterator[Sequence[str]]:
    for kind, each in found.streams.items():
        bare = kind == "bare"
        memory = f"{each.kilobytes:.0f}"
        yield [
            said(_BARE, language) if bare else TITLES[kind],
            f"{each.at_once:,}, {each.complete:,}",
            (f"{memory} KB" if bare else aim(f"{memory} KB", each.kilobytes <= STREAM_KB, language))
            + f", {each.kilobytes_after:.0f} KB",
            f"{each.worker:.0%}",
            percentiles(each.delays, 0.5, 0.95, 0.99),
            percentiles(each.endings, 0.5, 0.99),
            str(len(each.errors)),
        ]


def _readers(found: Found, language: str) -> Iterator[Sequence[str]]:
    for kind, held in found.readers.items():
        yield [
            TITLES[kind],
            aim(f"{held.megabytes:.1f} MB", held.megabytes < STUCK_MB, language) + f" / {held.kernel:.2f} MB",
            _dropped(held, language),
            f"{held.stored}",
            f"{held.healthy}, {percentiles(held.delays, 0.5, 0.99)}",
            str(len(held.errors)),
        ]


def _dropped(held: Held, language: str) -> str:
    if not held.dropped:
        return ""
    first, last = min(held.dropped), max(held.dropped)
    return aim(f"{first:.0f} / {last:.0f} s", last <= DROPPED_S, language)


def _conditions(found: Found, cores: Cores) -> Text:
    count = os.cpu_count()
    worker, others = (", ".join(map(str, each)) for each in (cores.worker, cores.others))
    crowds = (crowd for _, _, crowd in found.users)
    loads: list[Crowd | Streams | Brought] = [*found.streams.values(), *crowds, *found.documents.values()]
    client, vendor = (max((getattr(each, who) for each in loads), default=0.0) for who in ("client", "vendor"))
    return Text(
        f"On {count} cores, {machine()}. The worker and its children ran on core {worker}, everything else (client, "
        f"model's server, PostgreSQL, Redis) on core {others}; the client took {client:.0%} of it at the most, the "
        f"model's server {vendor:.0%}.",
        f"{count} 核,{machine()}。服务进程及其子进程在核 {worker} 上,其余(客户端、模型服务、PostgreSQL、Redis)都在核 "
        f"{others} 上;客户端最多占它的 {client:.0%},模型服务 {vendor:.0%}。",
    )
