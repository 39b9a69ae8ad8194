"""Finds engines, metrics and trackers by name, through entry points; knows none of them itself."""

from __future__ import annotations

import sys
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from teststrip.errors import MissingExtra, UsageError, among

Kind = Literal["engines", "metrics", "trackers"]

# Import name of what an extra brings -> the extra. Anything else missing is named as it is.
EXTRAS = {
    "torch": "diffusers",
    "diffusers": "diffusers",
    "transformers": "diffusers",
    "safetensors": "diffusers",
    "greenlet": "diffusers",
    "accelerate": "diffusers",
    "peft": "diffusers",
    "openvino": "openvino",
    "wandb": "wandb",
    "mlflow": "mlflow",
    "trackio": "trackio",
    "tensorboard": "tensorboard",
    "pyarrow": "parquet",
    "starlette": "view",
    "uvicorn": "view",
}


def installed(kind: Kind) -> dict[str, EntryPoint]:
    """All parts of a kind by name, sorted; nothing is imported."""
    return dict(_found(kind, tuple(sys.path)))


@lru_cache
def _found(kind: Kind, path: tuple[str, ...]) -> dict[str, EntryPoint]:
    # A look through all distributions takes 5 ms; what is installed on one path does not change while a process runs.
    return {point.name: point for point in sorted(entry_points(group=f"teststrip.{kind}"), key=lambda p: p.name)}


def load(kind: Kind, name: str) -> Any:
    """The class behind a name.

    Raises:
        UsageError: no such part; the message lists those there are and the nearest.
        MissingExtra: it exists, but a package it needs is not installed.
    """
    points = installed(kind)
    if name not in points:
        raise UsageError(f"unknown {kind[:-1]} {name!r}{among(name, points, 'Installed')}")
    try:
        return points[name].load()
    except ModuleNotFoundError as error:
        raise missing(error) from error


def missing(error: ModuleNotFoundError) -> MissingExtra:
    """The advice for a package that is not installed."""
    module = (error.name or str(error)).split(".")[0]
    package = f"'teststrip[{EXTRAS[module]}]'" if module in EXTRAS else module
    return MissingExtra(f"{module} is not installed. Run: pip install {package}")
