"""A run over options of an engine: the pictures of the studies apart, and never the weights of two instances."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests import tinted
from tests.tinted import TintedEngine

import teststrip
from teststrip import study as studies
from teststrip.executors.local import LocalExecutor
from teststrip.records import EngineRef, Render, Shot, Study, Value
from teststrip.rows import grid, tables
from teststrip.rows.dead import dead_axes
from teststrip.verbs import forecast, trial, verify
from teststrip.verbs.run import Session, drive
from teststrip.views import board

KEYS: dict[str, Any] = {
    "name": "options",
    "engine": {"name": "tinted"},
    "prompts": ["an owl", "a rose"],
    "replicates": 2,
    "settings": {"width": 16, "height": 16, "num_inference_steps": 20},
    "axes": {"tint": [0, 40, 200], "guidance_scale": [1, 7]},
    "question": {"metrics": ["sharpness"]},
}


@pytest.fixture(autouse=True)
def engine(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> type[TintedEngine]:
    return tinted.install(tmp_path_factory.mktemp("site"), monkeypatch)


def study(**changes: Any) -> Study:
    return teststrip.Study(**{**KEYS, **changes})


def pictures(folder: Path) -> dict[str, str]:
    """The digest of each picture's pixels by the id of its shot."""
    with teststrip.open(folder) as result:
        return {row.planned.shot.id: str(row.image.facts["pixels"]) for row in result.rows() if row.image}


def quietly(asked: Study, folder: Path, **how: Any) -> None:
    with teststrip.run(asked, folder, trackers=(), **how):
        pass


def alone(history: list[tuple[Mapping[str, Value], ...]]) -> bool:
    return all(len(loaded) == 1 for loaded in history)


def test_the_pictures_are_those_of_a_study_for_each_option_and_no_two_instances_are_loaded(
    tmp_path: Path, engine: type[TintedEngine]
) -> None:
    quietly(study(), tmp_path / "varied")
    assert alone(engine.history)
    assert [loaded[0]["tint"] for loaded in engine.history] == [0, 40, 200]  # each once
    assert engine.loaded == []
    apart: dict[str, str] = {}
    for tint in KEYS["axes"]["tint"]:
        quietly(study(engine={"name": "tinted", "tint": tint}, axes={"guidance_scale": [1, 7]}), tmp_path / str(tint))
        apart |= pictures(tmp_path / str(tint))
    assert pictures(tmp_path / "varied") == apart
    assert len(set(apart.values())) == 24


def test_two_instances_of_one_name_under_other_aliases_are_not_loaded_together_either(
    tmp_path: Path, engine: type[TintedEngine]
) -> None:
    two = {"a": {"name": "tinted", "gain": 1}, "b": {"name": "tinted", "gain": 2}}
    axes = {"tint": [0, 40], "engine": ["a", "b"]}
    asked = {key: value for key, value in KEYS.items() if key != "engine"}
    quietly(teststrip.Study(**{**asked, "engines": two, "axes": axes}), tmp_path / "o")
    assert alone(engine.history)
    assert len(engine.history) == 4


def test_engines_that_are_no_levels_of_options_stay_loaded_as_ever(tmp_path: Path, engine: type[TintedEngine]) -> None:
    two = {"a": {"name": "tinted", "gain": 1}, "b": {"name": "tinted", "gain": 2}}
    asked = {key: value for key, value in KEYS.items() if key != "engine"}
    with Session.open(
        teststrip.Study(**{**asked, "engines": two, "axes": {"engine": ["a", "b"]}}), tmp_path / "o", trackers=()
    ) as session:
        session.make(list(session.todo())[:4])
        session.make(session.todo())
        assert [len(loaded) for loaded in engine.history] == [1, 2]


def test_a_run_that_is_limited_has_pictures_of_every_option_and_goes_on(
    tmp_path: Path, engine: type[TintedEngine]
) -> None:
    quietly(study(), tmp_path / "o", limit=6)
    with teststrip.open(tmp_path / "o") as result:
        assert {row.planned.cell["tint"] for row in result.rows() if row.image} == {"0", "40", "200"}
    quietly(study(), tmp_path / "o")
    assert len(pictures(tmp_path / "o")) == 24
    assert alone(engine.history)


def test_a_session_that_asks_again_and_again_holds_one_instance_at_a_time(
    tmp_path: Path, engine: type[TintedEngine]
) -> None:
    with Session.open(study(), tmp_path / "o", trackers=()) as session:
        for _ in range(2):
            session.make(list(session.todo())[:6])
    assert alone(engine.history)
    assert len(engine.history) == 6


