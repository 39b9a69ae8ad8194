"""A trial finds the levels that cannot be made, and no others, with a picture a level."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teststrip import plan as planning
from teststrip import study as studies
from teststrip.engines.pattern import PatternEngine
from teststrip.errors import StudyError
from teststrip.executors.local import LocalExecutor
from teststrip.records import Cell, Failure, Render, Shot, Study, Value
from teststrip.verbs import trial
from teststrip.verbs.run import Session

AXES = {"guidance_scale": [1.0, 2.0, 3.0, 4.0], "num_inference_steps": [5, 6, 7], "width": [64, 128]}


class Unable(PatternEngine):
    """An engine that cannot make some values, which it learns when it makes a picture, or knows without one."""

    def __init__(self, bad: Iterable[tuple[str, Value]] = (), known: Iterable[tuple[str, Value]] = ()) -> None:
        super().__init__()
        self.bad, self.known = set(bad), set(known)
        self.asked: list[Shot] = []

    def rehearse(self, settings: Mapping[str, Value]) -> str:
        found = self.known & settings.items()
        return f"{min(found)[0]}: cannot be" if found else ""

    def attempt(self, shots: Iterable[Shot]) -> Iterator[Render | Failure]:
        for shot in shots:
            self.asked.append(shot)
            found = self.bad & shot.settings.items()
            yield Failure(shot, "error", f"no {min(found)}") if found else next(self.render([shot]))

    def render(self, shots: Iterable[Shot]) -> Iterator[Render | Failure]:
        for shot in shots:
            found = (self.bad | self.known) & shot.settings.items()
            yield Failure(shot, "error", f"no {min(found)}") if found else next(super().render([shot]))


def study(axes: Mapping[str, object], **more: object) -> Study:
    return studies.study(name="s", prompts=["an owl"], engine={"name": "pattern"}, axes=axes, **more)


ANY = st.sets(st.sampled_from([(name, value) for name, values in AXES.items() for value in values]), max_size=5)
BAD = ANY.map(lambda bad: {(name, value) for name, value in bad if value != AXES[name][0]})


@settings(max_examples=20)
@given(st.lists(st.sampled_from(sorted(AXES)), unique=True, min_size=1), BAD)
def test_where_a_cell_works_a_trial_finds_the_bad_levels_and_no_others(names: list[str], bad: set) -> None:
    asked = study({name: AXES[name] for name in names})
    bad = {(name, value) for name, value in bad if name in names}
    plan, engine = planning.of(asked), Unable(bad)
    found = trial.attempted(plan, plan.cells, LocalExecutor(lambda _: engine))
    wrong = {cell for cell in plan.cells if bad & plan.first(cell).shot.settings.items()}
    assert set(found) == wrong
    # The first levels all work, and so a picture a level is enough.
    assert len(engine.asked) <= sum(len(AXES[name]) for name in names)


@given(st.lists(st.sampled_from(sorted(AXES)), unique=True, min_size=1), ANY)
def test_a_bad_level_is_blamed_wherever_a_picture_of_the_diagonal_works(names: list[str], bad: set) -> None:
    asked = study({name: AXES[name] for name in names})
    bad = {(name, value) for name, value in bad if name in names}
    plan, engine = planning.of(asked), Unable(bad)
    found = trial.attempted(plan, plan.cells, LocalExecutor(lambda _: engine))
    wrong = {cell for cell in plan.cells if bad & plan.first(cell).shot.settings.items()}
    tried = {plan.first(cell).shot.id for cell in plan.cells if cell not in wrong}
    assert set(found) <= wrong
    if tried & {shot.id for shot in engine.asked}:
        assert set(found) == wrong


def test_what_always_fails_is_told_of_every_setting() -> None:
    plan = planning.of(study({"num_inference_steps": [5, 6], "guidance_scale": [1, 3]}, settings={"width": 48}))
    found = trial.attempted(plan, plan.cells, LocalExecutor(lambda _: Unable({("width", 48)})))
    assert set(found) == set(plan.cells)
    assert "; ".join(trial.told(plan.cells, found)).startswith("every setting: ")


@given(BAD.filter(bool))
def test_a_rehearsal_makes_no_picture_and_what_is_told_names_each_level(known: set) -> None:
    plan, engine = planning.of(study(AXES)), Unable(known=known)
    found = trial.rehearsed(plan, LocalExecutor(lambda _: engine))
    assert set(found) == {cell for cell in plan.cells if known & plan.first(cell).shot.settings.items()}
    assert not engine.asked
    told = "; ".join(trial.told(plan.cells, found))
    for name, _ in known:
        assert f"{name} " in told
    assert "guidance_scale: cannot" not in told, "the name stands once"


def test_a_trial_ends_when_its_time_is_over() -> None:
    plan, engine = planning.of(study(AXES)), Unable()
    left = iter([False, False, False])
    trial.attempted(plan, plan.cells, LocalExecutor(lambda _: engine), stop=lambda: next(left, True))
    assert len(engine.asked) == 2


def test_where_nothing_works_each_level_is_tried_and_nothing_is_blamed_that_was_not() -> None:
    plan = planning.of(study({"width": [64, 128]}))
    engine = Unable({("width", 64), ("width", 128)})
    assert set(trial.attempted(plan, plan.cells, LocalExecutor(lambda _: engine))) == set(plan.cells)


def test_a_long_run_says_what_cannot_be_made_and_makes_the_others(tmp_path: Path) -> None:
    engine = Unable({("guidance_scale", 3.0)})
    asked = study({"guidance_scale": [1, 3]}, replicates=30)
    with Session.open(asked, tmp_path / "out", trackers=(), executor=LocalExecutor(lambda _: engine)) as session:
        said = list(session.doubts())
        session.make(session.todo())
    assert len(said) == 1
    assert said[0].startswith("cannot be made: guidance_scale 3: no ('guidance_scale', 3.0).")
    assert (session.outcome.made, session.outcome.failed) == (30, 30)
    with Session.open(asked, tmp_path / "out", trackers=(), executor=LocalExecutor(lambda _: engine)) as session:
        before = len(engine.asked)
        list(session.doubts())
        assert {shot.settings["guidance_scale"] for shot in engine.asked[before:]} == {3.0}, (
            "a level that works is known"
        )
    session.result.close()


def test_a_short_run_makes_no_trial(tmp_path: Path) -> None:
    engine = Unable({("guidance_scale", 3.0)})
    asked = study({"guidance_scale": [1, 3]}, replicates=3)
    with Session.open(asked, tmp_path / "out", trackers=(), executor=LocalExecutor(lambda _: engine)) as session:
        assert not list(session.doubts())
    session.result.close()
    assert not engine.asked


@pytest.mark.torch
def test_what_cannot_be_made_is_an_error_with_its_level_and_left_out_on_the_users_word() -> None:
    asked = studies.study(
        name="s",
        prompts=["an owl"],
        axes={"scheduler": ["DDIMScheduler", "PNDMScheduler"], "num_inference_steps": [2, 8]},
    )
    with pytest.raises(StudyError, match="scheduler PNDMScheduler with num_inference_steps 2: ") as error:
        trial.sound(asked)
    assert str(error.value).endswith("leave that out with --without-failing")
    smaller, lines = trial.sound(asked, without_failing=True)
    assert len(lines) == 1
    left = {Cell(cell.levels) for cell in planning.of(smaller).cells}
    assert len(left) == 3
    assert Cell((("scheduler", "PNDMScheduler"), ("num_inference_steps", "2"))) not in left
