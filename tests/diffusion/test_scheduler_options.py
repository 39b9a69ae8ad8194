"""Every option of every scheduler class that was read from the sources: the installed Diffusers takes it."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from typing import Any

import diffusers
import pytest
from tests import tiny_pipelines as tiny
from tests.shots import answers, ask

from teststrip.diffusion import rehearsal, scheduler_options, schedulers
from teststrip.engines.diffusers import DiffusersEngine
from teststrip.records import Render, Setting

# Diffusers' own business: a few classes hand tensors to NumPy when they are made.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

OWN = {"sd15": "DDIMScheduler", "flux": "FlowMatchEulerDiscreteScheduler"}
"""Families whose alternatives are, together, the schedulers of nearly all models."""

CLASSES = [name for name in schedulers.names() if hasattr(diffusers, name)]
PLAIN = int | float | str | bool | type(None)
SAMPLE = 23
"""Every so many option is made into a picture in CI; `make campaign` makes all of them."""


def values(option: Setting) -> list[Any]:
    """Values that an option may have, other than its default: each of its words, both switches, a number nearby."""
    if option.kind == "bool":
        return [not option.default]
    if option.choices:
        return [word for word in option.choices if word != option.default]
    if isinstance(option.default, int | float):
        near = option.default * 2 or (1 if option.kind == "int" else 0.5)
        return [min(near, option.high) if option.high is not None else near]
    return []


def table() -> Iterator[tuple[str, str, Any]]:
    for name in CLASSES:
        for option in scheduler_options.of(name).values():
            for value in values(option):
                yield name, option.name.removeprefix(scheduler_options.PREFIX), value


EVERY = list(table())


def test_what_is_known_without_diffusers_is_what_its_schedulers_have() -> None:
    known = {
        f"scheduler.{option}": kind for kind, some in scheduler_options.WELL_KNOWN.items() for option in some.split()
    }
    fit = [*schedulers.alternatives("DDIMScheduler"), *schedulers.FLOW_MATCHING]
    assert known == {one.name: one.kind for name in fit for one in scheduler_options.of(name).values()}


@pytest.mark.parametrize("name", CLASSES)
def test_the_options_read_are_the_arguments_that_python_sees(name: str) -> None:
    signature = inspect.signature(getattr(diffusers, name).__init__).parameters
    for dotted, option in scheduler_options.of(name).items():
        seen = signature[dotted.removeprefix(scheduler_options.PREFIX)].default
        assert option.default is None or seen == option.default  # None: none, or one that is computed
    plain = {one for one, parameter in signature.items() if isinstance(parameter.default, str | int | float)}
    assert {f"scheduler.{one}" for one in plain} <= scheduler_options.of(name).keys()


def test_the_table_has_every_scheduler_that_diffusers_hands_out_with_every_plain_option_and_word() -> None:
    handed_out = {
        name for name in dir(diffusers) if name.endswith("Scheduler") and hasattr(getattr(diffusers, name), "step")
    }
    other_tasks = {name for name in handed_out if schedulers.OTHER_TASKS.search(name)}
    listed = {name for name in handed_out - other_tasks if hasattr(getattr(diffusers, name), "set_timesteps")}
    assert {name for name in listed - set(CLASSES) if not name.startswith("Flax")} <= LEFT_OUT
    for name in CLASSES:
        for dotted, option in scheduler_options.of(name).items():
            rows = {value for kind, one, value in EVERY if (kind, f"scheduler.{one}") == (name, dotted)}
            assert {*rows, option.default} >= set(option.choices), dotted
            assert rows or option.default is None or option.kind == "str", dotted


def test_the_table_is_long_and_holds_what_people_turn() -> None:
    assert len(EVERY) > 400
    assert {
        *("shift", "flow_shift", "use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "timestep_spacing"),
        *("algorithm_type", "solver_order", "final_sigmas_type", "rescale_betas_zero_snr", "use_flow_sigmas"),
    } <= {option for _, option, _ in EVERY}


LEFT_OUT = {"KarrasVeScheduler"}
"""Schedulers that no pipeline of text to image has."""

CORRECTED = {"algorithm_type", "solver_type", "final_sigmas_type"}
"""Words of which a class takes some for another one and keeps that."""


@pytest.mark.parametrize("name", CLASSES)
def test_plan_hears_of_an_option_what_the_class_says_when_it_is_made(name: str) -> None:
    kind = getattr(diffusers, name)
    try:
        own = {key: value for key, value in kind().config.items() if isinstance(value, PLAIN)}
    except (ImportError, TypeError):
        pytest.skip("needs a package or arguments of its own")
    for _, option, value in (row for row in EVERY if row[0] == name):
        said = rehearsal.refusal((name, own), None, {option: value})
        refused = ""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                made = kind.from_config(own, **{option: value})
            except Exception as error:
                refused = str(error).splitlines()[0][:60]
        assert refused in said if refused else said == ""
        assert refused or made.config[option] == value or option in CORRECTED


def pictures(sample: int) -> list[Any]:
    rows = []
    for family, own in OWN.items():
        fit = [row for row in EVERY if row[0] in schedulers.alternatives(own)]
        rows += [pytest.param(family, *row, id="-".join(map(str, (family, *row)))) for row in fit[::sample]]
    return rows


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("models")
    return {family: str(tiny.save(family, root / family)) for family in OWN}


def rendered(folders: dict[str, str], rows: list[Any]) -> None:
    """Each option gives a picture, or `rehearse` says before the run that it would not."""
    for family in OWN:
        shots = []
        engine = DiffusersEngine(device="cpu")
        for row in rows:
            if row.values[0] == family:
                name, option, value = row.values[1:]
                settings = {"scheduler": name, f"scheduler.{option}": value, "num_inference_steps": 5}
                shot = ask(folders[family], width=tiny.SIDE[family], height=tiny.SIDE[family], **settings)
                engine.check(shot.settings)
                if not engine.rehearse(shot.settings):
                    shots.append(shot)
        for answer in answers(shots, batch="auto").values():
            assert isinstance(answer, Render), answer


def test_a_sample_of_all_options_gives_pictures_or_an_error_before_the_run(folders: dict[str, str]) -> None:
    rendered(folders, pictures(SAMPLE))


@pytest.mark.slow
def test_every_option_gives_a_picture_or_an_error_before_the_run(folders: dict[str, str]) -> None:
    rendered(folders, pictures(1))
