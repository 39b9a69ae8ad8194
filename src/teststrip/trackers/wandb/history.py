"""The history of a study's W&B run: one step for each setting, then one with all contact sheets.

A step has a digest of its content, by which `memory` knows whether the server has it. Its pictures are made only when
they are sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from teststrip.records import Row, Study, digest_of
from teststrip.rows import tables
from teststrip.trackers import content
from teststrip.trackers.wandb import media

if TYPE_CHECKING:
    import wandb


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the history.

    Attributes:
        id: of the setting, or of the contact sheets.
        content: its content as a digest.
        values: its numbers and words.
        media: makes its pictures.
    """

    id: str
    content: str
    values: Mapping[str, object]
    media: Callable[[], dict[str, list[wandb.Image]]]


def steps(study: Study, rows: Sequence[Row], folder: Path, side: int) -> Iterator[Step]:
    """The steps of a study, in the order of the plan.

    Args:
        study: what was asked.
        rows: of the study.
        folder: of the study.
        side: pixels of a picture's longer edge.
    """
    by_cell: dict[str, list[Row]] = {}
    for row in rows:
        by_cell.setdefault(str(row.planned.cell), []).append(row)
    for arm, own in zip(tables.arms(rows), by_cell.values(), strict=True):
        digest = digest_of([arm.settings, texts(arm.numbers), arm.digests, side])
        axes = {name: arm.settings[name] for name, _ in own[0].planned.cell.levels}
        means = {f"mean/{name}": value for name, value in arm.numbers.items()}
        yield Step(arm.id, digest, {**axes, **means}, partial(_pictures, own, folder, side))
    sheets = dict(content.grids(study, rows, folder, side))
    digest = digest_of({prompt: hashlib.sha256(png).hexdigest() for prompt, png in sheets.items()})
    shown = {f"contact sheet/{prompt}": [media.image(png, prompt)] for prompt, png in sheets.items()}
    yield Step("contact sheets", digest, {}, lambda: shown)


def texts(numbers: Mapping[str, float]) -> dict[str, str]:
    """Numbers as text, for a digest, because JSON has no NaN."""
    return {name: repr(value) for name, value in numbers.items()}


def _pictures(rows: Sequence[Row], folder: Path, side: int) -> dict[str, list[wandb.Image]]:
    """The pictures of a setting, one list a prompt; a list that is too long comes in parts."""
    found: dict[str, list[wandb.Image]] = {}
    for prompt in dict.fromkeys(row.planned.prompt.id for row in rows):
        shown = [row for row in rows if row.planned.prompt.id == prompt]
        small = [picture for row in shown if (picture := media.picture(folder, row, side)) is not None]
        for part, some in enumerate(media.chunks(small, media.MOST_IMAGES), 1):
            found[media.numbered(f"grid/{prompt}", part)] = list(some)
    return found
