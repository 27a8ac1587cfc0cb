"""That `make eval` finds what is there, refuses what is not, and says what a set is missing."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.eval.options import parse
from tests.eval.run import run

ABOUT = {
    "harbour": "The harbour of Aldmoor was built of granite in 1834 by the engineer Mary Keel.",
    "tomato": "Tomatoes need much warmth and water. Their lower leaves turn yellow in a hot summer.",
    "fugue": "A fugue has several voices, which take up one theme after another.",
}
ASKED = {
    "harbour": "When was the harbour of Aldmoor built?",
    "tomato": "Why do the lower leaves of tomatoes turn yellow?",
    "fugue": "How many voices has a fugue?",
}
ANSWERS = {"harbour": "1834", "tomato": "hot summer", "fugue": "several"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "squad"
    folder.mkdir()
    write(folder / "corpus.jsonl.gz", [{"id": each, "title": each, "text": text} for each, text in ABOUT.items()])
    questions = [
        {"id": each, "question": question, "answers": [ANSWERS[each]], "gold": [each]}
        for each, question in ASKED.items()
    ]
    write(folder / "questions_dev.jsonl.gz", questions)
    return tmp_path


def write(path: Path, lines: Sequence[object]) -> None:
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))


async def test_all_that_is_there_is_measured_and_the_rest_is_named(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await run(parse([str(data), "--store", "memory", "--only", "squad,cmrc,long"]))
    said = capsys.readouterr().out
    assert f"cmrc: not in {data}" in said
    for name in ("squad", "long documents"):
        figures = next(line for line in said.splitlines() if line.startswith(f"{name}  ")).removeprefix(name).split()
        assert figures[:4] == ["1.000"] * 4
    assert "the article is absent: AUC 1.000, refused 100.0%" in said


@pytest.mark.parametrize("given", [[""], ["no such folder"], [".", "--only", "squid"], [".", "--store", "shelf"]])
def test_what_cannot_be_measured_is_said_in_a_line(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(given)
    assert "error:" in capsys.readouterr().err
