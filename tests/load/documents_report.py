"""The tables of documents: read beside chats, and searched."""

from collections.abc import Iterator, Sequence

from tests.bench.figures import percentile
from tests.bench.table import Text
from tests.load.documents import Brought
from tests.load.results import Found
from tests.load.search import Searched
from tests.load.stores import TITLES
from tests.load.tables import aim, ms, percentiles, said, table

GROWTH_MB = 200
GAP_MS = 250
"""At p99."""
SEARCH_MS = 30
"""Of CPU."""

_MB = 1024**2
_READ = (
    Text("seconds until found", "可检索所需秒数"),
    Text("pages a second", "每秒页数"),
    Text("memory of the service before / highest / after", "服务进程内存,之前 / 最高 / 之后"),
    Text("it grew by", "增长"),
    Text("a child that reads / the index's, at the most", "读文档的子进程 / 索引子进程,最高"),
    Text("gap between chunks alone, p50 / p99 / longest", "平时两块的间隔,p50 / p99 / 最长"),
    Text("while reading, p50 / p99 / longest", "读取期间,p50 / p99 / 最长"),
    Text("CPU of the service / of its children", "服务进程 / 子进程 CPU"),
    Text("errors", "错误"),
)
_SEARCHED = (
    Text("CPU of a search", "每次检索的 CPU"),
    Text("of the service / of the index", "服务进程 / 索引进程"),
    Text("answered after, p50 / p99", "返回时间 p50 / p99"),
    Text("memory of the index's process", "索引进程内存"),
    Text("errors", "错误"),
)
_LANGUAGES = {"english": Text("English", "英文"), "chinese": Text("Chinese", "中文")}


def document_tables(found: Found, language: str) -> Iterator[str]:
    for kind, brought in found.documents.items():
        pages, passages, chats = brought.pages, brought.passages, brought.documents.chats
        title = Text(
            f"{pages:,} pages ({passages:,} passages) beside {chats} chats",
            f"{pages:,} 页({passages:,} 个段落),同时 {chats} 路对话",
        )
        yield table(title, _READ, iter([_read(kind, brought, language)]), language)
    for searched in found.search.values():
        title = Text(f"searches in {searched.passages:,} passages", f"检索 {searched.passages:,} 个段落")
        yield table(title, _SEARCHED, _searched(searched, language), language)


def _read(kind: str, brought: Brought, language: str) -> Sequence[str]:
    memory = brought.memory
    beside = brought.beside
    return [
        TITLES[kind],
        f"{brought.seconds:.0f}",
        f"{brought.pages / brought.seconds:.0f}",
        _megabytes(memory.before, memory.highest, memory.after),
        aim(_megabytes(memory.growth), memory.growth <= GROWTH_MB * _MB, language),
        _megabytes(memory.reader, memory.index),
        _gaps(brought.alone),
        aim(_gaps(beside), bool(beside) and percentile(beside, 0.99) * 1000 <= GAP_MS, language),
        f"{brought.taken.own / brought.seconds:.0%} / {brought.taken.children / brought.seconds:.0%}",
        str(len(brought.errors)),
    ]


def _gaps(gaps: Sequence[float]) -> str:
    return percentiles(gaps, 0.5, 0.99, 1.0)


def _searched(searched: Searched, language: str) -> Iterator[Sequence[str]]:
    for tongue, taken in searched.cpu.items():
        seconds = searched.seconds[tongue]
        own, index = taken.own / len(seconds), taken.children / len(seconds)
        yield [
            said(_LANGUAGES[tongue], language),
            aim(ms(own + index), (own + index) * 1000 <= SEARCH_MS, language),
            ms(own, index),
            percentiles(seconds, 0.5, 0.99),
            _megabytes(searched.index),
            str(len(searched.errors)),
        ]


def _megabytes(*sizes: int) -> str:
    return " / ".join(f"{size / _MB:.0f}" for size in sizes) + " MB"
