"""Whole commands of this checkout beside those of another one, in turn: is anything slower than before?

    python -m bench.whole --before CHECKOUT

Each command is a process of its own, from the start of Python to its end: a run of 144 pictures of the embedded model
into a fresh folder, the same run again, which finds everything made, and a plan. Processor time is compared, children
included, because other programs take turns on the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

STUDY = """
name = "whole"
prompts = ["an owl", "a red car", "a castle", "a rose"]
replicates = 4
[axes]
guidance_scale = [1, 3, 7]
num_inference_steps = [4, 8, 12]
[question]
metrics = ["clip_score", "sharpness"]
"""
HERE = Path(__file__).parents[1]


def seconds(checkout: Path, command: Sequence[str]) -> float:
    """Processor seconds of a command that a checkout's package carries out."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "teststrip", *command],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout / "src")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, help="another checkout of this repository")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=HERE / "bench/results/whole_before.json")
    asked = parser.parse_args()
    taken: dict[str, list[tuple[float, float]]] = {"run": [], "run again": [], "plan": []}
    with tempfile.TemporaryDirectory() as place:
        study = Path(place) / "whole.toml"
        study.write_text(STUDY, encoding="utf-8")
        checkouts = {"now": HERE, "before": asked.before.resolve()}
        for turn in range(asked.rounds + 1):  # the first turn fills caches and is not counted
            spent = {
                (what, who): seconds(checkouts[who], command)
                for who in (("now", "before") if turn % 2 else ("before", "now"))
                for what, command in {
                    "run": ["run", str(study), "--out", f"{place}/{turn}{who}"],
                    "run again": ["run", str(study), "--out", f"{place}/{turn}{who}"],
                    "plan": ["plan", str(study), "--out", f"{place}/{turn}{who}"],
                }.items()
            }
            for what in taken if turn else ():
                taken[what].append((spent[what, "now"], spent[what, "before"]))
                print(what, *(round(value, 2) for value in taken[what][-1]), flush=True)
    result = {
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        **{
            what: {
                "ratio": round(statistics.median(now / then for now, then in pairs), 3),
                "ratios": [round(now / then, 3) for now, then in pairs],
                "seconds": [[round(now, 2), round(then, 2)] for now, then in pairs],
            }
            for what, pairs in taken.items()
        },
    }
    asked.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({what: result[what]["ratio"] for what in taken}))  # type: ignore[index]


if __name__ == "__main__":
    main()
