"""Whole images through Teststrip at the size of Stable Diffusion 1.5, 256 px, by PyTorch and by OpenVINO.

    python -m bench.backends [--steps 20] [--rounds 2]

Random weights (the time does not depend on them), full-size text encoder, U-Net and decoder, guidance on. The backends
take turns. Conversion and compilation are not in the seconds; they are reported beside. Needs 16 GB of memory.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from tests.tiny_pipelines import clip_tokenizer
from transformers import CLIPTextConfig, CLIPTextModel

from teststrip.batching.lanes import MOST_LANES
from teststrip.diffusion import backends, loading, models, pipelines
from teststrip.diffusion.batches import Batches
from teststrip.pictures import decode
from teststrip.records import EngineRef, Fingerprint, Render, Shot

NAMES = ("torch", "openvino", "openvino-bf16")


def pipeline() -> StableDiffusionPipeline:
    """The shape of Stable Diffusion 1.5."""
    torch.manual_seed(0)
    tokenizer = clip_tokenizer()
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=768,
            intermediate_size=3072,
            num_hidden_layers=12,
            num_attention_heads=12,
            bos_token_id=len(tokenizer) - 2,
            eos_token_id=len(tokenizer) - 1,
        )
    )
    levels = (128, 256, 512, 512)
    vae = AutoencoderKL(
        block_out_channels=levels,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        sample_size=512,
    )
    pipe = StableDiffusionPipeline(
        vae=vae.eval(),
        text_encoder=text.eval(),
        tokenizer=tokenizer,
        unet=UNet2DConditionModel(cross_attention_dim=768, sample_size=64).eval(),
        scheduler=DDIMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1, clip_sample=False
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def shots(steps: int, seeds: range) -> list[Shot]:
    return [
        Shot(
            EngineRef("diffusers"),
            {
                "prompt": "an owl and a pussycat in a pea-green boat",
                "seed": seed,
                "guidance_scale": 7.5,
                "num_inference_steps": steps,
                "height": 256,
                "width": 256,
            },
        )
        for seed in seeds
    ]


def measure(steps: int, rounds: int, rows: int) -> dict[str, Any]:
    """Seconds an image by each backend, and how far its pictures are from PyTorch's."""
    kind = pipelines.find("StableDiffusionPipeline")
    assert kind is not None
    loaded = loading.Loaded(pipeline(), models.find("emoji"), "cpu", "float32")
    fingerprint = Fingerprint({"weights": "random"})
    at_once = rows // 2 * min(torch.get_num_threads(), MOST_LANES)  # so that every lane of PyTorch has rows
    ways: dict[str, Batches] = {}
    ready: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as cache, torch.inference_mode():
        os.environ["TESTSTRIP_CACHE"] = cache
        for name in NAMES:
            begin = time.perf_counter()
            ways[name] = Batches(
                loaded,
                kind,
                rows=rows,
                backend=name,
                forwards=backends.forwards(name, loaded.pipe, {"weights": "random"}),
                fingerprint=lambda _: fingerprint,
                length=lambda _: steps,
            )
            list(ways[name].render(shots(1, range(rows // 2))))  # converts, compiles, warms up
            ready[name] = time.perf_counter() - begin
        seconds = dict.fromkeys(NAMES, 0.0)
        pictures: dict[str, dict[int, Any]] = {name: {} for name in NAMES}
        for turn in range(rounds):
            asked = shots(steps, range(turn * at_once, (turn + 1) * at_once))
            for name in NAMES[turn % 3 :] + NAMES[: turn % 3]:
                begin = time.perf_counter()
                for answer in ways[name].render(asked):
                    assert isinstance(answer, Render), answer
                    assert "alone" not in answer.facts, answer.facts
                    pictures[name][answer.shot.seed] = decode(answer.data).astype(np.int16)
                seconds[name] += time.perf_counter() - begin
                print(turn + 1, name, round(seconds[name], 1), flush=True)
    images = rounds * at_once
    off = {
        name: int(max(np.abs(pictures[name][seed] - picture).max() for seed, picture in pictures["torch"].items()))
        for name in NAMES
    }
    return {
        "what": "Stable Diffusion 1.5's shape, random weights, 256 px, guidance on, whole images",
        "steps": steps,
        "rows": rows,
        "images": images,
        "seconds_an_image": {name: round(value / images, 3) for name, value in seconds.items()},
        "times_eager": {name: seconds["torch"] / value for name, value in seconds.items()},
        "levels_of_255_from_eager": off,
        "seconds_to_get_ready": {name: round(value, 1) for name, value in ready.items()},
        "threads": torch.get_num_threads(),
        "versions": {"torch": torch.__version__, "openvino": backends.version("openvino")},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--rows", type=int, default=4)
    parser.add_argument("--out", type=Path, default=Path("bench/results/backends.json"))
    asked = parser.parse_args()
    result = measure(asked.steps, asked.rounds, asked.rows)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
