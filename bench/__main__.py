"""All timings, one after another, and their table into docs/performance.md: `make bench`.

python -m bench             speed, backends, growth, plan, store_add, shapes, page, reading, then the table
python -m bench --table     only the table, from the results that are there
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

RESULTS = Path("bench/results")
PAGE = Path("docs/performance.md")
START, END = "<!-- made by python -m bench --table -->", "<!-- end -->"
GOALS = {
    "one image a call": "≥ 2.2",
    "cells of six": "≥ 1.15",
    "speed of light reached": "≥ 0.90",
    "openvino": "≥ 1.5",
    "openvino-bf16": "≥ 2.8",
    "the seed's study": "≥ 0.97",
    "100 random step counts": "≥ 0.95",
    "six sizes, one image each": "≤ 1.5",
    "sixty-four images of one size": "≤ 0.9",
}


def read(name: str) -> dict[str, Any] | None:
    file = RESULTS / f"{name}.json"
    return json.loads(file.read_text("utf-8")) if file.is_file() else None


def of_shapes(shapes: dict[str, Any]) -> list[tuple[str, str, str]]:
    found = []
    for name, measured in shapes.items():
        if isinstance(measured, dict) and "ratio" in measured:
            seconds = f"{measured['ratio']:.2f} ({measured['batched']} s against {measured['plain']} s)"
            found.append((f"{name}: times the CPU seconds of plain calls", seconds, GOALS.get(name, "")))
    models = shapes["six models, 240 images, two kept"]
    loads = f"{models['loads']} loads, in the order of the plan {models['loads in the order of the plan']}"
    return [*found, ("six models, 240 images, two kept", loads, "6")]


def rows() -> list[tuple[str, str, str]]:
    """What, measured, goal."""
    found = []
    if speed := read("speed"):
        words = {
            "one image a call": "times one pipeline call an image",
            "cells of six": "times cells of six by a generator list",
            "grouped by steps and guidance": "times the best grouping by steps and guidance",
            "speed of light reached": "of the bare denoiser at its best batch, end to end to files",
            "Teststrip without OpenVINO": 'with `backend = "auto"` (OpenVINO): times Teststrip with PyTorch',
        }
        found += [(words[key], f"{value:.2f}", GOALS.get(key, "")) for key, value in speed["times"].items()]
        found.append(("scheduling and stepping, of denoiser time", f"{speed['teststrip']['overhead']:.1%}", "≤ 5 %"))
        words = {
            "load": "loading",
            "a": "one a call",
            "b": "cells",
            "c": "groups",
            "d": "Teststrip",
            "f": "with OpenVINO",
        }
        peaks = ", ".join(f"{words[key]} {value:.0f} MB" for key, value in speed["peak_megabytes"].items())
        found.append(("peak memory of a process that makes thirty images", peaks, ""))
        found.append(("fill in that run", f"{speed['teststrip']['fill']:.3f}", ""))
    if backend := read("backends"):
        for key, value in backend["times_eager"].items():
            if key != "torch":
                off = backend["levels_of_255_from_eager"][key]
                found.append(
                    (f"times eager, {key}, whole images (≤ {off} levels off)", f"{value:.2f}", GOALS.get(key, ""))
                )
    if growth := read("growth"):
        found += [(f"fill: {key}", f"{value:.3f}", GOALS.get(key, "")) for key, value in growth["fill"].items()]
        for row in growth["growth"]:
            pace = f"{row['calls_a_second']} a second, {row['microseconds_a_step']} µs a step"
            found.append((f"{row['calls']:,} calls of a trivial denoiser", f"{pace}, {row['megabytes_grown']} MB", ""))
    if plan := read("plan"):
        taken = f"{plan['seconds']} s, {plan['peak_megabytes']} MB"
        found.append(("`teststrip plan` of 1,000,000 shots, the whole process", taken, "< 5 s, < 300 MB"))
    if add := read("store_add"):
        for side, measured in add["sides"].items():
            ratio, parts = measured["stamp_over_one_check"], measured["milliseconds"]
            found.append(
                (f"the record into a PNG of {side} x {side} noise: times one check of it", f"{ratio:.2f}", "≤ 2")
            )
            found.append(("that picture into the folder", ", ".join(f"{k} {v} ms" for k, v in parts.items()), ""))
    if shapes := read("shapes"):
        found += of_shapes(shapes)
    if page := read("page"):
        first, live = page["first_grid_seconds"], page["live"]
        limit = f"≤ {1.5 * first['empty page'] + 1:.2f} s: 1.5 × an empty page + 1 s"
        found.append(("first grid of 480 pictures", f"{first['480 pictures']:.2f} s", limit))
        found.append(("first grid of 10,000 pictures", f"{first['10,000 pictures']:.2f} s", "≤ 3 s"))
        found.append(("a run is slower by, with the live page open", f"{live['slower_by']:.1%}", "≤ 2 %"))
    return found


def table() -> str:
    lines = ["| what | measured | goal |", "|---|---|---|"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows()])


def main() -> None:
    if "--table" not in sys.argv:
        for part in ("speed", "backends", "growth", "plan", "store_add", "shapes", "page", "reading"):
            subprocess.run([sys.executable, "-m", f"bench.{part}"], check=True)
    page = PAGE.read_text("utf-8")
    before, rest = page.split(START)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{START}\n\n{table()}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
