"""Options of an engine as axes: the same shots as with the option under `[engine]`, one combination after another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import tinted
from tests.study.studies import levels, studies
from tests.study.toy import ToyEngine, install

import teststrip
from teststrip import plan
from teststrip.plan import Measured
from teststrip.records import Planned, Shot

VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "tint": st.integers(0, 255),
    "gain": st.one_of(st.integers(0, 3), st.floats(0, 3, width=16)),
    "mirror": st.booleans(),
    "tone": st.just("warm") | st.just("cold"),
    "grain": st.one_of(st.none(), st.floats(0, 1, width=16)),
}


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        tinted.install(tmp_path_factory.mktemp("site"), patch)
        yield


@st.composite
def options(draw: st.DrawFn) -> dict[str, list[Any]]:
    """Axes of options."""
    names = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=2, unique=True))
    return {name: draw(levels(VALUES[name])) for name in names}


def asked(keys: Mapping[str, Any], engine: Mapping[str, Any], axes: Mapping[str, Any]) -> plan.Plan:
    return plan.of(teststrip.Study(**{**keys, "engine": {"name": "tinted", **engine}, "axes": axes}))


@given(studies(), options(), st.booleans())
def test_a_level_has_the_ids_of_the_study_with_this_option_under_engine(
    keys: dict[str, Any], chosen: dict[str, list[Any]], first: bool
) -> None:
    axes = {**chosen, **keys["axes"]} if first else {**keys["axes"], **chosen}
    varied = asked(keys, {}, axes)
    assert all(shot.id == Shot(shot.engine, dict(shot.settings)).id for shot in (one.shot for one in varied))
    assert all(not chosen.keys() & one.shot.settings.keys() for one in varied)
    apart: list[str] = []
    for values in product(*chosen.values()):
        apart += asked(keys, dict(zip(chosen, values, strict=True)), keys["axes"]).ids()
    assert sorted(varied.ids()) == sorted(apart)


@given(studies(), options())
def test_linked_levels_have_these_ids_too(keys: dict[str, Any], chosen: dict[str, list[Any]]) -> None:
    tables = [dict(zip(chosen, values, strict=True)) for values in product(*chosen.values())]
    linked = [{"label": f"format {i}", **table} for i, table in enumerate(tables)]
    apart = [one for table in tables for one in asked(keys, table, keys["axes"]).ids()]
    assert sorted(asked(keys, {}, {**keys["axes"], "format": linked}).ids()) == sorted(apart)


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[ToyEngine]:
    return install(tmp_path, monkeypatch)


@pytest.mark.parametrize(("name", "default"), [("tint", 0), ("gain", 1), ("tone", "warm"), ("grain", None)])
def test_a_level_that_is_the_default_has_the_ids_of_the_study_without_it(name: str, default: Any) -> None:
    keys = {"name": "default", "prompts": ["an owl"]}
    (plain,) = asked(keys, {}, {}).ids()
    assert list(asked(keys, {}, {name: [default]}).ids()) == [plain]
    other = {"tint": 1, "gain": 2, "tone": "cold", "grain": 0.5}[name]
    linked = asked(keys, {}, {"format": [{"label": "own"}, {"label": "other", name: other}]})
    assert next(iter(linked.ids())) == plain
    assert len(set(linked.ids())) == 2


def test_of_two_engines_each_has_the_option_with_its_own(toy: type[ToyEngine]) -> None:
    engines = {"a": {"name": "toy", "variant": "x"}, "b": {"name": "toy"}}
    axes = {"engine": ["a", "b"], "dtype": ["auto", "half"]}
    both = plan.of(teststrip.Study(name="two", prompts=["an owl"], engines=engines, axes=axes))
    found = {one.cell.levels: dict(one.shot.engine.options) for one in both}
    assert list(found.values()) == [
        {"dtype": "auto", "variant": "x"},
        {"dtype": "half", "variant": "x"},
        {"dtype": "auto"},
        {"dtype": "half"},
    ]
    assert list(both.makers) == ["a, dtype auto", "a, dtype half", "b, dtype auto", "b, dtype half"]
    assert all(ref.alternates for ref in both.makers.values())


def test_calls_and_time_are_those_of_the_engine_with_its_options() -> None:
    keys = {"name": "calls", "prompts": ["an owl"], "settings": {"num_inference_steps": 10, "guidance_scale": 1}}
    made = asked(keys, {}, {"mirror": [False, True]})
    pace = {"engine, mirror false": Measured(1, "x"), "engine, mirror true": Measured(2, "x")}
    summary = made.summary(pace=pace)
    assert summary.calls == 10 + 20
    assert summary.seconds_left == 10 * 1 + 20 * 2
    assert made.summary(pace={"engine": Measured(1, "x")}).seconds_left is None
    axis = summary.axes[0]
    assert (axis.name, axis.kind, [level.label for level in axis.levels]) == ("mirror", "option", ["false", "true"])


def test_a_study_without_such_an_axis_has_the_engine_of_the_study_itself() -> None:
    made = asked({"name": "plain", "prompts": ["an owl"]}, {"tint": 3}, {"eta": [0, 1]})
    assert {id(made.engine(cell)) for cell in made.cells} == {id(made.study.engines["engine"])}
    assert list(made.makers) == ["engine"]
    assert not any(one.shot.engine.alternates for one in made)


def test_the_order_of_the_plan_is_as_ever() -> None:
    made = asked({"name": "order", "prompts": ["an owl", "a rose"]}, {}, {"tint": [1, 2]})

    def place(one: Planned) -> tuple[str, str]:
        return one.prompt.id, one.cell["tint"]

    assert [place(one) for one in made] == [("an-owl", "1"), ("an-owl", "2"), ("a-rose", "1"), ("a-rose", "2")]
