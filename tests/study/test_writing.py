"""A study written as TOML and read again is the same study."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from hypothesis import given
from tests.study.studies import studies
from tests.study.toy import ToyEngine

import teststrip
from teststrip import plan
from teststrip.records import Study
from teststrip.study import dump, parse


def again(study: Study, folder: Path = Path()) -> Study:
    return parse(tomllib.loads(dump(study)), place="again", folder=folder)


@given(studies())
def test_a_study_survives_being_written_and_read(keys: dict[str, Any]) -> None:
    study = teststrip.Study(**keys)
    assert again(study) == study
    assert list(plan.of(again(study)).ids()) == list(plan.of(study).ids())


def test_everything_a_file_can_say_survives(toy: type[ToyEngine]) -> None:
    study = teststrip.Study(
        name="all",
        prompts=[
            {"text": 'an "owl" \\ and\na \u007fcat'.replace("\u007f", ""), "id": "owl", "tags": ["animal"]},
            "ふくろう",
        ],
        seeds=[1, 2],
        engines={"a": {"name": "toy", "dtype": "float16", "device": "cpu", "model": "x/y"}, "b.1": {"name": "toy"}},
        settings={"vae_tiling": True},
        axes={
            "engine": ["a", "b.1"],
            "my arm": [{"label": "plain"}, {"label": "slow", "scheduler": "Slow"}],
            "cfg": [1, 2.5],
        },
        exclude=[{"engine": "a", "my arm": ["slow"], "cfg": 1}],
        question={
            "metrics": ["sharpness"],
            "margin": {"sharpness": 2.5},
            "budget": "0.02 USD",
            "price_an_hour": 0.9,
            "scope": "these prompts",
            "known_bad": [{"my arm": ["slow"], "cfg": 2.5}, {"cfg": 1}],
            "reference": {"my arm": "plain", "cfg": 2.5},
        },
        trackers={"wandb": {"project": "p", "side": 128, "per_setting": True}, "progress": {}},
    )
    assert again(study) == study


def test_prompts_of_a_file_are_folded_in(tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("an owl\na rose\n")
    (tmp_path / "study.toml").write_text(
        'name = "demo"\nprompts = { file = "prompts.txt" }\n[engine]\nname = "pattern"\n'
    )
    study = teststrip.read(tmp_path / "study.toml")
    assert again(study, tmp_path / "elsewhere") == study
