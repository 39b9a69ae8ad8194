"""Six ways to make one study, side by side: the seed's 4 guidance × 4 step counts × 5 prompts × 6 seeds.

    python -m bench.speed                   steps divided by ten, so that it takes minutes
    python -m bench.speed --divide 1        the study as it is: an hour and more on two cores
    python -m bench.speed --divide 4 --prompts 1    a prompt of it, with steps nearer to the real ones

(a) one pipeline call an image, as most scripts do; (b) a call a cell and prompt: six images by a list of six
generators; (c) the best that grouping can do: all images of equal steps and guidance in calls of the best batch;
(d) Teststrip; (e) the bare denoiser at its best batch, as many rows and nothing else: the speed of light; (f)
Teststrip with `backend = "auto"`, which is OpenVINO where that is installed.

All end in PNG files, but (e). They take turns, a slice each, so that whatever else the machine does hits them all.
(a) makes one prompt in five and is counted five times; its calls do not depend on each other.
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from teststrip.batching.width import LADDER
from teststrip.diffusion import backends, loading, models, pipelines
from teststrip.diffusion.batches import Batches
from teststrip.engines.diffusers import DiffusersEngine
from teststrip.records import EngineRef, Render, Shot
from teststrip.weights.loading import quietly

PROMPTS = (
    "a single blood-red rose with thorns dripping blood",
    "a flying car against a futuristic city background",
    "a cartoon detective",
    "a portrait of an astronaut kissing a flower, rembrandt style",
    "an owl and a pussycat in a pea-green boat",
)
GUIDANCE = (6.0, 7.0, 8.0, 9.0)
STEPS = (50, 100, 150, 200)
SEEDS = range(6)
SLICES = 16


class Study:
    """The shots, and the loaded pipeline that makes them."""

    def __init__(self, model: str, divide: int, prompts: int) -> None:
        self.prompts = PROMPTS[-prompts:]
        self.steps = tuple(max(1, steps // divide) for steps in STEPS)
        self.engine = DiffusersEngine(device="cpu")
        found = models.find(model)
        self.loaded = loading.load(
            found, device="cpu", dtype="float32", variant=None, offload="none", safety_checker=False
        )
        self.pipe = self.loaded.pipe
        self.pipe.set_progress_bar_config(disable=True)
        kind = pipelines.find(found.pipeline)
        assert kind is not None
        self.kind = kind
        self.model = model
        self.cells = list(itertools.product(GUIDANCE, self.steps))

    def shots(self) -> list[Shot]:
        return [
            Shot(
                EngineRef("diffusers"),
                {
                    "model": self.model,
                    "prompt": prompt,
                    "seed": seed,
                    "guidance_scale": guidance,
                    "num_inference_steps": steps,
                },
            )
            for guidance, steps in self.cells
            for prompt in self.prompts
            for seed in SEEDS
        ]

    def rows(self) -> int:
        return sum(2 * steps * len(self.prompts) * len(SEEDS) for _, steps in self.cells)


def generators(seeds: Any) -> list[torch.Generator]:
    return [torch.Generator("cpu").manual_seed(seed) for seed in seeds]


def one_by_one(study: Study, folder: Path) -> Iterator[int]:
    """(a), for the last prompt."""
    for cell, (guidance, steps) in enumerate(study.cells):
        for seed in SEEDS:
            image = study.pipe(
                PROMPTS[-1],
                guidance_scale=guidance,
                num_inference_steps=steps,
                generator=torch.Generator("cpu").manual_seed(seed),
            ).images[0]
            image.save(folder / f"{cell}-{seed}.png")
        yield len(SEEDS)


def by_cell(study: Study, folder: Path) -> Iterator[int]:
    """(b)."""
    for cell, (guidance, steps) in enumerate(study.cells):
        for number, prompt in enumerate(study.prompts):
            images = study.pipe(
                prompt,
                guidance_scale=guidance,
                num_inference_steps=steps,
                num_images_per_prompt=len(SEEDS),
                generator=generators(SEEDS),
            ).images
            for seed, image in enumerate(images):
                image.save(folder / f"{cell}-{number}-{seed}.png")
        yield len(study.prompts) * len(SEEDS)


def by_group(study: Study, folder: Path, batch: int) -> Iterator[int]:
    """(c): the thirty images of a cell, in calls of at most `batch` denoiser rows."""
    images = max(1, batch // 2)
    for cell, (guidance, steps) in enumerate(study.cells):
        wanted = [(prompt, seed) for prompt in study.prompts for seed in SEEDS]
        for start in range(0, len(wanted), images):
            some = wanted[start : start + images]
            made = study.pipe(
                [prompt for prompt, _ in some],
                guidance_scale=guidance,
                num_inference_steps=steps,
                generator=generators(seed for _, seed in some),
            ).images
            for number, image in enumerate(made, start):
                image.save(folder / f"{cell}-{number}.png")
        yield len(wanted)


def teststrip(study: Study, folder: Path, batches: Batches) -> Iterator[int]:
    """(d): the engine's own way, files written as a store would, without its ledger."""
    every = max(1, len(study.shots()) // SLICES)
    for count, answer in enumerate(batches.render(iter(study.shots())), 1):
        assert isinstance(answer, Render), answer
        (folder / f"{answer.shot.id}.png").write_bytes(answer.data)
        if count % every == 0:
            assert batches.batcher is not None
            batches.batcher.wait_until_idle()  # or its lanes would compute on while the others have their turn
            yield every


def bare(study: Study, forward: Callable[[int], None], batch: int) -> Iterator[int]:
    """(e): forwards of the best batch until all rows of the study are done; images counted by rows."""
    total, images = study.rows(), len(study.shots())
    done = 0
    for part in range(SLICES):
        while done < total * (part + 1) / SLICES:
            forward(batch)
            done += batch
        yield images // SLICES


def denoiser(study: Study) -> Callable[[int], None]:
    """One forward of so many rows, with what the pipeline would pass."""
    unet = study.pipe.unet
    channels, side = unet.config.in_channels, unet.config.sample_size
    words = study.pipe.encode_prompt(PROMPTS[0], "cpu", 1, True)[0]

    def forward(rows: int) -> None:
        unet(
            torch.zeros(rows, channels, side, side) + 0.1,
            torch.full((rows,), 500.0),
            encoder_hidden_states=words.expand(rows, -1, -1).contiguous(),
            return_dict=False,
        )

    return forward


def best_batch(forward: Callable[[int], None]) -> tuple[int, dict[int, float]]:
    """Rows of the fastest forward a row, and milliseconds a row for each of the ladder."""
    each = {}
    for rows in LADDER:
        taken = []
        for _ in range(3):
            begin = time.perf_counter()
            forward(rows)
            taken.append(time.perf_counter() - begin)
        each[rows] = 1000 * min(taken) / rows
    return min(each, key=lambda rows: each[rows]), each


def batches_of(study: Study, backend: str) -> Batches:
    """Teststrip's way with a backend, warm: the width is found, the model converted."""
    identity = {"weights": "bench", "model": study.model}
    batches = Batches(
        study.loaded,
        study.kind,
        rows="auto",
        backend=backend,
        forwards=backends.forwards(backend, study.pipe, identity),
        fingerprint=study.engine.fingerprint,
        length=lambda shot: study.engine.calls(shot.settings),
    )
    list(batches.render(study.shots()[:1]))
    return batches


def peak_megabytes(way: str, model: str) -> float:
    """Resident memory, at its peak, of a process that makes thirty images one way and nothing else."""
    told = subprocess.run(
        [sys.executable, "-m", "bench.speed", "--memory-of", way, "--model", model], check=True, capture_output=True
    )
    return float(told.stdout.split()[-1])


def make_thirty(way: str, model: str) -> float:
    """What `peak_megabytes` runs in a process of its own. Returns megabytes."""
    study = Study(model, 50, 1)
    study.cells = [(float(guidance), 4) for guidance in range(5, 10)]
    with tempfile.TemporaryDirectory() as place, torch.inference_mode(), quietly("diffusers", "transformers"):
        folder = Path(place)
        ways: dict[str, Callable[[], Iterator[int]]] = {
            "load": lambda: iter(()),
            "a": lambda: one_by_one(study, folder),
            "b": lambda: by_cell(study, folder),
            "c": lambda: by_group(study, folder, 24),
            "d": lambda: teststrip(study, folder, batches_of(study, "torch")),
            "f": lambda: teststrip(study, folder, batches_of(study, "openvino")),
        }
        for _ in ways[way]():
            pass
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage would tell the peak of the process that started this one, if that was larger
        peak = int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text("utf-8"))[1]) * 2**10
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 2**10)
    return round(peak / 2**20, 1)


