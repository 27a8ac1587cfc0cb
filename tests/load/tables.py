"""How tables are written, in the language of either README."""

from collections.abc import Iterator, Sequence

from tests.bench.figures import percentile
from tests.bench.table import Text

_MET = Text("met", "达到")
_MISSED = Text("not met", "未达到")


def table(title: Text, head: Sequence[Text], rows: Iterator[Sequence[str]], language: str) -> str:
    first = _line([f"**{said(title, language)}**", *(said(each, language) for each in head)])
    rule = _line(["---"] * (len(head) + 1))
    return "\n".join([first, rule, *map(_line, rows)])


def aim(value: str, met: bool, language: str) -> str:
    return f"{value} ({said(_MET if met else _MISSED, language)})"


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def percentiles(values: Sequence[float], *shares: float) -> str:
    return ms(*(percentile(values, share) for share in shares)) if values else ""


def ms(*seconds: float) -> str:
    return " / ".join(f"{each * 1000:.0f}" if each >= 0.01 else f"{each * 1000:.1f}" for each in seconds) + " ms"


def said(text: Text, language: str) -> str:
    return text.zh if language == "zh" else text.en


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
