"""What it costs to put a picture away: `Store.add` of a PNG of noise, the worst case of that size, in its parts.

python -m bench.store_add               1024 and 2048 pixels, the lower quartile of 21

Times are milliseconds of this machine; the lower quartile, because other programs can only add to them. The ratio is
what counts: stamping against one check of the file (`pictures.sound`), taken by turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from teststrip import pictures
from teststrip.records import EngineRef, Fingerprint, Render, Shot
from teststrip.store import Store, files, ledger, thumbs
from teststrip.store.store import described

SIDES = (1024, 2048)
ROUNDS = 21


def shot(seed: int) -> Shot:
    settings = {"prompt": "an owl at night", "seed": seed, "guidance_scale": 7.0, "num_inference_steps": 30}
    return Shot(EngineRef("pattern", {"dtype": "float32"}), settings)


def render(side: int, seed: int) -> Render:
    """A picture of noise, as an engine gives it: with its thumbnail."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return Render(
        shot=shot(seed),
        data=pictures.encode_png(pixels),
        format="png",
        width=side,
        height=side,
        seconds=1.0,
        fingerprint=Fingerprint({"weights": "sha256:1"}),
        facts={"denoiser_calls": 30},
        small=pictures.small(pixels),
    )


def by_turns(works: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The lower quartile of each work's milliseconds, one round after another over all of them."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            begin = time.perf_counter()
            work()
            taken[name].append(1000 * (time.perf_counter() - begin))
    return {name: round(statistics.quantiles(times, n=4)[0], 2) for name, times in taken.items()}


def one(side: int) -> dict[str, Any]:
    """The parts of an add, and the whole of it, for pictures of one size."""
    made = render(side, 0)
    stamped = pictures.stamp(made)
    image = described(made, stamped)
    others = iter([replace(render(side, 1), shot=shot(10_000 + number)) for number in range(ROUNDS)])
    fresh = iter([render(side, 2 + number) for number in range(ROUNDS)])
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as place:
        Store(Path(place) / "parts", write=True).close()
        apart = ledger.open_to_write(Path(place) / "parts")
        whole = Store(Path(place) / "whole", write=True)

        def write() -> None:
            (apart.folder / image.path).unlink(missing_ok=True)
            files.write(apart.folder, image.path, stamped)

        def row() -> None:
            other = next(others)
            with apart.transaction() as connection:
                ledger.insert(connection, other.shot, other.fingerprint, described(other, b""))

        milliseconds = by_turns(
            {
                "one check": lambda: pictures.sound(made.data),
                "stamp": lambda: pictures.stamp(made),
                "hash": lambda: files.digest_of_bytes(stamped),
                "file and its sync": write,
                "row and its sync": row,
                "thumbnail": lambda: thumbs.keep(apart.folder, image.path, made.small),
                "the whole add": lambda: whole.add(next(fresh)),
            }
        )
        apart.close()
        whole.close()
    return {
        "file_bytes": len(made.data),
        "milliseconds": milliseconds,
        "stamp_over_one_check": round(milliseconds["stamp"] / milliseconds["one check"], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("bench/results/store_add.json"))
    asked = parser.parse_args()
    result = {
        "what": "Store.add of a PNG of noise, in its parts, on the file system of the working folder",
        "sides": {str(side): one(side) for side in SIDES},
    }
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
