"""An order of shots in which a model is loaded once for all the shots that it answers.

Knows which settings choose weights; nothing of how models are found or loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from teststrip.diffusion.models import EMBEDDED
from teststrip.records import Shot, Value

AHEAD: Final = 64
"""Shots looked at ahead of time."""

ModelKey = tuple[str, str | None]
"""What a study calls a model: its name, and the revision of a hub name."""


def model_key(settings: Mapping[str, Value]) -> ModelKey:
    """Equal for settings that name the same model."""
    revision = settings.get("revision")
    return str(settings.get("model") or EMBEDDED), str(revision) if revision else None


def weights_key(shot: Shot) -> tuple[Value, ...]:
    """Equal for shots that the same weights answer: the model, and the LoRA on it."""
    return (*model_key(shot.settings), shot.settings.get("lora"), shot.settings.get("lora_scale"))


def model_by_model(shots: Iterator[Shot]) -> Iterator[Shot]:
    """Shots in order, but those of one model, and of one LoRA on it, together among the next AHEAD."""
    while window := list(islice(shots, AHEAD)):
        models = {key: i for i, key in enumerate(dict.fromkeys(model_key(shot.settings) for shot in window))}
        weights = {key: i for i, key in enumerate(dict.fromkeys(map(weights_key, window)))}
        yield from sorted(window, key=lambda shot: (models[model_key(shot.settings)], weights[weights_key(shot)]))
