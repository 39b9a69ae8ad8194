"""Each model is loaded once, whatever the order of the plan and however few stay in memory."""

from __future__ import annotations

from itertools import groupby, product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.study.toy import ToyEngine, install

import teststrip
from teststrip import plan
from teststrip.diffusion.loading import Loaded
from teststrip.diffusion.loras import MOST_LORAS
from teststrip.diffusion.model_cache import ModelCache
from teststrip.diffusion.models import Model
from teststrip.diffusion.order import model_by_model, model_key, turns, weights_key
from teststrip.records import EngineRef, Shot

ENGINE = EngineRef("diffusers")
CELLS = st.lists(
    st.fixed_dictionaries(
        {"model": st.sampled_from("abcdef"), "lora": st.sampled_from([None, *"uvwxyz"]), "eta": st.integers(0, 3)}
    ),
    min_size=1,
    max_size=24,
)


def loads(shots: list[Shot], keep: int) -> list[str]:
    """The models that an engine with so much room loads for shots that come in this order."""
    cache, loaded = ModelCache(keep), []

    def load(name: str) -> Loaded:
        loaded.append(name)
        return Loaded(None, Model(name, "", ("", {})), "cpu", "float32")

    for _, group in groupby(model_by_model(iter(shots)), key=weights_key):
        name, revision = model_key(next(group).settings)
        cache.get((name, revision), lambda name=name: load(name))
    return loaded


def in_turns(cells: list[dict[str, Any]], rounds: int, keep: int) -> list[Shot]:
    """The shots of so many rounds through all cells, in turns as a plan has them."""
    asked = list(zip(turns(cells, keep), cells, strict=True))
    shots = [(turn, Shot(ENGINE, {**cell, "seed": seed})) for seed in range(rounds) for turn, cell in asked]
    return [shot for _, shot in sorted(shots, key=lambda pair: pair[0])]


@settings(max_examples=8)  # each model that leaves has the garbage collected
@given(CELLS, st.integers(1, 12), st.integers(1, 4))
def test_each_model_is_loaded_once_whatever_the_order_of_the_plan(cells, rounds, keep):
    assert sorted(loads(in_turns(cells, rounds, keep), keep)) == sorted({cell["model"] for cell in cells})


def test_six_models_in_the_order_of_the_plan_were_loaded_again_and_again():
    shots = [Shot(ENGINE, {"model": m, "seed": s}) for s, m in product(range(40), "abcdef")]
    assert len(loads(shots, keep=2)) > 6
    assert len(loads(in_turns([{"model": m} for m in "abcdef"], 40, 2), keep=2)) == 6


@given(CELLS, st.integers(1, 4))
def test_a_model_with_many_loras_takes_them_one_by_one(cells, keep):
    found = turns(cells, keep)
    loras = {model: {c["lora"] for c in cells if c["model"] == model and c["lora"]} for model in "abcdef"}
    if max(map(len, loras.values())) <= MOST_LORAS:
        assert len(set(found)) == (len({c["model"] for c in cells}) if len({c["model"] for c in cells}) > keep else 1)
    else:
        asked = [(c["model"], c["lora"]) for _, c in sorted(zip(found, cells, strict=True), key=lambda pair: pair[0])]
        several = [key for key in dict.fromkeys(asked) if key[1]]
        assert [key for key, _ in groupby(one for one in asked if one[1])] == several


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[ToyEngine]:
    return install(tmp_path, monkeypatch)


class Turning(ToyEngine):
    """Loads models, and keeps one."""

    loads = frozenset({"model"})

    def turns(self, cells: list[dict[str, Any]]) -> list[int]:
        names = sorted({str(cell["model"]) for cell in cells})
        return [names.index(str(cell["model"])) for cell in cells]


def study(**axes: Any) -> teststrip.Study:
    return teststrip.Study(name="turns", prompts=["an owl", "a rose"], replicates=2, engine={"name": "toy"}, axes=axes)


def test_a_plan_asks_the_engine_only_where_models_differ(toy: type[ToyEngine]) -> None:
    models = study(model=["b", "a"], num_inference_steps=[2, 3])
    turning = plan.Plan(models, {"engine": Turning()})
    order = [one.shot.settings["model"] for one in turning.in_turns(turning)]
    assert order == ["a"] * 8 + ["b"] * 8
    assert sorted(one.shot.id for one in turning.in_turns(turning)) == sorted(turning.ids())
    plain = plan.Plan(models, {"engine": ToyEngine()})
    assert [one.shot.id for one in plain.in_turns(plain)] == [one.shot.id for one in plain]
    steps = plan.Plan(study(num_inference_steps=[2, 3]), {"engine": Turning()})
    lazily = iter(steps)
    assert steps.in_turns(lazily) is lazily
