"""The identity of shots outlives the code: old studies keep their ids, and a new setting changes none.

`old/*.toml` are studies of an earlier version, `old/ids.json` the digest of the ids that it gave their shots.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from tests.study.studies import studies
from tests.study.toy import ToyEngine

import teststrip
from teststrip import plan, plugins
from teststrip.records import Setting

OLD = Path(__file__).parent / "old"
DIGESTS = json.loads((OLD / "ids.json").read_text(encoding="utf-8"))

FOUNDING = {
    "comfyui": {"seed"},
    "craiyon": {"seed", "supercondition_factor", "temperature", "top_k"},
    "diffusers": {"model"},
    "folder": set(),
    "google": {"seed"},
    "http": {"seed"},
    "imagen": {"cfg_keep_parallel_frac", "cfg_remove_parallel_component", "cond_scale", "seed"},
    "openai": {"seed"},
    "pattern": {
        *("negative_prompt", "seed", "guidance_scale", "num_inference_steps"),
        *("scheduler", "eta", "width", "height"),
    },
    "webui": {"seed"},
}
"""Settings whose default stands in the ids of the first studies. No setting may join them."""


@pytest.mark.parametrize("name", sorted(DIGESTS))
def test_an_old_study_keeps_the_ids_of_its_shots(name: str) -> None:
    ids = sorted(plan.of(teststrip.read(OLD / name)).ids())
    assert [len(ids), hashlib.sha256("\n".join(ids).encode()).hexdigest()] == DIGESTS[name]


@pytest.mark.parametrize("name", sorted(FOUNDING))
def test_only_the_first_settings_have_a_default_that_stands_in_ids(name: str) -> None:
    knobs = plugins.load("engines", name)().settings
    assert {knob.name for knob in knobs.values() if knob.default is not None} == FOUNDING[name]


def test_every_built_in_engine_is_held_to_it() -> None:
    built_in = {name for name, point in plugins.installed("engines").items() if point.value.startswith("teststrip.")}
    assert built_in == set(FOUNDING)


class Grown(ToyEngine):
    """The toy, some versions later."""

    settings: Mapping[str, Setting] = {
        **ToyEngine.settings,
        "a_first_knob": Setting("a_first_knob", "float", low=0),
        "prompt_2": Setting("prompt_2", "str"),
        "zz_last_knob": Setting("zz_last_knob", "bool", optional=True),
    }


@given(studies())
def test_settings_that_nobody_set_change_no_id(keys: dict[str, Any]) -> None:
    asked = teststrip.Study(**keys)
    before = plan.Plan(asked, {alias: ToyEngine() for alias in asked.engines})
    after = plan.Plan(asked, {alias: Grown() for alias in asked.engines})
    assert list(after.ids()) == list(before.ids())
