"""A study without what cannot be made has exactly the other cells, and so has its file."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teststrip import study as studies
from teststrip.errors import StudyError
from teststrip.records import Cell
from teststrip.study.cells import combinations


@st.composite
def asked(draw):
    """A study of up to three axes, and some of its cells."""
    sizes = {"guidance_scale": 4, "num_inference_steps": 3, "width": 2}
    names = draw(st.lists(st.sampled_from(sorted(sizes)), unique=True, min_size=1))
    values = {"guidance_scale": [1, 2, 3, 4], "num_inference_steps": [5, 6, 7], "width": [64, 128]}
    known_bad = [{names[0]: values[names[0]][0]}]
    study = studies.study(
        name="s",
        prompts=["an owl"],
        engine={"name": "pattern"},
        axes={name: values[name] for name in names},
        question={"known_bad": known_bad},
    )
    cells = [Cell(labels) for labels in combinations(study)]
    return study, cells, draw(st.sets(st.sampled_from(cells), max_size=len(cells)))


@given(asked())
def test_what_is_left_are_the_cells_that_can_be_made_also_read_from_the_file(case) -> None:
    study, cells, failing = case
    left = [cell.levels for cell in cells if cell not in failing]
    if not left:
        with pytest.raises(StudyError, match="none of its settings can be made"):
            studies.without(study, cells, failing)
        return
    smaller = studies.without(study, cells, failing)
    assert list(combinations(smaller)) == left
    again = studies.parse(tomllib.loads(studies.dump(smaller)), place="s", folder=Path())
    assert list(combinations(again)) == left


@given(asked())
def test_rules_mean_the_failing_cells_and_no_others(case) -> None:
    _, cells, failing = case
    meant = {cell for cell in cells for rule in studies.rules(cells, failing) if set(rule) <= set(cell.levels)}
    assert meant == failing


def test_an_engine_that_nothing_uses_any_more_is_left_out_too() -> None:
    study = studies.study(
        name="s",
        prompts=["an owl"],
        engines={"a": {"name": "pattern"}, "b": {"name": "pattern", "guidance_scale": 3}},
        axes={"engine": ["a", "b"]},
    )
    cells = [Cell(labels) for labels in combinations(study)]
    smaller = studies.without(study, cells, cells[1:])
    assert list(smaller.engines) == ["a"]
    assert studies.parse(tomllib.loads(studies.dump(smaller)), place="s", folder=Path()).engines == smaller.engines
