"""Stage 7: what the shipped files can do, into results/evaluation.json, evaluation.md and the sheets of the model card.

Reads src/teststrip/models and the held-out data, never a checkpoint. `python -m training.evaluate` runs every section,
with names only those: autoencoder, retrieval, grid, prompts, seeds, schedulers, sheets, study. A section's result
replaces its last one in the file. To add a section, add a function to SECTIONS.
"""

import json
import math
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import diffusers
import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image, ImageDraw, ImageFont
from scipy import stats
from torch import Tensor
from transformers import CLIPModel, CLIPTokenizer

from training import autoencoder, held_out, scorer, tables
from training.precision import quick
from training.progress import Log
from training.settings import HERE, MODELS, recipe
from training.words import DEMO_PROMPTS

RESULTS = HERE / "results"
CARD = MODELS / "card"
SCHEDULERS = {
    "DDIM": ("DDIMScheduler", {}),
    "Euler": ("EulerDiscreteScheduler", {}),
    "Euler a": ("EulerAncestralDiscreteScheduler", {}),
    "DPM++ 2M": ("DPMSolverMultistepScheduler", {}),
    "UniPC": ("UniPCMultistepScheduler", {}),
    "Heun": ("HeunDiscreteScheduler", {}),
    "PNDM": ("PNDMScheduler", {}),
    "DDPM": ("DDPMScheduler", {}),
    "LMS": ("LMSDiscreteScheduler", {}),
}


@cache
def pipeline() -> StableDiffusionPipeline:
    result = StableDiffusionPipeline.from_pretrained(MODELS / "emoji")
    result.set_progress_bar_config(disable=True)
    return result


@cache
def judge() -> tuple[CLIPModel, CLIPTokenizer]:
    folder = MODELS / "emoji-scorer"
    return CLIPModel.from_pretrained(folder, dtype=torch.float32).eval(), CLIPTokenizer.from_pretrained(folder)


def draw(prompts: Sequence[str], *, guidance: float, steps: int, seed: int) -> list[Image.Image]:
    """One picture a prompt; prompt i starts from the noise of seed * 1000 + i whatever the settings."""
    images: list[Image.Image] = []
    size = recipe("evaluate").batch
    for start in range(0, len(prompts), size):
        part = list(prompts[start : start + size])
        noise = [torch.Generator().manual_seed(seed * 1000 + start + i) for i in range(len(part))]
        images += pipeline()(part, guidance_scale=guidance, num_inference_steps=steps, generator=noise).images
    return images


@torch.no_grad()
def vision_features(images: Sequence[Image.Image]) -> Tensor:
    """What the scorer's vision tower sees [N, D], before the projection that keeps only what captions tell."""
    model, _ = judge()
    pixels = scorer.prepared(np.stack([np.asarray(image) for image in images]))
    return model.vision_model(pixels).pooler_output


@torch.no_grad()
def picture_embeddings(images: Sequence[Image.Image]) -> Tensor:
    """Unit features [N, D] of the shipped scorer."""
    features = judge()[0].visual_projection(vision_features(images))
    return features / features.norm(dim=-1, keepdim=True)


@torch.no_grad()
def text_embeddings(texts: Sequence[str]) -> Tensor:
    model, tokenizer = judge()
    tokens = tokenizer(list(texts), padding="max_length", truncation=True, return_tensors="pt")
    features = model.text_projection(model.text_model(tokens.input_ids).pooler_output)
    return features / features.norm(dim=-1, keepdim=True)


def matched(images: Sequence[Image.Image], prompts: Sequence[str]) -> tuple[list[bool], list[float]]:
    """For each picture: is its own prompt the nearest of all prompts; and its similarity to it."""
    similarity = picture_embeddings(images) @ text_embeddings(prompts).T
    own = torch.arange(len(prompts))
    return (similarity.argmax(1) == own).tolist(), similarity.diagonal().tolist()


@dataclass(frozen=True, slots=True)
class Rate:
    """A share over prompts with its 95 % interval (each prompt's share is one observation)."""

    mean: float
    low: float
    high: float


def rate(hits: Sequence[float]) -> Rate:
    """Wilson's interval: the prompt is the unit, and shares near 0 or 1 stay inside 0..1."""
    n, p, z = len(hits), statistics.fmean(hits), stats.norm.ppf(0.975)
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return Rate(round(p, 4), round(max(0.0, centre - half), 4), round(min(1.0, centre + half), 4))