def test_the_executor_closes_only_what_alternates() -> None:
    shot = Shot(EngineRef("tinted", {"tint": 1}), {"prompt": "an owl", "seed": 1, "width": 8, "height": 8})
    with LocalExecutor() as executor:
        for alternates, most in ((False, 2), (True, 1)):
            TintedEngine.history.clear()
            refs = [EngineRef("tinted", {"tint": tint, "gain": 1 + alternates}, {}, alternates) for tint in (1, 2)]
            for ref in (*refs, *refs):
                (answer,) = executor.run(ref, [Shot(ref, shot.settings)])
                assert isinstance(answer, Render)
            assert max(sum(one["gain"] == 1 + alternates for one in loaded) for loaded in TintedEngine.history) == most


def test_a_trial_holds_one_instance_at_a_time_and_says_the_level_that_fails(
    tmp_path: Path, engine: type[TintedEngine]
) -> None:
    asked, lines = trial.sound(study(axes={"tint": [0, 40], "gain": [1, 2]}), attempt=True)
    assert (len(asked.axes), lines) == (2, ())
    assert alone(engine.history)
    (tmp_path / "study.toml").write_text(
        'name = "o"\nprompts = ["an owl"]\n[engine]\nname = "tinted"\n[axes]\ngain = [1, 4]\ntint = [0, 1]\n'
    )
    unchecked = studies.reopen(tmp_path / "study.toml")
    left, lines = trial.sound(unchecked, without_failing=True)
    assert (left.axes[0].labels, lines) == (("1",), ("gain 4: 4 is more than this machine can",))
    assert studies.dump(left).count("gain") == 1


@pytest.mark.process
def test_a_plan_measures_each_option_and_says_the_levels(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(studies.dump(study()))
    found = forecast.calibrated(forecast.of(tmp_path / "study.toml"))
    assert list(found.pace) == ["engine, tint 0", "engine, tint 40", "engine, tint 200"]
    assert "  tint: 0, 40, 200  (8 images each)" in list(forecast.lines(found))
    quietly(study(), tmp_path / "o", limit=12)
    known = forecast.of(tmp_path / "study.toml", tmp_path / "o")
    assert list(known.pace) == list(found.pace)
    assert known.timed


def test_pictures_are_made_again_with_their_own_options(tmp_path: Path, engine: type[TintedEngine]) -> None:
    quietly(study(), tmp_path / "o")
    engine.history.clear()
    with teststrip.open(tmp_path / "o") as result:
        found = verify.verify(result, "100%")
    assert (found.same, found.problems) == (24, [])
    assert alone(engine.history)


def test_an_option_that_changes_nothing_is_found_by_its_pixels(tmp_path: Path) -> None:
    quietly(study(axes={"tone": ["warm", "cold"], "tint": [0, 40]}), tmp_path / "o")
    with teststrip.open(tmp_path / "o") as result:
        (dead,) = dead_axes(result.rows())
    assert dead.sentence.startswith("tone changes nothing: warm and cold gave identical pixels in all 8 comparisons")


def test_reports_and_exports_show_the_axis_by_its_labels(tmp_path: Path) -> None:
    drive(study(), tmp_path / "o", trackers=())
    report = (tmp_path / "o" / "report.md").read_text(encoding="utf-8")
    assert "| tint |" in report
    with teststrip.open(tmp_path / "o") as result:
        assert sorted(set(result.columns()["tint"])) == [0, 40, 200]
        shown = board.of(result)
    tint, _ = shown["axes"]
    assert (tint["kind"], tint["labels"], tint["numbers"]) == ("option", ["0", "40", "200"], [0.0, 40.0, 200.0])
    assert tint["options"] == [{"tint": 0}, {"tint": 40}, {"tint": 200}]
    assert {cell["options"]["tint"] for cell in shown["cells"]} == {0, 40, 200}
    assert not any("tint" in cell["settings"] for cell in shown["cells"])


def test_tables_have_the_options_by_value_and_pictures_are_found_by_them(tmp_path: Path) -> None:
    formats = [{"label": "own"}, {"label": "grainy", "grain": 0.5, "guidance_scale": 3}]
    quietly(study(axes={"format": formats, "gain": [1, 1.5]}), tmp_path / "o")
    with teststrip.open(tmp_path / "o") as result:
        rows = result.rows()
        found = tables.images(rows)
        assert (set(found["grain"]), set(found["gain"]), set(found["format"])) == (
            {None, 0.5},
            {1.0, 1.5},
            {"own", "grainy"},
        )
        assert {(one["grain"], one["gain"]) for one in tables.records(rows)} == {
            (g, s) for g in (None, 0.5) for s in (1, 1.5)
        }
        assert [arm.settings["gain"] for arm in tables.arms(rows)] == [1.0, 1.5, 1.0, 1.5]
        assert "tint" not in found
        assert {row.planned.cell["gain"] for row in grid.wanted(rows, {"gain": 1.5})} == {"1.5"}
