"""A progress line that is also a log file, and checkpoints that survive a kill.

A checkpoint is written beside its place and then moved over it, so a reader sees the old one or the new one.
"""

import time
from pathlib import Path
from typing import Any

import torch

from training.settings import work


class Log:
    """Prints a line and appends it, with the time of day, to logs/STAGE.log."""

    def __init__(self, stage: str) -> None:
        self._path = work("logs", f"{stage}.log")
        self._began = time.monotonic()

    def __call__(self, text: str) -> None:
        line = f"{time.strftime('%H:%M:%S')} +{time.monotonic() - self._began:6.0f}s {text}"
        print(line, flush=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write `state` to `path` in one step."""
    beside = path.with_suffix(".tmp")
    torch.save(state, beside)
    beside.replace(path)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """The checkpoint at `path`, or None where there is none yet."""
    return torch.load(path, weights_only=True) if path.exists() else None