def as_json(value: Rate) -> list[float]:
    return [value.mean, value.low, value.high]


def measure_autoencoder(log: Log) -> dict[str, Any]:
    """PSNR of decode(encode(x)) on the held-out compositions."""
    pictures, _ = scorer.held_out()
    x = autoencoder.pixels_of(pictures)
    vae = pipeline().vae
    errors = []
    with torch.no_grad():
        for part in x.split(25):
            made = vae.decode(vae.encode(part).latent_dist.mode()).sample.clamp(-1, 1)
            errors += ((made - part) ** 2).mean((1, 2, 3)).div(4).tolist()
    psnr = [-10 * math.log10(e) for e in errors]
    return {
        "pictures": len(errors), "pixels": x.shape[-1], "mean_psnr_db": round(statistics.fmean(psnr), 2),
        "psnr_of_mean_error_db": round(-10 * math.log10(statistics.fmean(errors)), 2),
        "worst_tenth_db": round(statistics.quantiles(psnr, n=10)[0], 2),
    }  # fmt: skip


def measure_retrieval(log: Log) -> dict[str, Any]:
    """R@1 of the shipped scorer among the held-out compositions and their captions."""
    model, _ = judge()
    pictures, tokens = scorer.held_out()
    images, texts = scorer.embed(model, pictures, tokens)
    by_picture, by_caption = scorer.recall_at_1(images, texts)
    return {
        "pictures": len(pictures),
        "caption_of_picture": round(by_picture, 4),
        "picture_of_caption": round(by_caption, 4),
    }


def measure_grid(log: Log) -> dict[str, Any]:
    """Matched shares and similarities over guidance x steps, on the held-out prompts; same noise in each cell."""
    s = recipe("evaluate")
    held = held_out.load()
    prompts = (*held.single_prompts, *held.composition_prompts)
    half = len(held.single_prompts)
    cells = []
    for steps in s.steps:
        for guidance in s.guidance:
            with quick():  # 36 cells
                images = draw(prompts, guidance=guidance, steps=steps, seed=0)
            single, near = matched(images[:half], held.single_prompts)
            composed, far = matched(images[half:], held.composition_prompts)
            cells.append({
                "guidance": guidance, "steps": steps, "single": as_json(rate(single)),
                "composition": as_json(rate(composed)), "similarity": round(statistics.fmean(near + far), 4),
            })  # fmt: skip
            log(f"guidance {guidance} steps {steps}: {statistics.fmean(single):.0%} {statistics.fmean(composed):.0%}")
    return {"interval": "95 %, Wilson, over prompts; one seed", "cells": cells}


ARMS = {"guidance 5, 25 steps": (5, 25), "guidance 1, 25 steps": (1, 25), "guidance 5, 3 steps": (5, 3)}


def measure_prompts(log: Log) -> dict[str, Any]:
    """The held-out prompts at guidance 5 and 25 steps, three seeds; and by how much less guidance and fewer steps lose.

    The losses are paired: the same prompts and seeds in each arm, a prompt's mean over seeds is one observation.
    """
    held = held_out.load()
    result: dict[str, Any] = {"guidance": 5, "steps": 25, "seeds": 3, "interval of losses": "95 %, t, over prompts"}
    for name, prompts in (("single", held.single_prompts), ("composition", held.composition_prompts)):
        shares, nearness = {}, {}
        for arm, (guidance, steps) in ARMS.items():
            made = [matched(draw(prompts, guidance=guidance, steps=steps, seed=seed), prompts) for seed in range(3)]
            shares[arm] = [statistics.fmean(some) for some in zip(*(hits for hits, _ in made), strict=True)]
            nearness[arm] = [statistics.fmean(some) for some in zip(*(near for _, near in made), strict=True)]
            log(f"{name}, {arm}: {statistics.fmean(shares[arm]):.1%}")
            if arm == next(iter(ARMS)):
                result[name] = as_json(rate(shares[arm]))
                result[f"{name}_by_seed"] = [round(statistics.fmean(hits), 4) for hits, _ in made]
        full, *lesser = ARMS
        result[f"{name}_never_matched"] = [p for p, share in zip(prompts, shares[full], strict=True) if share == 0]
        result[f"{name}_losses"] = {
            arm: {"matched": loss(shares[full], shares[arm]), "similarity": loss(nearness[full], nearness[arm])}
            for arm in lesser
        }
        log(f"{name}: {result[name]}, lost {result[f'{name}_losses']}")
    return result


