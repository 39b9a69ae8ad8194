"""Boards without an engine: rows made by hand, with real little files behind them, as many as one likes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

from tests.studies import png

from teststrip.records import (
    Axis,
    Cell,
    EngineRef,
    Failure,
    Image,
    Level,
    Planned,
    Prompt,
    Question,
    Row,
    Shot,
    Study,
)


def study_of(
    prompts: Sequence[str], labels: Sequence[str], *, steps: Sequence[int] = (4, 8), replicates: int = 1
) -> Study:
    """A study with one axis of words, one of numbers."""
    return Study(
        name="by-hand",
        prompts=tuple(Prompt(f"p{n}", text, tags=(text[:40],) if n < 20 else ()) for n, text in enumerate(prompts)),
        replicates=replicates,
        axes=(
            Axis("style", "linked", tuple(Level(label, {"eta": float(n)}) for n, label in enumerate(labels))),
            Axis("num_inference_steps", "setting", tuple(Level(str(n), {"num_inference_steps": n}) for n in steps)),
        ),
        engines={"engine": EngineRef("pattern")},
        question=Question(metrics=("sharpness",)),
    )


def rows_of(study: Study, folder: Path, *, failure: Sequence[str] = ()) -> Iterator[Row]:
    """Every place of the design with a picture of its own colour, or a failure with one of the texts."""
    style, steps = study.axes
    places = product(study.prompts, range(study.replicates), enumerate(style.levels), steps.levels)
    for n, (prompt, replicate, (_, level), step) in enumerate(places):
        settings = {**level.settings, **step.settings, "prompt": prompt.text, "seed": n}
        shot = Shot(EngineRef("pattern"), settings)
        planned = Planned(shot, Cell((("style", level.label), ("num_inference_steps", step.label))), prompt, replicate)
        if n < len(failure):
            yield Row(planned, failure=Failure(shot, "error", failure[n]))
            continue
        data = png((n >> 16 & 255, n >> 8 & 255, n & 255))
        digest = hashlib.sha256(data).hexdigest()
        path = f"images/{digest[:2]}/{digest}.png"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
        image = Image(f"{n:064x}", digest, path, 8, 8, len(data), 0.5 + n % 7, "f")
        yield Row(planned, image=image, scores={"sharpness": float((n * 7919) % 1000)})
