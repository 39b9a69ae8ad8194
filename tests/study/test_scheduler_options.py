"""Options of a scheduler and samplers by popular names, as a study file writes them: read without torch."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

import teststrip
from teststrip.errors import StudyError
from teststrip.plan import of
from teststrip.records import Study
from teststrip.study import dump, parse, reopen, samplers

DPM = "DPMSolverMultistepScheduler"
KARRAS = "scheduler.use_karras_sigmas"
TOP = 'name = "demo"\nprompts = ["an owl"]\n'


def study(text: str) -> Study:
    """A study of the embedded model."""
    return parse(tomllib.loads(TOP + text), place="study.toml", folder=Path())


def asked(text: str) -> list[dict[str, Any]]:
    """What each cell asks of its scheduler."""
    plan = of(study(text))
    every = [plan.first(cell).shot.settings for cell in plan.cells]
    return [{name: value for name, value in one.items() if name.startswith("scheduler")} for one in every]


WAYS = {
    "a dotted key": f'[settings]\nscheduler = "{DPM}"\n[axes]\nscheduler.use_karras_sigmas = [true, false]',
    "a key in quotes": f'[axes]\nscheduler = ["{DPM}"]\n"{KARRAS}" = [true, false]',
    "a table": f'[settings]\nscheduler = "{DPM}"\n[axes.scheduler]\nuse_karras_sigmas = [true, false]',
    "beside a sampler": f'[axes]\nsampler = ["{DPM}"]\nscheduler.use_karras_sigmas = [true, false]',
    "behind a synonym": f'[settings]\nscheduler = "{DPM}"\n[axes]\nsampler.use_karras_sigmas = [true, false]',
    "linked levels": f'[settings]\nscheduler = "{DPM}"\n[axes]\nspaced = ['
    '{ label = "K", scheduler.use_karras_sigmas = true }, { label = "-", scheduler.use_karras_sigmas = false }]',
    "in the engine's table": f'[engine]\nscheduler.use_karras_sigmas = true\n[settings]\nscheduler = "{DPM}"',
}


@pytest.mark.parametrize("way", WAYS)
def test_an_option_is_the_same_setting_however_it_is_written(way: str) -> None:
    values = [True] if "engine" in way else [True, False]
    assert asked(WAYS[way]) == [{"scheduler": DPM, KARRAS: value} for value in values]


@pytest.mark.parametrize("way", WAYS)
def test_a_study_with_options_is_written_and_read_back_equal(way: str) -> None:
    made = study(WAYS[way])
    assert parse(tomllib.loads(dump(made)), place="study.toml", folder=Path()) == made


@pytest.mark.parametrize(
    "spelled",
    [
        'sampler = ["DPM++ 2M Karras", "Euler a", "UniPC"]',
        'scheduler = ["dpmpp_2m_karras", "euler_ancestral", "uni_pc"]',
        """sampler = [{ sampler_name = "dpmpp_2m", schedule_type = "Karras" }, { sampler = "Euler a" },
        { sampler = "UniPC" }]""",
    ],
)
def test_popular_names_are_classes_with_options(spelled: str) -> None:
    ancestral, unipc = "EulerAncestralDiscreteScheduler", "UniPCMultistepScheduler"
    assert asked(f"[axes]\n{spelled}") == [
        {"scheduler": DPM, KARRAS: True},
        {"scheduler": ancestral},
        {"scheduler": unipc},
    ]


def test_comfyuis_two_halves_of_a_sampler_are_two_axes_or_two_settings() -> None:
    text = '[settings]\nsampler_name = "dpmpp_2m"\nscheduler = "karras"'
    assert asked(text) == [{"scheduler": DPM, KARRAS: True}]
    crossed = study('[axes]\nsampler_name = ["dpmpp_2m", "unipc"]\nscheduler = ["normal", "karras"]')
    assert [axis.name for axis in crossed.axes] == ["scheduler", "spacing"]
    assert len(of(crossed)) == 4


def test_a_level_is_left_out_by_any_spelling_of_its_name() -> None:
    text = '[axes]\nsampler = ["DPM++ 2M Karras", "DDIM"]\nsteps = [2, 4]\n[[exclude]]\nsampler = "{}"\nsteps = 2'
    for spelled in ("DPM++ 2M Karras", "dpmpp_2m_karras"):
        assert len(of(study(text.format(spelled)))) == 3


def test_a_spacing_is_left_out_by_the_key_that_comfyui_has_for_it() -> None:
    axes = '[axes]\nsampler_name = ["dpmpp_2m", "lcm"]\nscheduler = ["normal", "karras"]\n[[exclude]]\n'
    for key in ("scheduler", "spacing"):
        made = of(study(f'{axes}sampler_name = "lcm"\n{key} = "karras"'))
        assert [cell.levels[1][1] for cell in made.cells] == ["normal", "karras", "normal"]


def test_plan_says_what_a_popular_name_stands_for() -> None:
    made = study('[settings]\nscheduler.steps_offset = 1\n[axes]\nsampler = ["DPM++ 2M Karras", "Euler a"]')
    assert list(samplers.sentences(made)) == [
        f"DPM++ 2M Karras is {DPM} with scheduler.use_karras_sigmas = true",
        "Euler a is EulerAncestralDiscreteScheduler",
        "all settings have scheduler.steps_offset = 1",
    ]


def test_names_that_need_no_option_stay_the_axis_that_they_were() -> None:
    (axis,) = study('[axes]\nsampler = ["DDIM", "Euler a"]').axes
    assert (axis.name, axis.kind) == ("scheduler", "setting")
    assert axis.labels == ("DDIMScheduler", "EulerAncestralDiscreteScheduler")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'settings]\nscheduler = "DDIMScheduler"\n[axes]\nscheduler.shift = [1, 3]',
            "axes.scheduler.shift[0]: DDIMScheduler has no option 'shift'",
        ),
        (
            "axes]\nscheduler.solver_ordr = [1, 3]",
            "axes.scheduler.solver_ordr: engine 'diffusers' has no setting 'scheduler.solver_ordr'. Did you mean '",
        ),
        (
            f'settings]\nscheduler = "{DPM}"\n[axes]\nscheduler.solver_order = [1, 4]',
            "axes.scheduler.solver_order[1]: 4 is above 3",
        ),
        (
            f'settings]\nscheduler = "{DPM}"\n[axes]\nscheduler.solver_order = [1, 1.5]',
            "axes.scheduler.solver_order[1]: 1.5 is not a whole number",
        ),
        (
            'settings]\nscheduler.use_karras_sigmas = "yes"',
            "settings.scheduler.use_karras_sigmas: must be true or false",
        ),
        (
            f'settings]\nsampler = "{DPM}"\nscheduler.algorithm_type = "dpmsolver+"',
            "settings.scheduler.algorithm_type: 'dpmsolver+' is no algorithm_type of DPMSolverMultistepScheduler. Did",
        ),
        (
            'settings]\nsampler = "DPM++ 2M Karras"\nscheduler.use_karras_sigmas = true',
            "is scheduler.use_karras_sigmas, which is there already",
        ),
        (
            'axes]\nsampler = ["DPM++ 2M Karras", "DDIM"]\nscheduler.use_karras_sigmas = [true, false]',
            "is set by axes.sampler too",
        ),
        (
            'axes]\nsampler = ["DPM++ 2M Karras", "dpmpp_2m_karras"]',
            "axes.sampler[1]: 'dpmpp_2m_karras' sets the same as [0]",
        ),
        (
            'axes]\nsampler = ["DPM++ 2M Karras", "DPM fast"]',
            "axes.sampler[1]: 'DPM fast' means no scheduler of Diffusers",
        ),
        (
            'axes]\nsampler = ["DDIM Karras", "DDIM"]',
            "axes.sampler[0]: scheduler.use_karras_sigmas: DDIMScheduler has no option 'use_karras_sigmas'",
        ),
    ],
)
def test_a_wrong_option_is_an_error_with_its_place(text: str, said: str) -> None:
    with pytest.raises(StudyError) as caught:
        study(f"[{text}")
    assert said in str(caught.value)


def test_two_kinds_of_a_key_are_an_error_that_says_how_to_write_it(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text(f'{TOP}[axes]\nscheduler = ["{DPM}"]\nscheduler.shift = [1, 3]\n', encoding="utf-8")
    with pytest.raises(StudyError, match=r'write its options in quotes: "scheduler\.shift" = 3'):
        teststrip.read(file)


@pytest.mark.parametrize(
    ("axes", "override", "values"),
    [
        ("scheduler.shift = [1, 3]", "axes.scheduler.shift=[2]", [2]),
        ("scheduler.shift = [1, 3]", 'axes."scheduler.shift"=[2]', [2]),
        ('"scheduler.shift" = [1, 3]', "axes.scheduler.shift=[2]", [2]),
        ('"scheduler.shift" = [1, 3]', 'axes."scheduler.shift"=[2]', [2]),
        ('scheduler = ["FlowMatchLCMScheduler"]', "axes.scheduler.shift=[2]", [2]),
        ("scheduler.shift = [1, 3]", "axes.scheduler.shift=", [None]),
        ("steps = [1, 3]", "axes.scheduler.shift=[2, 4]", [2, 4]),
    ],
)
def test_an_option_is_overridden_however_the_file_spells_it(
    tmp_path: Path, axes: str, override: str, values: list[float | None]
) -> None:
    file = tmp_path / "study.toml"
    file.write_text(f"{TOP}[axes]\n{axes}\n", encoding="utf-8")
    made = reopen(file, [override])
    axis = next((one for one in made.axes if one.name == "scheduler.shift"), None)
    assert ([level.settings["scheduler.shift"] for level in axis.levels] if axis else [None]) == values
