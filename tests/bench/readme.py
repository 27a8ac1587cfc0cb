"""The places in both READMEs where the tables stand."""

from pathlib import Path

BEGIN = "<!-- make bench ARGS=--write begins -->"
END = "<!-- make bench ARGS=--write ends -->"
_ROOT = Path(__file__).parent.parent.parent
READMES = {"en": _ROOT / "README.md", "zh": _ROOT / "README.zh-CN.md"}


def write(readme: Path, report: str) -> None:
    """Raises ValueError for a page without the two marks."""
    before, begin, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{readme.name} has no place for the tables: {BEGIN} … {END}")
    readme.write_text(f"{before}{BEGIN}\n\n{report}\n\n{END}{after}", encoding="utf-8")
