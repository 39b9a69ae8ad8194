"""`python -m tools.known_pictures` writes docs/known-pictures.md: what each metric says of well-known pictures.

The embedded model draws some prompts twice, once a seed. Each picture is spoilt in known ways, and each metric that
needs no further weights judges it: one that rates noise above a picture is not to be believed, and its card must say
so. To add a way, write a line in WAYS. Takes a minute on two cores; the tests compare the page's rows and heads
with the metrics and the ways, and not its numbers, because other versions of libraries draw slightly other pictures.
"""

from __future__ import annotations

import io
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

import teststrip
from teststrip import pictures, plugins
from teststrip.analysis.sentences.phrases import number
from teststrip.metrics.reference import opened
from teststrip.protocols import Item, Metric
from teststrip.records import Row
from teststrip.rows.items import image_of
from teststrip.verbs.run import drive

Rgb = NDArray[np.uint8]

PAGE = Path(__file__).parents[1] / "docs" / "known-pictures.md"
PROMPTS = ("a red rose", "a flying car", "an owl", "a wizard", "a fox", "a penguin", "a robot", "a blue dragon")
SEEDS = 2
HEAD = """# Known pictures

<!-- Generated: python -m tools.known_pictures -->

What each metric says of pictures whose worth is plain: the mean over {count} pictures of the embedded model
({prompts} prompts, {seeds} seeds), as they were made and spoilt in known ways. A metric of pairs holds the spoilt
picture against the one that was made; a metric of groups looks at the seeds of a prompt, each spoilt. Believe no score
further than it can tell noise from a picture: where one cannot, [its card](metrics.md) says so.

"""


def as_made(picture: Rgb, _other: Rgb) -> Rgb:
    """The picture."""
    return picture


def another_prompt(_picture: Rgb, other: Rgb) -> Rgb:
    """The picture of the next prompt: a good picture of a wrong subject."""
    return other


def moved(picture: Rgb, _other: Rgb) -> Rgb:
    """The picture a pixel to the right."""
    return np.concatenate([picture[:, :1], picture[:, :-1]], axis=1)


def brighter(picture: Rgb, _other: Rgb) -> Rgb:
    """The picture with each channel one level up."""
    return np.where(picture < 255, picture + 1, 255).astype(np.uint8)


def blurred(picture: Rgb, _other: Rgb) -> Rgb:
    """The picture out of focus, by a Gaussian of a sixteenth of its width."""
    blur = ImageFilter.GaussianBlur(picture.shape[1] / 16)
    return np.asarray(Image.fromarray(picture).filter(blur))


def compressed(picture: Rgb, _other: Rgb) -> Rgb:
    """The picture as a JPEG of quality 5."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=5)
    return pictures.decode(file.getvalue())


def noise(picture: Rgb, _other: Rgb) -> Rgb:
    """Uniform noise; each picture has noise of its own."""
    return np.random.default_rng(int(picture.sum())).integers(0, 256, picture.shape, dtype=np.uint8)


def grey(picture: Rgb, _other: Rgb) -> Rgb:
    """Grey alone."""
    return np.full_like(picture, 128)


def black(picture: Rgb, _other: Rgb) -> Rgb:
    """Black alone."""
    return np.zeros_like(picture)


WAYS: Mapping[str, Callable[[Rgb, Rgb], Rgb]] = {
    "as made": as_made,
    "one level brighter": brighter,
    "moved by a pixel": moved,
    "JPEG 5": compressed,
    "heavy blur": blurred,
    "another prompt's": another_prompt,
    "noise": noise,
    "grey": grey,
    "black": black,
}


def metrics() -> dict[str, Metric]:
    """The metrics that look at pictures and need no weights but those of this package."""
    made = {name: opened(name) for name in plugins.installed("metrics")}
    return {
        name: metric
        for name, metric in made.items()
        if metric and metric.card.needs_pixels and (not metric.card.needs or name == "clip_score")
    }


def drawn(folder: Path) -> list[tuple[Row, Rgb]]:
    """The pictures of all prompts, seed by seed."""
    study = teststrip.Study(
        name="known", prompts=list(PROMPTS), replicates=SEEDS, settings={"num_inference_steps": 30}, axes={}
    )
    with drive(study, folder, trackers=[], views=False).result as made:
        rows = sorted(made.rows(), key=lambda row: (row.planned.prompt.id, row.planned.replicate))
        return [(row, pictures.decode(made.store.read(image_of(row)))) for row in rows]


def rated(metric: Metric, made: Sequence[tuple[Row, Rgb]], way: Callable[[Rgb, Rgb], Rgb]) -> float:
    """The mean of a metric over the pictures, each spoilt in a way; NaN where it applies to none."""
    spoilt = [way(picture, made[(place + SEEDS) % len(made)][1]) for place, (_, picture) in enumerate(made)]
    items = [
        Item((row, row), (after, before)) if metric.card.arity == 2 else Item((row,), (after,))
        for (row, before), after in zip(made, spoilt, strict=True)
    ]
    if metric.card.arity is None:
        places = range(0, len(made), SEEDS)
        items = [Item(tuple(row for row, _ in made[k : k + SEEDS]), tuple(spoilt[k : k + SEEDS])) for k in places]
    known = [value for value in metric.score(items) if math.isfinite(value)]
    return math.fsum(known) / len(known) if known else math.nan


def page(made: Sequence[tuple[Row, Rgb]]) -> str:
    """The page: a row a metric, a column a way."""
    head = HEAD.format(count=len(made), prompts=len(PROMPTS), seeds=SEEDS)
    return head + "\n".join(_table(made)) + "\n"


def _table(made: Sequence[tuple[Row, Rgb]]) -> Iterator[str]:
    yield f"| metric | {' | '.join(WAYS)} |"
    yield "|---|" + "---:|" * len(WAYS)
    for name, metric in metrics().items():
        values = [number(rated(metric, made, way)) for way in WAYS.values()]
        yield f"| [{name}](metrics.md#{name}) | {' | '.join(values)} |"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        PAGE.write_text(page(drawn(Path(folder))), encoding="utf-8")
