"""The studies in `examples/` are what their comments say."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from teststrip import plan, spec
from teststrip.diffusion.models import EMBEDDED

EXAMPLES = Path(__file__).parents[1] / "examples"
MODEL = Path(spec.__file__).parents[1] / "models" / EMBEDDED
SHOTS = {"guidance_vs_steps": 480, "pussycat_or_cat": 96, "scheduler_and_steps": 432, "two_models": 48}

needs_the_model = pytest.mark.skipif(not MODEL.is_dir(), reason="the embedded model is not in this checkout")


@needs_the_model
@pytest.mark.parametrize("name", SHOTS)
def test_an_example_is_a_plan_of_so_many_shots(name: str) -> None:
    made = plan.of(spec.read(EXAMPLES / f"{name}.toml"))
    assert len(made) == SHOTS[name]
    assert made.calls() >= len(made)


def test_every_example_is_named_here_and_says_what_it_asks() -> None:
    files = sorted(EXAMPLES.glob("*.toml"))
    assert {file.stem for file in files} == set(SHOTS)
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert "?" in text.partition("\n")[0], f"{file.name} begins with its question"
        assert tomllib.loads(text)["name"] == file.stem.replace("_", "-")


def test_the_first_example_is_the_comparison_this_project_began_with() -> None:
    study = tomllib.loads((EXAMPLES / "guidance_vs_steps.toml").read_text(encoding="utf-8"))
    assert (len(study["prompts"]), study["replicates"]) == (5, 6)
    assert study["axes"] == {"guidance_scale": [6, 7, 8, 9], "num_inference_steps": [50, 100, 150, 200]}
