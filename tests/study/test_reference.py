"""What is generated from the table of keys: the page in the docs, the JSON Schema, the file of `teststrip init`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from tests.study.studies import studies
from tests.study.wrong_studies import WRONG

import teststrip
from teststrip import plan
from teststrip.study import reference, schema, template

ROOT = Path(__file__).parents[2]
# A study is asked for anywhere but in a file of the user's own configuration.
EXAMPLES = sorted(path for path in (ROOT / "examples").rglob("*.toml") if path.name != "config.toml")
VALIDATOR = jsonschema.Draft7Validator(schema())


def test_the_page_in_the_docs_is_up_to_date() -> None:
    page = (ROOT / "docs" / "study-file.md").read_text(encoding="utf-8")
    assert page == reference(), "run: python -m teststrip.study > docs/study-file.md"


def test_the_template_is_a_study_and_passes_the_schema(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text(template(), encoding="utf-8")
    study = teststrip.read(file, ["engine.name=pattern"])
    assert len(plan.of(study)) == 72
    assert VALIDATOR.is_valid(tomllib.loads(template()))


def test_each_remark_of_the_template_is_true(tmp_path: Path) -> None:
    """Every commented key, alone, makes a study too."""
    text = template()
    file = tmp_path / "study.toml"
    (tmp_path / "prompts.txt").write_text("an owl\n")
    for old, new in (
        ("# [settings]\n# negative", "[settings]\nnegative"),
        ("guidance_scale = [1, 3, 9]\n", ""),
        ("# [[exclude]]\n# num_inference_steps = 50\n# guidance", "[[exclude]]\nnum_inference_steps = 50\nguidance"),
        ("# budget", "budget"),
    ):
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")
        teststrip.read(file, ["engine.name=pattern"])
    file.write_text(
        text.replace("guidance_scale = [1, 3, 9]\n", "").replace("# guidance_scale = {", "guidance_scale = {")
    )
    assert len(teststrip.read(file, ["engine.name=pattern"]).axes[1].levels) == 5
    sampler = text.replace("# sampler", "sampler").replace("#   {", "  {").replace("# ]\n# animal", "]\n# animal")
    file.write_text(sampler)
    assert teststrip.read(file, ["engine.name=pattern"]).axes[2].labels == ("DDIM", "Euler a")


@pytest.mark.parametrize("file", EXAMPLES, ids=[file.stem for file in EXAMPLES])
def test_every_example_passes_the_schema(file: Path) -> None:
    VALIDATOR.validate(tomllib.loads(file.read_text(encoding="utf-8")))


@given(studies())
def test_every_study_that_is_read_passes_the_schema(keys: dict[str, Any]) -> None:
    teststrip.Study(**keys)
    VALIDATOR.validate(keys)


def test_the_schema_finds_what_an_editor_can_find() -> None:
    missed, readable = [], 0
    for wrong in WRONG:
        try:
            data = tomllib.loads(wrong.text)
        except ValueError:
            continue
        readable += 1
        if VALIDATOR.is_valid(data):
            missed.append(wrong.mistake)
    assert len(missed) < readable * 0.6, missed


def test_the_schema_is_a_schema_and_knows_each_installed_engine() -> None:
    whole = schema()
    jsonschema.Draft7Validator.check_schema(whole)
    bad = tomllib.loads('name = "x"\nprompts = ["a"]\n[engine]\nname = "pattern"\n[settings]\nguidance_scale = -1\n')
    assert not VALIDATOR.is_valid(bad)
    bad["settings"]["guidance_scale"] = 1
    assert VALIDATOR.is_valid(bad)
