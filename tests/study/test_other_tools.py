"""Words of other tools in a study file: translated where they have a meaning here, else an error with what to write."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.studies import little

from teststrip import vocabulary
from teststrip.errors import StudyError
from teststrip.study.other_tools import page

ROOT = Path(__file__).parents[2]


def spelled(name: str) -> st.SearchStrategy[str]:
    """A name as people write it: capitals, spaces or hyphens for underscores, DPM++ for dpmpp."""
    forms = (name, name.upper(), name.replace("_", " "), name.replace("_", "-").title(), name.replace("dpmpp", "DPM++"))
    return st.sampled_from(forms)


def test_the_page_in_the_docs_is_up_to_date() -> None:
    docs = (ROOT / "docs" / "other-tools.md").read_text(encoding="utf-8")
    assert docs == page(), "run: python -m teststrip.study tools > docs/other-tools.md"


@given(st.sampled_from(sorted(vocabulary.SAMPLER_NAMES)), st.sampled_from(["", *vocabulary.SPACINGS]), st.data())
def test_a_sampler_is_known_in_every_spelling_alone_and_with_each_spacing(
    name: str, spacing: str, data: st.DataObject
) -> None:
    words = data.draw(spelled(f"{name}_{spacing}".rstrip("_")))
    own, options = vocabulary.SAMPLER_NAMES[name]
    assert vocabulary.sampler_named(words) == (own, {**options, **vocabulary.SPACINGS.get(spacing, {})})


@given(st.sampled_from(sorted(vocabulary.NO_SAMPLERS)), st.data())
def test_what_diffusers_lacks_is_known_as_such_in_every_spelling(name: str, data: st.DataObject) -> None:
    assert vocabulary.sampler_named(data.draw(spelled(name))) == ("", {})


def test_no_class_of_diffusers_is_taken_for_another_tools_name() -> None:
    for name, _ in vocabulary.SAMPLER_NAMES.values():
        assert vocabulary.sampler_named(name) is None


def test_a_name_in_another_tools_spelling_draws_noise_exactly_where_its_class_and_options_do() -> None:
    for name, (own, options) in vocabulary.SAMPLER_NAMES.items():
        assert bool(vocabulary.noise({"scheduler": name})) == bool(vocabulary.noise({"scheduler": own, **options})), (
            name
        )


@given(st.data())
def test_settings_of_other_tools_are_translated_in_every_spelling(data: st.DataObject) -> None:
    there = {"guidance_scale": 3, "num_inference_steps": 4, "scheduler": "DDIM", "negative_prompt": "ugly"}
    names = [name for name, here in vocabulary.SYNONYMS.items() if here in there]
    name = data.draw(st.sampled_from(names))
    here = vocabulary.SYNONYMS[name]
    study = little(axes={}, settings={data.draw(spelled(name)): there[here]})
    assert study.settings[here] == {**there, "scheduler": "DDIMScheduler"}[here]


@pytest.mark.parametrize("name", sorted(vocabulary.FOREIGN))
def test_a_setting_that_is_none_here_is_an_error_that_says_what_to_write(name: str) -> None:
    for where in ({"settings": {name: 2}, "axes": {}}, {"settings": {}, "axes": {name: [1, 2]}}, {"engine": {name: 2}}):
        with pytest.raises(StudyError) as caught:
            little(**where)
        assert vocabulary.FOREIGN[name][1:] in str(caught.value)


def test_samplers_are_levels_and_exclusions_by_the_names_that_other_tools_give_them() -> None:
    study = little(axes={"sampler": ["DDIM", "Euler a"], "steps": [2, 4]}, exclude=[{"sampler": "Euler a", "steps": 2}])
    assert study.axes[0].labels == ("DDIMScheduler", "EulerAncestralDiscreteScheduler")
    assert study.exclusions == ({"scheduler": ("EulerAncestralDiscreteScheduler",), "num_inference_steps": ("2",)},)


@pytest.mark.parametrize(
    ("sampler", "said"),
    [
        ("DPM++ 2M Karras", '"DPMSolverMultistepScheduler" with "use_karras_sigmas": true'),
        ("dpmpp_2m_sde", '"DPMSolverMultistepScheduler" with "algorithm_type": "sde-dpmsolver++"'),
        ("karras", "it spaces the steps of one"),
        ("DPM adaptive", "means no scheduler of Diffusers"),
    ],
)
def test_a_sampler_that_is_no_plain_class_is_an_error_with_its_meaning(sampler: str, said: str) -> None:
    with pytest.raises(StudyError) as caught:
        little(axes={"sampler": ["DDIM", sampler]})
    assert "axes.sampler[1]" in str(caught.value)
    assert said in str(caught.value)
