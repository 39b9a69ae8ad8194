"""Every configuration that a scheduler of Diffusers writes is identity: it hashes, and is the same read back."""

from __future__ import annotations

import inspect
import json
import math

import diffusers
import numpy as np
import pytest
from diffusers import SchedulerMixin

from teststrip.diffusion import models
from teststrip.engines.diffusers import DiffusersEngine
from teststrip.records import EngineRef, Fingerprint, Shot, canonical_json

# Diffusers' own business: a few classes hand tensors to NumPy when they are made.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

CLASSES = sorted(
    name for name in dir(diffusers)
    if name.endswith("Scheduler") and issubclass(getattr(diffusers, name), SchedulerMixin)
)  # fmt: skip
ODD = (math.inf, -math.inf, math.nan, (1, (2.5, None)), np.linspace(0.1, 0.2, 3), "±∞", {})
"""Values that JSON cannot say, or says in one way only."""
MODEL = {
    "_class_name": "StableDiffusionPipeline",
    "unet": ["diffusers", "UNet2DConditionModel"],
}


def fingerprint(folder) -> Fingerprint:
    return DiffusersEngine(device="cpu").fingerprint(Shot(EngineRef("diffusers"), {"model": str(folder), "seed": 1}))


def made(name):
    """A scheduler with the defaults of its class; None for the few that need arguments or a package."""
    kind = getattr(diffusers, name)
    needed = [p for p in inspect.signature(kind.__init__).parameters.values() if p.default is inspect.Parameter.empty]
    try:
        return kind() if {p.name for p in needed} <= {"self", "args", "kwargs"} else None
    except ImportError:
        return None


def saved(scheduler, folder):
    """A model folder whose scheduler `save_pretrained` wrote."""
    (folder / "scheduler").mkdir(parents=True, exist_ok=True)
    index = MODEL | {"scheduler": ["diffusers", type(scheduler).__name__]}
    (folder / "model_index.json").write_text(json.dumps(index))
    scheduler.save_pretrained(folder / "scheduler")
    return folder


def test_there_are_schedulers_to_look_at() -> None:
    assert len(CLASSES) > 30
    assert sum(made(name) is not None for name in CLASSES) > 30


@pytest.mark.parametrize("name", CLASSES)
def test_a_scheduler_saved_by_diffusers_is_identity_with_every_odd_value_in_every_place(name, tmp_path) -> None:
    scheduler = made(name)
    if scheduler is None:
        pytest.skip("not made without arguments")
    first = fingerprint(saved(scheduler, tmp_path))
    assert canonical_json(first.facts)
    found = models.find(str(tmp_path)).scheduler
    assert found[0] == name
    again = getattr(diffusers, name).from_pretrained(tmp_path / "scheduler")
    assert fingerprint(saved(again, tmp_path)).id == first.id
    keys = inspect.signature(type(scheduler).__init__).parameters.keys() & dict(scheduler.config).keys()
    ids = set()
    for odd in ODD:
        scheduler.register_to_config(**dict.fromkeys(keys, odd))
        found = fingerprint(saved(scheduler, tmp_path))
        assert Fingerprint(json.loads(canonical_json(found.facts))).id == found.id
        ids.add(found.id)
    assert len(ids) == len(ODD) or not keys
