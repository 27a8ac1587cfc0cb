"""Lives one world again and tells it: `python -m tests.simulation 7`; or many, on all cores: `--seeds 10000`."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

from tests.simulation.runner import Verdict, simulate

_SHOWN = 40


def main() -> int:
    _determine()
    options = _options()
    if options.seed is not None:
        verdict = simulate(options.seed, whole_trace=True)
        _tell("\n".join(verdict.trace), _summary(verdict))
        return bool(verdict.violations)
    began = time.monotonic()
    seeds = [str(seed) for seed in range(options.begin, options.begin + options.seeds)]
    with ProcessPoolExecutor(options.jobs) as pool:
        verdicts = list(pool.map(_lived, seeds, chunksize=5))
    failed = [verdict for verdict in verdicts if verdict.violations]
    for verdict in failed[:5]:
        _tell(*verdict.trace[-_SHOWN:], _summary(verdict), "")
    if options.digests:
        _tell(*(f"{verdict.seed} {verdict.digest}" for verdict in verdicts))
    if failed:
        _tell(f"These fail: {' '.join(verdict.seed for verdict in failed)}")
    _tell(f"{len(seeds)} worlds, {len(failed)} of them failed, {time.monotonic() - began:.1f} s")
    return bool(failed)


def _determine() -> None:
    """Begin again with the same order of sets in each process: what is hashed may not depend on chance."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.execve(  # noqa: S606
            sys.executable,
            [sys.executable, "-m", "tests.simulation", *sys.argv[1:]],
            {**os.environ, "PYTHONHASHSEED": "0"},
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seed", nargs="?", help="live this one world and tell what happens in it")
    parser.add_argument("--seeds", type=int, default=500, help="how many worlds (500)")
    parser.add_argument("--begin", type=int, default=1, help="the first of their seeds (1)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (one a core)")
    parser.add_argument("--digests", action="store_true", help="tell what each world came to, in a word")
    return parser.parse_args()


def _lived(seed: str) -> Verdict:
    verdict = simulate(seed)
    return verdict if verdict.violations else replace(verdict, trace=[])  # of thousands


def _summary(verdict: Verdict) -> str:
    if not verdict.violations:
        return f"Seed {verdict.seed}: all is as it must be ({verdict.steps} steps, {verdict.digest})"
    return "\n".join([f"Seed {verdict.seed} fails ({verdict.digest}):", *(f"  {each}" for each in verdict.violations)])


def _tell(*lines: Sequence[str] | str) -> None:
    sys.stdout.write("\n".join(map(str, lines)) + "\n")


if __name__ == "__main__":
    sys.exit(main())
