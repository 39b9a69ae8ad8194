"""Pictures as a person makes them with Diffusers, and as the engine makes them: what tests of a model's parts share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline

from tests import tiny_pipelines as tiny
from tests.shots import answers, ask
from teststrip.engines.diffusers import DiffusersEngine
from teststrip.errors import EngineError, StudyError
from teststrip.records import Render, Shot

OWN = {"seed", "model", "lora", "lora_scale"}
"""Settings of a shot that a pipeline's call does not take."""


def asked(shelf: Path, family: str, **settings: Any) -> Shot:
    """A quick shot of a family's model on a shelf of model folders."""
    side = tiny.SIDE.get(family, 32)
    return ask(shelf / family, height=side, width=side, **settings)


def by_hand(
    shot: Shot, dtype: torch.dtype = torch.float32, cache: Callable[[Any], Any] | None = None, **parts: Any
) -> Any:
    """The picture as a person makes it with Diffusers, with these components in the place of the model's own."""
    pipe = DiffusionPipeline.from_pretrained(
        str(shot.settings["model"]), torch_dtype=dtype, local_files_only=True, use_safetensors=True, **parts
    ).to("cpu")
    pipe.set_progress_bar_config(disable=True)
    if cache:
        pipe.transformer.enable_cache(cache(pipe))
    given = {name: value for name, value in shot.settings.items() if name not in OWN}
    return np.asarray(pipe(**given, generator=torch.Generator("cpu").manual_seed(shot.seed)).images[0])


def picture(shot: Shot, **options: Any) -> Render:
    """The picture of an engine with these options, made alone unless they say otherwise."""
    (answer,) = answers([shot], **{"batch": 1, **options}).values()
    assert isinstance(answer, Render), answer
    return answer


def refusal(shot: Shot, **options: Any) -> str:
    """What `plan` says before anything is loaded."""
    engine = DiffusersEngine(device="cpu", **options)
    with pytest.raises((StudyError, EngineError)) as said:
        engine.check(shot.settings)
    return str(said.value)