def loss(full: Sequence[float], lesser: Sequence[float]) -> list[float]:
    """Mean of full - lesser over prompts, and its 95 % interval (paired t)."""
    differences = np.subtract(full, lesser)
    mean, error = differences.mean(), stats.sem(differences)
    half = stats.t.ppf(0.975, len(differences) - 1) * error
    return [round(float(v), 4) for v in (mean, mean - half, mean + half)]


def _mean_distance(features: Tensor, same: Tensor) -> float:
    distance = torch.cdist(features, features)
    return distance[same].mean().item()


def measure_seeds(log: Log) -> dict[str, Any]:
    """Distance between seeds of one prompt as a share of that between prompts, in three kinds of features."""
    held = held_out.load()
    prompts = [*DEMO_PROMPTS, *held.single_prompts[::8], *held.composition_prompts[::8]]
    count = 6
    images = draw([p for p in prompts for _ in range(count)], guidance=5, steps=25, seed=3)
    small = np.stack([np.asarray(im.resize((32, 32), Image.Resampling.BOX), np.float32) for im in images]) / 255
    prompt = torch.arange(len(prompts)).repeat_interleave(count)
    same = prompt[:, None] == prompt[None]
    within = same & ~torch.eye(len(prompt), dtype=torch.bool)
    result: dict[str, Any] = {"prompts": len(prompts), "seeds": count, "distance": "Euclidean"}
    for name, features in (
        ("scorer embeddings", picture_embeddings(images)),
        ("scorer vision features", vision_features(images)),
        ("thumbnails of 32 px", torch.from_numpy(small).flatten(1)),
    ):
        result[name] = round(_mean_distance(features, within) / _mean_distance(features, ~same), 3)
        log(f"{name}: {result[name]}")
    return result


def measure_schedulers(log: Log) -> dict[str, Any]:
    """Each scheduler from the shipped configuration, against DDIM with many steps from the same noise."""
    prompts = (*held_out.load().single_prompts[::8], *DEMO_PROMPTS)
    pipe = pipeline()
    shipped = pipe.scheduler
    rows: dict[str, Any] = {}

    def run(steps: int) -> list[Image.Image]:
        return draw(prompts, guidance=5, steps=steps, seed=1)

    reference = np.stack([np.asarray(im, np.float32) for im in run(200)])
    shown = []
    for name, (kind, extra) in SCHEDULERS.items():
        row: dict[str, Any] = {}
        try:
            pipe.scheduler = getattr(diffusers, kind).from_config(shipped.config, **extra)
            for steps in (25, 50):
                images = run(steps)
                x = np.stack([np.asarray(im, np.float32) for im in images])
                row[f"rms_{steps}"] = round(float(np.sqrt(((x - reference) ** 2).mean((1, 2, 3))).mean()), 1)
                row[f"matched_{steps}"] = round(statistics.fmean(matched(images, prompts)[0]), 3)
                if steps == 25:
                    shown.append((name, images))
        except Exception as error:  # a scheduler that cannot run this configuration is a result too
            row["error"] = f"{type(error).__name__}: {error}"
        log(f"{name}: {row}")
        rows[name] = row
    pipe.scheduler = shipped
    write_sheet(shown, "schedulers.jpg")
    return {
        "reference": "DDIM, 200 steps, same noise; rms over pixels of 0..255",
        "prompts": len(prompts),
        "rows": rows,
    }


def write_sheet(rows: Sequence[tuple[str, Sequence[Image.Image]]], name: str, tile: int = 96) -> None:
    """Rows of pictures with a label over each row."""
    font = ImageFont.load_default(13)
    width = max(len(images) for _, images in rows) * (tile + 2)
    sheet = Image.new("RGB", (width, len(rows) * (tile + 20)), "white")
    pen = ImageDraw.Draw(sheet)
    for y, (label, images) in enumerate(rows):
        pen.text((3, y * (tile + 20) + 2), label, fill="black", font=font)
        for x, image in enumerate(images):
            sheet.paste(image.resize((tile, tile), Image.Resampling.LANCZOS), (x * (tile + 2), y * (tile + 20) + 19))
    CARD.mkdir(parents=True, exist_ok=True)
    sheet.save(CARD / name, quality=85)


