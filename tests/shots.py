"""Shots for the engine `diffusers`, and their answers: what its tests share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from teststrip.engines.diffusers import DiffusersEngine
from teststrip.records import EngineRef, Failure, Render, Shot


def ask(model: Any, **settings: Any) -> Shot:
    """A small, quick picture of a model folder or file; further settings may be given, or others."""
    given = {"prompt": "an owl", "seed": 11, "model": str(model), "num_inference_steps": 2, "guidance_scale": 5.0}
    return Shot(EngineRef("diffusers"), given | settings)


def shot_of(settings: Mapping[str, Any]) -> Shot:
    """The shot of these settings alone."""
    return Shot(EngineRef("diffusers"), settings)


def answers(shots: Iterable[Shot], **options: Any) -> dict[str, Render | Failure]:
    """The answer of an engine with these options to each shot, by the shot's id, in the order in which they came."""
    engine = DiffusersEngine(device="cpu", **options)
    try:
        return {answer.shot.id: answer for answer in engine.render(shots)}
    finally:
        engine.close()
