"""What a study of many pictures takes, and what that makes of 10⁶ and 10⁸: the figures of docs/scale.md.

python -m bench.scale                                   10,000, 100,000 and 300,000 places; 2,000 small pictures
python -m bench.scale --places 1000 10000 --pictures 200

Reading is measured on ledgers without pictures, each verb in a process of its own (as in `bench.reading`), and the
export for Embedding Atlas on a study of noise whose pictures are there. What is told for a larger number is a straight
line through the two largest that were measured, and said to be one.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import reading

import teststrip
from teststrip import study as studies
from teststrip.folder import LEDGER_FILE
from teststrip.verbs import export
from teststrip.verbs.run import drive

CELLS = 16
TOLD = (10**6, 10**8)


def read_at(root: Path, places: int) -> dict[str, float]:
    """The ledger's bytes, and processor seconds and peak memory of verbs that read it."""
    folder = root / str(places)
    reading.make(folder, reading.study(places, CELLS))
    found: dict[str, float] = {"ledger_mb": sum(path.stat().st_size for path in folder.glob(f"{LEDGER_FILE}*")) / 2**20}
    for verb in ("report", "csv", "view"):
        found[f"{verb}_seconds"], found[f"{verb}_peak_mb"] = reading.taken(verb, folder)
    return {name: round(value, 2) for name, value in found.items()}


def line(measured: dict[int, dict[str, float]], places: int) -> dict[str, float]:
    """What a straight line through the two largest studies gives for so many places."""
    small, large = sorted(measured)[-2:]
    share = (places - small) / (large - small)
    return {
        name: round(measured[small][name] + share * (measured[large][name] - measured[small][name]), 1)
        for name in measured[large]
    }


def atlas(root: Path, pictures: int) -> dict[str, float]:
    """Seconds and bytes of a picture in the export for Embedding Atlas, with thumbnails of 128 pixels."""
    asked = studies.study(
        name="atlas",
        prompts=[f"prompt {number}" for number in range(10)],
        replicates=pictures // 40,
        engine={"name": "pattern"},
        axes={"guidance_scale": [1, 3, 5, 7]},
        settings={"width": 512, "height": 512},
        question={"metrics": []},
    )
    drive(asked, root / "atlas", trackers=[], views=False).result.close()
    with teststrip.open(root / "atlas") as result:
        begin = time.process_time()
        written = export.write(result, "atlas", root / "out")
        seconds = time.process_time() - begin
        made = result.made
    size = sum(path.stat().st_size for path in written.glob("*.parquet"))
    return {"pictures": made, "milliseconds_a_picture": 1000 * seconds / made, "bytes_a_picture": size / made}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--places", type=int, nargs="+", default=[10_000, 100_000, 300_000])
    parser.add_argument("--pictures", type=int, default=2_000)
    parser.add_argument("--out", type=Path, default=Path("bench/results/scale.json"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        measured = {places: read_at(root, places) for places in asked.places}
        result: dict[str, Any] = {
            "what": "ledger, reading verbs and the export for Embedding Atlas by the number of places",
            "cells": CELLS,
            "measured": measured,
            "on_a_straight_line": {places: line(measured, places) for places in TOLD},
            "atlas": {name: round(value, 2) for name, value in atlas(root, asked.pictures).items()},
        }
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
