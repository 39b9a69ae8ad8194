"""`teststrip plan` of a million shots, as a user runs it: wall time and peak memory of the whole process.

python -m bench.plan            median of three
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

STUDY = """
name = "million"
prompts = { file = "prompts.txt" }
replicates = 10
engine = { name = "pattern" }
[axes]
guidance_scale = { from = 0, to = 99, step = 1 }
[question]
metrics = ["sharpness"]
"""


def one(folder: Path) -> tuple[float, float]:
    """Seconds and peak megabytes of one `teststrip plan`."""
    command = [sys.executable, "-m", "teststrip", "plan", "study.toml", "--no-calibrate"]
    begin = time.perf_counter()
    child = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    said = child.stdout.read()
    _, status, used = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - begin
    assert status == 0
    assert "1,000,000 images" in said, said
    return seconds, used.ru_maxrss / 1024


def measure() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "study.toml").write_text(STUDY, encoding="utf-8")
        (folder / "prompts.txt").write_text("".join(f"a thing of number {n}\n" for n in range(1000)), encoding="utf-8")
        found = [one(folder) for _ in range(3)]
    return {
        "what": "teststrip plan of 1,000 prompts x 10 replicates x 100 settings, the whole process",
        "shots": 1_000_000,
        "seconds": round(statistics.median(seconds for seconds, _ in found), 2),
        "peak_megabytes": round(max(memory for _, memory in found), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("bench/results/plan.json"))
    asked = parser.parse_args()
    result = measure()
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