def measure_sheets(log: Log) -> dict[str, Any]:
    """The model card's sheets."""
    held = held_out.load()
    write_sheet([(p, draw([p] * 6, guidance=6, steps=50, seed=2)) for p in DEMO_PROMPTS], "demo.jpg")
    for name, prompts in (("single", held.single_prompts), ("composition", held.composition_prompts)):
        images = draw(prompts, guidance=5, steps=25, seed=0)
        good, _ = matched(images, prompts)
        _grid_sheet(prompts, images, good, f"held-out-{name}.jpg")
    few = [DEMO_PROMPTS[0], DEMO_PROMPTS[4], *held.single_prompts[12:16], *held.composition_prompts[:2]]
    write_sheet(
        [(f"guidance {g}", draw(few, guidance=g, steps=25, seed=4)) for g in (1, 2, 3, 5, 7.5, 12)], "guidance.jpg"
    )
    write_sheet([(f"{n} steps", draw(few, guidance=5, steps=n, seed=4)) for n in (2, 3, 5, 10, 20, 50)], "steps.jpg")
    return {"files": sorted(path.name for path in CARD.glob("*.jpg"))}


def _grid_sheet(prompts: Sequence[str], images: Sequence[Image.Image], good: Sequence[bool], name: str) -> None:
    """Every picture with its prompt under it, red where the scorer took it for another prompt."""
    tile, line, columns = 112, 26, 8
    font = ImageFont.load_default(9)
    rows = math.ceil(len(images) / columns)
    sheet = Image.new("RGB", (columns * (tile + 4), rows * (tile + line)), "white")
    pen = ImageDraw.Draw(sheet)
    for i, (prompt, image, fine) in enumerate(zip(prompts, images, good, strict=True)):
        x, y = i % columns * (tile + 4), i // columns * (tile + line)
        sheet.paste(image.resize((tile, tile), Image.Resampling.LANCZOS), (x, y))
        words = prompt.split()
        cut = next((k for k in range(len(words), 0, -1) if pen.textlength(" ".join(words[:k]), font) <= tile), 1)
        text = "\n".join((" ".join(words[:cut]), " ".join(words[cut:])))
        pen.multiline_text((x, y + tile + 1), text, fill="black" if fine else "red", font=font, spacing=1)
    CARD.mkdir(parents=True, exist_ok=True)
    sheet.save(CARD / name, quality=85)


def _study_batch(job: tuple[str, int, int]) -> None:
    torch.set_num_threads(1)
    prompt, guidance, steps = job
    noise = [torch.Generator().manual_seed(k) for k in range(6)]
    pipeline()([prompt] * 6, guidance_scale=guidance, num_inference_steps=steps, generator=noise)


def measure_study(log: Log) -> dict[str, Any]:
    """Wall time of the seed's study in plain batches of six, by two processes of one thread each.

    480 pictures: five prompts, six seeds, four guidances by four step counts. Guidance does not change the time, so
    `study_guidance` may name fewer than four; the time for all is then four times the mean of those measured.
    """
    guidances = recipe("evaluate").study_guidance
    jobs = [(p, g, steps) for g in guidances for steps in (200, 150, 100, 50) for p in DEMO_PROMPTS]
    load = os.getloadavg()[0]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.map(_study_batch, [(DEMO_PROMPTS[0], 1, 1)] * 2, chunksize=1)  # loading is not measured
        began = time.perf_counter()
        pool.map(_study_batch, jobs, chunksize=1)
        seconds = time.perf_counter() - began
    return {
        "processes": 2,
        "pictures_measured": 6 * len(jobs),
        "seconds_measured": round(seconds, 1),
        "seconds_for_480": round(seconds * 4 / len(guidances), 1),
        "load_before": round(load, 2),
    }


SECTIONS = {
    "autoencoder": measure_autoencoder,
    "retrieval": measure_retrieval,
    "prompts": measure_prompts,
    "grid": measure_grid,
    "seeds": measure_seeds,
    "schedulers": measure_schedulers,
    "sheets": measure_sheets,
    "study": measure_study,
}


def main() -> None:
    """Run the stage."""
    log = Log("evaluate")
    torch.set_num_threads(recipe("evaluate").threads)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "evaluation.json"
    for name in sys.argv[1:] or SECTIONS:
        found = SECTIONS[name](log)
        # read anew: another process may have measured other sections meanwhile
        results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        results[name] = found
        path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        (RESULTS / "evaluation.md").write_text(tables.as_markdown(results), encoding="utf-8")
        log(f"{name} done")


if __name__ == "__main__":
    main()
