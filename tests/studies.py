"""Little studies of the pattern engine, which the tests change where it matters to them, and pictures of one colour.

>>> little(replicates=2).replicates
2
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from teststrip import pictures
from teststrip import study as studies
from teststrip.records import Study

LITTLE: Mapping[str, Any] = {
    "name": "little",
    "prompts": ["an owl", "a car"],
    "replicates": 1,
    "engine": {"name": "pattern"},
    "settings": {"width": 32, "height": 32},
    "axes": {"guidance_scale": [1, 7]},
    "question": {"metrics": ["sharpness"]},
}


def little(**changes: Any) -> Study:
    """Two prompts and two guidance scales: four quick pictures.

    Args:
        changes: keys of the study file that replace those of LITTLE; options of `engine` are added to the pattern's.
    """
    engine = {**LITTLE["engine"], **changes.pop("engine", {})}
    return studies.study(**{**LITTLE, **changes, "engine": engine})


def write(folder: Path, file: str = "", **changes: Any) -> Path:
    """The file of a little study, called like the study where no other name is given."""
    study = little(**changes)
    path = folder / (file or f"{study.name}.toml")
    path.write_text(studies.dump(study), encoding="utf-8")
    return path


def png(colour: tuple[int, int, int], size: tuple[int, int] = (8, 8)) -> bytes:
    """A picture of one colour; `size` is width and height."""
    return pictures.encode_png(np.full((*size[::-1], 3), colour, np.uint8))
