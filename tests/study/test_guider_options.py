"""A guider and its options, as a study file writes them: read without torch."""

from __future__ import annotations

import re

import pytest

from teststrip.errors import StudyError
from teststrip.study import read
from teststrip.study.overrides import apply

APG = "AdaptiveProjectedGuidance"
TOP = 'name = "demo"\nprompts = ["an owl"]\n'


@pytest.fixture
def file(tmp_path):
    return tmp_path / "study.toml"


def refused(file, text):
    file.write_text(TOP + text, "utf-8")
    with pytest.raises(StudyError) as error:
        read(file)
    return str(error.value)


def test_a_model_without_guiders_is_named_with_the_place_and_with_those_that_have_them(file):
    message = refused(file, f'[axes]\nguider = ["{APG}"]\n"guider.eta" = [0.0, 1.0]')
    assert re.search(r"axes\.guider\[0\]: StableDiffusionPipeline has none .*: Flux2KleinPipeline, Qwen", message)


def test_an_unknown_option_is_told_with_the_nearest_name(file):
    message = refused(file, f'[settings]\nguider = "{APG}"\n[axes]\nguider.etha = [0.0, 1.0]')
    assert "guider.etha" in message
    assert "Did you mean 'guider.eta'?" in message


def test_an_option_without_quotes_beside_the_guider_is_told_how_to_be_written(file):
    message = refused(file, f'[axes]\nguider = ["{APG}"]\nguider.eta = [0.0]')
    assert message.endswith('Beside a guider write its options in quotes: "guider.eta" = 0')


def test_an_override_adds_an_option_beside_the_guider():
    data: dict[str, object] = {"axes": {"guider": [APG]}}
    apply(data, ["axes.guider.eta=[0.0, 0.5]"])
    assert data == {"axes": {"guider": [APG], "guider.eta": [0.0, 0.5]}}
