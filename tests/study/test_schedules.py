"""Lists of steps by name, as a study file writes them: read without torch."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from teststrip.errors import StudyError
from teststrip.plan import of
from teststrip.records import Study
from teststrip.study import dump, parse

TOP = 'name = "demo"\nprompts = ["an owl"]\n[settings]\nscheduler = "DPMSolverMultistepScheduler"\n'
MINE = "[schedules.mine]\ntimesteps = [999, 700.5, 100]\n"


def study(text: str, top: str = TOP) -> Study:
    """A study of the embedded model."""
    return parse(tomllib.loads(top + text), place="study.toml", folder=Path())


def asked(made: Study) -> list[object]:
    plan = of(made)
    return [plan.first(cell).shot.settings.get("schedule") for cell in plan.cells]


def test_a_list_is_its_numbers_in_a_shot_and_its_name_on_an_axis() -> None:
    made = study(f'{MINE}[axes]\nschedule = ["ays", "mine", "own"]')
    assert made.axes[0].labels == ("ays", "mine", "own")
    assert asked(made) == ["ays", "timesteps 999 700.5 100", None]
    assert parse(tomllib.loads(dump(made)), place="study.toml", folder=Path()) == made


def test_the_name_of_a_list_is_in_no_id() -> None:
    text = f'{MINE}[axes]\nschedule = ["mine", "ays"]'
    first, renamed = of(study(text)), of(study(text.replace("mine", "other")))
    assert [one.shot.id for one in first] == [one.shot.id for one in renamed]


def test_a_list_is_held_fixed_and_belongs_to_linked_levels() -> None:
    assert asked(study(f'schedule = "mine"\n{MINE}')) == ["timesteps 999 700.5 100"]
    linked = '[axes]\nway = [{ label = "a", schedule = "mine" }, { label = "b", num_inference_steps = 3 }]'
    assert asked(study(MINE + linked)) == ["timesteps 999 700.5 100", None]


def test_a_plan_counts_the_calls_of_a_list() -> None:
    assert of(study(f'schedule = "mine"\n{MINE}')).calls() == of(study("num_inference_steps = 3")).calls()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('schedule = "ayz"', "settings.schedule: there is no 'ayz'. Did you mean 'ays'?"),
        (MINE, 'schedules.mine: nothing uses it. Write schedule = "mine"'),
        (MINE.replace("700.5", "1000"), "schedules.mine.timesteps[1]: does not fall: 1000 comes after 999"),
        (MINE.replace("100]", "-1]"), "schedules.mine.timesteps[2]: is below 0"),
        (MINE.replace("[999, 700.5, 100]", "[]"), "schedules.mine.timesteps: must be a list of 1 to 1,000 numbers"),
        (f"{MINE}sigmas = [1, 0]", "schedules.mine: needs either timesteps or sigmas"),
        ("[schedules.mine]\ntimes = [1, 0]", "schedules.mine: unknown key 'times'. Did you mean 'timesteps'?"),
        ("[schedules.own]\nsigmas = [1, 0]", "schedules.own: a name must be"),
        (f'schedule = "mine"\nnum_inference_steps = 4\n{MINE}', "num_inference_steps: 4 is not the 3 of the schedule"),
        (
            'schedule = "mine"\n[schedules.mine]\nsigmas = [14, 0]',
            "settings.schedule: DPMSolverMultistepScheduler takes no",
        ),
        (
            "timesteps = [999, 500]",
            "settings.timesteps: engine 'diffusers' has no setting 'timesteps'. A list has a name",
        ),
        ("[axes]\nsigmas = [999, 500]", "A list has a name here: write [schedules.mine] sigmas = [...]"),
    ],
)
def test_a_wrong_list_is_an_error_with_its_place(text: str, said: str) -> None:
    with pytest.raises(StudyError) as caught:
        study(text)
    assert said in str(caught.value)


def test_a_scheduler_without_lists_is_an_error_that_names_those_with() -> None:
    with pytest.raises(StudyError, match=r"DDIMScheduler takes no timesteps. Schedulers that do: .*EulerDiscrete"):
        study("schedule = 'ays'", top=TOP.replace("DPMSolverMultistep", "DDIM"))
