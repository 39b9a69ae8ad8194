"""Finds engines, metrics, trackers and executors by name, through entry points. Knows no single part."""

from __future__ import annotations

import sys
from functools import lru_cache
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from typing import Any, Literal

from teststrip.errors import MissingExtra, UsageError, among, shortened

Kind = Literal["engines", "metrics", "trackers", "executors"]

# Import name of a package to the extra that brings it. A message names any other missing package by its import name.
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
    "cairosvg": "pdf",
    "bitsandbytes": "quantization",
    "gguf": "quantization",
    "optimum": "quantization",
    "torchao": "quantization",
    "compel": "compel",
    "openai": "openai",
    "google": "google",
    "httpx2": "web",
    "fsspec": "s3",
    "s3fs": "s3",
    "ray": "ray",
}


def installed(kind: Kind) -> dict[str, EntryPoint]:
    """All parts of a kind by name, sorted. Imports none of them."""
    return dict(_found(kind, tuple(sys.path)))


@lru_cache
def _found(kind: Kind, path: tuple[str, ...]) -> dict[str, EntryPoint]:
    # Kept, because a look through all distributions takes 5 ms and what is installed does not change in a process.
    return {point.name: point for point in sorted(entry_points(group=f"teststrip.{kind}"), key=lambda p: p.name)}


def load(kind: Kind, name: str) -> Any:
    """The class behind a name.

    Raises:
        UsageError: there is no such part; the message names the nearest and lists all.
        MissingExtra: a package that the part needs is not installed.
    """
    points = installed(kind)
    if name not in points:
        raise UsageError(f"unknown {kind[:-1]} {shortened(name, 60)!r}{among(name, points, 'Installed')}")
    try:
        return points[name].load()
    except ModuleNotFoundError as error:
        raise missing(error) from error


def missing(error: ModuleNotFoundError) -> MissingExtra:
    """The error about a package that is not installed; it says which command installs it."""
    module = (error.name or str(error)).split(".")[0]
    package = f"'teststrip[{EXTRAS[module]}]'" if module in EXTRAS else module
    return MissingExtra(f"{module} is not installed. Run: pip install {package}")


def version_of(package: str) -> str | None:
    """The version of a package that is installed; None where it is not."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
