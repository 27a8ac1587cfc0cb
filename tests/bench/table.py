"""The rows of a vendor's table: what is said of each figure, and whether the project's aim for it is met."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from tests.bench.figures import Series, Spread, percentile, ratio, spread
from tests.bench.results import Results

# Per chunk, as a multiple of bare, and how far below tutorial code.
CHUNK_OF_BARE = 1.8
CHUNK_BELOW_TUTORIAL = 3.5
# A request after 40 messages may cost so much of one after 2, and never more than tutorial code's.
REQUEST_GROWTH = 1.25
REQUEST_OF_TUTORIAL = 1.0
FIRST_MS = 4.0
STREAM_KB = 40.0
STOP_MS = 100.0
# By how much a flood of sign-ins may stretch the time between two chunks.
FLOOD_MS = 25.0


@dataclass(frozen=True, slots=True)
class Text:
    """In the languages of the two READMEs."""

    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line: empty cells where a figure makes no sense. `met` is None where there is no aim."""

    label: Text
    bare: str = ""
    tutorial: str = ""
    ours: str = ""
    aim: str = ""
    met: bool | None = None


def rows(results: Results) -> Iterator[Row]:
    yield from _chunks(results)
    yield from _requests(results)
    yield from _first(results)
    yield from _memory(results)
    yield from _stop(results)
    yield from _flood(results)


def _chunks(results: Results) -> Iterator[Row]:
    if results.chunks is None:
        return
    found, streams = results.chunks.per_thousand, results.amounts.streams
    yield _of_each(
        Text(f"CPU per 1,000 chunks, {streams} streams paced at 20 ms", f"每千块的 CPU({streams} 路,20 ms 一块)"),
        {name: f"{median(values):.0f} ms" for name, values in found.items()},
    )
    of_bare, below = ratio(found, "ours", "bare"), ratio(found, "tutorial", "ours")
    yield Row(
        Text("… as a multiple of bare", "……与裸转发之比"),
        "1×",
        multiple(ratio(found, "tutorial", "bare")),
        multiple(of_bare),
        f"≤ {CHUNK_OF_BARE}×",
        of_bare.middle <= CHUNK_OF_BARE,
    )
    yield Row(
        Text("… tutorial code as a multiple of it", "……教程写法与它之比"),
        ours=multiple(below),
        aim=f"≥ {CHUNK_BELOW_TUTORIAL}×",
        met=below.middle >= CHUNK_BELOW_TUTORIAL,
    )
    if "twin" in found:
        itself = multiple(ratio(found, "twin", "bare"))
        yield Row(Text("… bare against itself, which is noise", "……裸转发与自身之比,即噪声"), bare=itself)


def _requests(results: Results) -> Iterator[Row]:
    if results.requests is None:
        return
    by_length = results.requests.by_length
    for length, found in by_length.items():
        said = {name: f"{median(values):.2f} ms" for name, values in found.items()}
        yield _of_each(_request_label(length), said)
        of_tutorial = ratio(found, "ours", "tutorial")
        yield Row(
            Text("… as a multiple of tutorial code", "……与教程写法之比"),
            ours=multiple(of_tutorial),
            aim=f"≤ {REQUEST_OF_TUTORIAL:.0f}×",
            met=of_tutorial.middle <= REQUEST_OF_TUTORIAL,
        )
    _, short, *_, long = by_length
    bare, tutorial, ours = (_growth(by_length[long], by_length[short], name) for name in ("bare", "tutorial", "ours"))
    yield Row(
        Text(f"… after {long} messages as a multiple of after {short}", f"……{long} 条之后与 {short} 条之后之比"),
        multiple(bare),
        multiple(tutorial),
        multiple(ours),
        f"≤ {REQUEST_GROWTH}×",
        ours.middle <= REQUEST_GROWTH,
    )


def _first(results: Results) -> Iterator[Row]:
    if results.first is None:
        return
    p50, p99 = results.first.p50, results.first.p99
    said = {name: f"{median(p50[name]):.2f} / {median(p99[name]):.1f} ms" for name in p50}
    label = Text("First text later than from the vendor itself, p50 / p99", "首字比直连服务商晚多少,p50 / p99")
    yield _of_each(label, said, f"p50 ≤ {FIRST_MS:.0f} ms", median(p50["ours"]) <= FIRST_MS)


def _memory(results: Results) -> Iterator[Row]:
    if results.memory is None:
        return
    found, crowd = results.memory, results.amounts.crowd
    yield _of_each(
        Text(f"Of {crowd:,} streams, open at the same moment and complete", f"{crowd:,} 路中同时打开且完整的"),
        {name: f"{at_once:,}" for name, at_once in found.at_once.items()},
        f"{crowd:,}",
        found.at_once["ours"] == crowd,
    )
    yield _of_each(
        Text("Memory of each", "每路占用内存"),
        {name: f"{kilobytes:.0f} KB" for name, kilobytes in found.kilobytes.items()},
        f"≤ {STREAM_KB:.0f} KB",
        found.kilobytes["ours"] <= STREAM_KB,
    )


def _stop(results: Results) -> Iterator[Row]:
    if results.stop is None:
        return
    times = results.stop.milliseconds
    yield Row(
        Text("From a stop to the vendor's connection closed, p50 / max", "从停止到服务商连接关闭,p50 / 最长"),
        ours=f"{percentile(times, 0.5):.0f} / {max(times):.0f} ms",
        aim=f"≤ {STOP_MS:.0f} ms",
        met=max(times) <= STOP_MS,
    )


def _flood(results: Results) -> Iterator[Row]:
    if results.flood is None:
        return
    found = results.flood
    calm, flooded = (percentile(gaps, 0.99) for gaps in (found.calm, found.flooded))
    yield Row(
        Text(
            f"Between chunks that are sent {found.chunks_apart} ms apart, p50 / p99",
            f"每 {found.chunks_apart} ms 一块时的块间隔,p50 / p99",
        ),
        ours=f"{percentile(found.calm, 0.5):.0f} / {calm:.0f} ms",
    )
    yield Row(
        Text(f"… under {found.rate:,.0f} sign-ins a second", f"……同时每秒 {found.rate:,.0f} 次登录"),
        ours=f"{percentile(found.flooded, 0.5):.0f} / {flooded:.0f} ms",
        aim=f"≤ {FLOOD_MS:.0f} ms more",
        met=flooded - calm <= FLOOD_MS,
    )


def _of_each(label: Text, said: dict[str, str], aim: str = "", met: bool | None = None) -> Row:
    return Row(label, said["bare"], said["tutorial"], said["ours"], aim, met)


def _request_label(length: int) -> Text:
    if not length:
        return Text("CPU per request that begins a conversation", "每个请求的 CPU:开始新对话")
    return Text(f"CPU per request after {length} messages", f"每个请求的 CPU:已有 {length} 条消息")


def _growth(long: Series, short: Series, name: str) -> Spread:
    return spread([after / before for after, before in zip(long[name], short[name], strict=True)])


def multiple(found: Spread) -> str:
    """The median, and the least and the most of the rounds where there are several."""
    middle = f"{found.middle:.2f}×" if found.middle < 10 else f"{found.middle:.0f}×"
    return middle if found.least == found.most else f"{middle} ({found.least:.2f}–{found.most:.2f})"
