"""What trackers say of a study, as plain data: tables of columns, one entry a setting, contact sheets, a lasting name.

All of it follows from the study and its rows alone, so it is the same whenever it is told. Knows records and pictures,
and no tracker.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from teststrip import disk, pictures
from teststrip.errors import PictureError
from teststrip.pictures import sheet as contact
from teststrip.records import Cell, Finding, Row, Study, Value, digest_of

Columns = Mapping[str, Sequence[object]]
"""A table: its columns by their heads, all of one length."""

MOST_REPLICATES = 16
MOST_PIXELS = 20 * 10**6
"""Of a contact sheet, about: 4500 x 4500. Browsers show no more than some ten thousand pixels a side."""

_ID = "account.json"
_OF_A_FINDING = (
    *("kind", "metric", "axis", "contrast", "verdict", "effect", "low", "high", "unit", "margin", "p"),
    *("prompts", "images", "sentence", "method"),
)


@dataclass(frozen=True, slots=True)
class Arm:
    """A setting and what became of it.

    Attributes:
        id: 16 hexadecimal digits of its levels. name: its levels in words.
        settings: what all its images have in common, and its level on each axis.
        numbers: images, failures, and for each score the mean over its images, score units.
        digests: of its images, in the order of the plan.
    """

    id: str
    name: str
    settings: Mapping[str, Value]
    numbers: Mapping[str, float]
    digests: tuple[str, ...]


def lasting_id(folder: Path) -> str:
    """32 random hexadecimal digits that stay with a tracker's folder, made when first asked for."""
    path = folder / _ID
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        disk.replace(path, json.dumps({"id": uuid.uuid4().hex}))
    return str(json.loads(path.read_text(encoding="utf-8"))["id"])


def about(study: Study) -> dict[str, Value]:
    """What was asked, in a few words each."""
    return {
        "study": study.name,
        "engines": ", ".join(sorted({ref.name for ref in study.engines.values()})),
        "prompts": len(study.prompts),
        "replicates": study.replicates,
        **{f"axis {axis.name}": ", ".join(axis.labels) for axis in study.axes},
        **{name: value for name, value in study.settings.items() if name != "prompt"},
    }


def images(rows: Sequence[Row]) -> dict[str, list[object]]:
    """A line for each place of the design: where it is, all settings, what became of it, its scores."""
    settings = dict.fromkeys(name for row in rows for name in row.planned.shot.settings)
    axes = rows[0].planned.cell.levels if rows else ()
    scores = dict.fromkeys(name for row in rows for name in row.scores)
    return {
        "prompt id": [row.planned.prompt.id for row in rows],
        "replicate": [row.planned.replicate for row in rows],
        **{name: [row.planned.cell[name] for row in rows] for name, _ in axes},
        **{name: [row.planned.shot.settings.get(name) for row in rows] for name in settings},
        "missing": [row.failure.reason if row.failure else None if row.image else "not made yet" for row in rows],
        "seconds": [row.image.seconds if row.image else None for row in rows],
        "denoiser_calls": [row.image.facts.get("denoiser_calls") if row.image else None for row in rows],
        **{name: [row.scores.get(name) for row in rows] for name in scores},
        "digest": [row.image.digest if row.image else None for row in rows],
        "fingerprint": [row.image.fingerprint_id if row.image else None for row in rows],
    }


def arms(rows: Iterable[Row]) -> Iterator[Arm]:
    """Each setting, in the order of the plan."""
    cells: dict[Cell, list[Row]] = {}
    for row in rows:
        cells.setdefault(row.planned.cell, []).append(row)
    for cell, own in cells.items():
        shots = [row.planned.shot.settings for row in own]
        shared = {
            name: value
            for name, value in shots[0].items()
            if name not in ("prompt", "seed") and all(shot.get(name) == value for shot in shots)
        }
        yield Arm(
            id=digest_of(cell.levels)[:16],
            name=str(cell),
            settings={**dict(cell.levels), **shared},
            numbers=_numbers(own),
            digests=tuple(row.image.digest for row in own if row.image),
        )


def settings(rows: Iterable[Row]) -> dict[str, list[object]]:
    """A line for each setting, with its means."""
    every = list(arms(rows))
    heads = dict.fromkeys(name for arm in every for name in arm.settings)
    numbers = dict.fromkeys(name for arm in every for name in arm.numbers)
    return {
        **{name: [arm.settings.get(name) for arm in every] for name in heads},
        **{name: [arm.numbers.get(name) for arm in every] for name in numbers},
    }


def findings(found: Sequence[Finding]) -> dict[str, list[object]]:
    """A line for each conclusion."""
    return {name: [getattr(finding, name) for finding in found] for name in _OF_A_FINDING}


def grids(study: Study, rows: Iterable[Row], folder: Path, side: int) -> Iterator[tuple[str, bytes]]:
    """A contact sheet for each prompt: (its id, a PNG). Each cell shows the first of its images, so equal seeds.

    Of replicates at most MOST_REPLICATES have a line; where axes are long, the pictures are smaller.

    Args:
        study: its first axis runs across and its second down; without a second, the replicates do.
        rows: of the study.
        folder: of the study.
        side: pixels of a picture.
    """
    axes = [axis for axis in study.axes if len(axis.levels) > 1][:2]
    replicates = [str(n + 1) for n in range(min(study.replicates, MOST_REPLICATES))]
    columns, lines = [*(list(axis.labels) for axis in axes), replicates, [""]][:2]
    side = max(16, min(side, math.isqrt(MOST_PIXELS // (len(columns) * len(lines)))))
    prompts: dict[str, dict[tuple[str, str], bytes]] = {}
    for row in rows:
        if row.image is not None:
            labels = [*(row.planned.cell[axis.name] for axis in axes), str(row.planned.replicate + 1), ""]
            across, down = labels[:2]
            cells = prompts.setdefault(row.planned.prompt.id, {})
            if (down, across) not in cells and down in lines and across in columns:
                with contextlib.suppress(OSError, PictureError):  # a file that is damaged stays empty paper
                    data = (folder / row.image.path).read_bytes()
                    cells[down, across] = pictures.thumbnail(data, side, "PNG")
    titles = [*(axis.name for axis in axes), "replicate", ""]
    for prompt, cells in prompts.items():
        sheet = contact.sheet(cells, down=lines, across=columns, titles=(titles[1], titles[0]), side=side)
        stream = io.BytesIO()
        sheet.save(stream, "PNG")
        yield prompt, stream.getvalue()


def _numbers(rows: Sequence[Row]) -> dict[str, float]:
    numbers = {
        "images": float(sum(row.image is not None for row in rows)),
        "failures": float(sum(row.failure is not None for row in rows)),
    }
    for name in dict.fromkeys(name for row in rows for name in row.scores):
        values = [value for row in rows if math.isfinite(value := row.scores.get(name, math.nan))]
        if values:
            numbers[name] = math.fsum(values) / len(values)
    return numbers