def measure(model: str, divide: int, prompts: int) -> dict[str, Any]:
    """All ways, interleaved; seconds for the whole study by each."""
    study = Study(model, divide, prompts)
    total, threads = len(study.shots()), torch.get_num_threads()
    with tempfile.TemporaryDirectory() as place, torch.inference_mode(), quietly("diffusers", "transformers"):
        forward = denoiser(study)
        batch, each = best_batch(forward)
        batches = batches_of(study, "torch")
        converted = backends.resolved("auto", device="cpu", dtype="float32") == "openvino"
        folders = {name: Path(place) / name for name in "abcdf"}
        for folder in folders.values():
            folder.mkdir()
        ways = {
            "a": one_by_one(study, folders["a"]),
            "b": by_cell(study, folders["b"]),
            "c": by_group(study, folders["c"], batch),
            "d": teststrip(study, folders["d"], batches),
            "e": bare(study, forward, batch),
        }
        if converted:
            ways["f"] = teststrip(study, folders["f"], batches_of(study, "openvino"))
        seconds = dict.fromkeys(ways, 0.0)
        images = dict.fromkeys(ways, 0)
        for turn in range(SLICES):
            order = list(ways)[turn % len(ways) :] + list(ways)[: turn % len(ways)]
            for name in order:
                # Lanes tell MKL, which has one number for the process, one thread each; the others get all back.
                torch.set_num_threads(1 if name in "df" and turn else threads)
                begin = time.perf_counter()
                images[name] += next(ways[name])
                seconds[name] += time.perf_counter() - begin
            print(turn + 1, {name: round(value, 1) for name, value in seconds.items()}, flush=True)
    counts = batches.counts
    assert counts is not None
    whole = {name: seconds[name] * total / images[name] for name in ways}
    inside = counts.seconds + counts.decode_seconds
    return {
        "what": "the seed's study, six ways",
        "model": model,
        "steps": study.steps,
        "prompts": len(study.prompts),
        "images": total,
        "denoiser_rows": study.rows(),
        "seconds": {name: round(value, 2) for name, value in whole.items()},
        "times": {
            "one image a call": whole["a"] / whole["d"],
            "cells of six": whole["b"] / whole["d"],
            "grouped by steps and guidance": whole["c"] / whole["d"],
            "speed of light reached": whole["e"] / whole["d"],
            **({"Teststrip without OpenVINO": whole["d"] / whole["f"]} if converted else {}),
        },
        "peak_megabytes": {name: peak_megabytes(name, model) for name in ("load", *ways) if name != "e"},
        "teststrip": {
            "rows": max(counts.widths.values()),
            "fill": counts.fill,
            "denoiser_seconds": counts.seconds,
            "decoder_seconds": counts.decode_seconds,
            # The encoding thread runs beside; what it takes from the denoiser is in the denoiser's seconds.
            "overhead": (seconds["d"] - inside) / counts.seconds,
        },
        "milliseconds_a_row": {str(rows): round(value, 3) for rows, value in each.items()},
        "machine": {"cpu": platform.processor() or platform.machine(), "threads": threads},
        "versions": {"torch": torch.__version__},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="emoji")
    parser.add_argument("--divide", type=int, default=10)
    parser.add_argument("--prompts", type=int, default=len(PROMPTS), help="The last so many of five.")
    parser.add_argument("--out", type=Path, default=Path("bench/results/speed.json"))
    parser.add_argument("--memory-of", choices=("load", *"abcdf"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.memory_of:
        print(make_thirty(asked.memory_of, asked.model))
        return
    result = measure(asked.model, asked.divide, asked.prompts)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({key: result[key] for key in ("seconds", "times", "teststrip", "peak_megabytes")}, indent=1))


if __name__ == "__main__":
    main()
