"""What many sizes and many models cost beside plain calls: CPU seconds of tiny models, in one process.

python -m bench.shapes          about a minute on a free core

Batched with `batch` left out and an empty cache, so each search for the number of rows is paid for. The ratios are what
counts, since both sides run on the same machine at the same time.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from itertools import groupby, product
from pathlib import Path
from typing import Any

SIZES = ((32, 32), (48, 32), (32, 48), (64, 32), (32, 64), (64, 64))
MODELS, IMAGES, KEPT = 6, 240, 2


def cpu_seconds(shots: Sequence[Any], **options: Any) -> float:
    """Of an engine that makes these shots, from loading to the last picture."""
    from teststrip.engines.diffusers import DiffusersEngine
    from teststrip.records import Render

    engine = DiffusersEngine(device="cpu", **options)
    begin = time.process_time()
    answers = list(engine.render(shots))
    taken = time.process_time() - begin
    engine.close()
    assert all(isinstance(answer, Render) for answer in answers)
    return taken


def ratio(shots: Sequence[Any]) -> dict[str, float]:
    """Plain calls first, because the first forwards of a process are the dearest."""
    plain, batched = cpu_seconds(shots, batch=1), cpu_seconds(shots)
    return {"plain": round(plain, 2), "batched": round(batched, 2), "ratio": round(batched / plain, 2)}


def loads(in_turns: bool) -> int:
    """How often an engine that keeps two models loads one, for 240 images of six models."""
    from teststrip.diffusion.order import model_by_model, turns
    from teststrip.records import EngineRef, Shot

    cells = [{"model": name} for name in "abcdef"]
    turn = dict(zip("abcdef", turns(cells, KEPT), strict=True))
    order = product(range(IMAGES // MODELS), "abcdef")
    shots = [Shot(EngineRef("diffusers"), {"model": model, "seed": seed}) for seed, model in order]
    if in_turns:
        shots.sort(key=lambda shot: turn[str(shot.settings["model"])])
    kept: list[str] = []
    count = 0
    for name, _ in groupby(model_by_model(iter(shots)), key=lambda shot: str(shot.settings["model"])):
        if name not in kept:
            count += 1
        kept = [*(one for one in kept if one != name), name][-KEPT:]
    return count


def measure() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as place:
        os.environ["TESTSTRIP_CACHE"] = place
        from tests import tiny_pipelines as tiny
        from tests.shots import ask

        sdxl, flux = (tiny.save(family, Path(place) / family) for family in ("sdxl", "flux"))
        cpu_seconds([ask(sdxl, width=32, height=32)], batch=1)
        one = {"width": 32, "height": 32, "num_inference_steps": 25}
        return {
            "what": "CPU seconds of tiny models, batched with an empty cache against plain calls",
            "six sizes, one image each": ratio(
                [ask(sdxl, width=w, height=h, num_inference_steps=25) for w, h in SIZES]
            ),
            "one image of a new model": ratio([ask(sdxl, **one)]),
            "sixty-four images of one size": ratio([ask(flux, seed=seed, **one) for seed in range(64)]),
            "six models, 240 images, two kept": {"loads": loads(True), "loads in the order of the plan": loads(False)},
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("bench/results/shapes.json"))
    asked = parser.parse_args()
    result = measure()
    print(json.dumps(result, indent=1))
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
