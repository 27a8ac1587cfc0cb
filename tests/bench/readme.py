"""The places in both READMEs where the tables stand."""

from pathlib import Path

BEGIN = "<!-- make bench ARGS=--write begins -->"
END = "<!-- make bench ARGS=--write ends -->"
DOORS_BEGIN = '<!-- make bench ARGS="--only doors --write" begins -->'
DOORS_END = '<!-- make bench ARGS="--only doors --write" ends -->'
_ROOT = Path(__file__).parent.parent.parent
READMES = {"en": _ROOT / "README.md", "zh": _ROOT / "README.zh-CN.md"}


def write(readme: Path, report: str, *, begin: str = BEGIN, end: str = END) -> None:
    """Raises ValueError for a page without the two marks."""
    before, begun, rest = readme.read_text(encoding="utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not (begun and ended):
        raise ValueError(f"{readme.name} has no place for the tables: {begin} … {end}")
    readme.write_text(f"{before}{begin}\n\n{report}\n\n{end}{after}", encoding="utf-8")
