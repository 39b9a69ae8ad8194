"""Which part of the steps is guided, whose guidance can be windowed, and what is said of the others."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.shots import ask

from teststrip.diffusion import pipelines, windows
from teststrip.diffusion.windows import Window
from teststrip.engines.diffusers import DiffusersEngine
from teststrip.errors import StudyError

SHARES = st.floats(0, 1)

WAYS = {
    "StableDiffusionPipeline": "second half",
    "StableDiffusionXLPipeline": "second half",
    "StableDiffusion3Pipeline": "second half",
    "KolorsPipeline": "second half",
    "PixArtSigmaPipeline": "second half",
    "SanaPipeline": "second half",
    "AuraFlowPipeline": "second half",
    "IFPipeline": "second half",
    "Kandinsky3Pipeline": "second half",
    "HunyuanDiTPipeline": "second half",
    "CogView3PlusPipeline": "second half",
    "PRXPipeline": "second half",
    "ErnieImagePipeline": "second half",
    "LuminaPipeline": "first half",
    "ZImagePipeline": "first half",
    "CogView4Pipeline": "first call",
    "ChromaPipeline": "first call",
    "FluxPipeline": "first call",
    "Flux2KleinPipeline": "first call",
    "Krea2Pipeline": "first call",
    "LongCatImagePipeline": "first call",
    "Lumina2Pipeline": "first call",
    "OvisImagePipeline": "first call",
    "QwenImagePipeline": "first call",
    "Cosmos2TextToImagePipeline": "first call",
    # The texts of both rows are joined along another axis than the rows.
    "HiDreamImagePipeline": None,
    # They call the denoiser more often, for guidance of other kinds.
    "StableDiffusionSAGPipeline": None,
    "StableDiffusionPanoramaPipeline": None,
    "SemanticStableDiffusionPipeline": None,
    # They make no second row.
    "LatentConsistencyModelPipeline": None,
    "SanaSprintPipeline": None,
    "Flux2Pipeline": None,
    "StableCascadeCombinedPipeline": None,
}


@pytest.mark.parametrize(("pipeline", "way"), WAYS.items())
def test_the_source_of_a_pipeline_says_where_its_conditional_row_is(pipeline, way):
    assert windows.way(pipeline) == way


@given(SHARES, SHARES, st.integers(1, 200))
def test_a_window_ends_where_the_callback_of_diffusers_cuts_guidance_off(start, stop, count):
    found = Window(start, stop).steps(count)
    # Diffusers' callback acts at the end of the step of index int(count * ratio), which is guided for that reason.
    assert list(found) == [step for step in range(count) if int(count * start) <= step <= int(count * stop)]
    assert windows.rows_less({"guidance_start": start, "guidance_stop": stop}, count) == count - len(found)


@given(SHARES, SHARES, SHARES, st.integers(1, 200))
def test_a_wider_window_guides_no_step_less(start, stop, wider, count):
    narrow = set(Window(start, stop).steps(count))
    assert narrow <= set(Window(min(start, wider), stop).steps(count))
    assert narrow <= set(Window(start, max(stop, wider)).steps(count))
    assert set(Window(0, 1).steps(count)) == set(range(count))


REFUSED = [
    ("StableDiffusionPipeline", {"guidance_start": 0.8, "guidance_stop": 0.4}, "guidance_start: 0.8 is above .* 0.4"),
    ("SanaSprintPipeline", {"guidance_stop": 0.4}, "guidance_stop: SanaSprintPipeline makes no second row"),
    ("StableDiffusionSAGPipeline", {"guidance_start": 0.4}, "guidance_start: the source of .* does not show how"),
    ("BriaFiboPipeline", {"guidance_stop": 0.4}, "does not show when it guides"),
    ("StableDiffusionPAGPipeline", {"guidance_stop": 0.4}, "perturbed attention .* Write pag_scale = 0"),
    ("QwenImage21Pipeline", {"guidance_start": 0.4}, "keeps what its first step computes"),
]


@pytest.mark.parametrize(("pipeline", "settings", "why"), REFUSED)
def test_a_window_that_cannot_be_had_is_refused_with_the_reason(pipeline, settings, why):
    with pytest.raises(StudyError, match=why) as error:
        windows.check(settings, pipelines.find(pipeline))
    assert re.match(r"guidance_st(art|op): ", str(error.value))


ACCEPTED = [
    ("StableDiffusionPipeline", {"guidance_start": 0.4, "guidance_stop": 0.4}),
    ("StableDiffusionPAGPipeline", {"guidance_stop": 0.4, "pag_scale": 0.0}),
    ("QwenImage21Pipeline", {"guidance_stop": 0.4}),
    ("SanaSprintPipeline", {"guidance_start": None}),
]


@pytest.mark.parametrize(("pipeline", "settings"), ACCEPTED)
def test_a_window_that_can_be_had_is_accepted(pipeline, settings):
    windows.check(settings, pipelines.find(pipeline))


def test_plan_says_which_windows_change_nothing_and_counts_the_rows_that_are_spared():
    engine = DiffusersEngine(device="cpu")
    asked = {"model": "emoji", "num_inference_steps": 10, "guidance_scale": 5.0}

    def remark(**settings):
        return engine.remark(asked | settings)

    assert "do not heed guidance_stop: guidance is off at guidance_scale 1" in remark(
        guidance_stop=0.4, guidance_scale=1.0
    )
    assert "do not heed guidance_stop: each of the 10 steps lies in that part" in remark(guidance_stop=0.95)
    assert "do not heed guidance_start: each of the 10 steps" in remark(guidance_start=0.05)
    for settings in (
        {},
        {"guidance_stop": 0.4},
        {"guidance_start": 0.1},
        {"guidance_start": 0.0, "guidance_stop": 1.0},
    ):
        assert "guidance_st" not in remark(**settings)
    costs = [engine.calls(asked | {"guidance_stop": stop}) for stop in (0.0, 0.4, 1.0)]
    assert costs == [11, 15, 20]
    assert engine.calls(asked | {"guidance_start": 0.4, "guidance_stop": 0.6}) == 13
    assert engine.calls(asked | {"guidance_start": 0.4, "guidance_scale": 1.0}) == 10


def test_a_window_is_in_the_id_where_it_is_set():
    ids = {ask("emoji", **settings).id for settings in ({}, {"guidance_stop": 0.4}, {"guidance_start": 0.4})}
    assert len(ids) == 3
