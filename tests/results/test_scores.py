"""Only scores that count are read: what else a ledger holds changes no row, and is not looked at."""

from __future__ import annotations

import hashlib
import math
import shutil
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tests import studies

from teststrip import plan
from teststrip.metrics.pixels import Sharpness
from teststrip.records import Score
from teststrip.results.result import open_result
from teststrip.results.scores import MOST_UNNAMED
from teststrip.store import Store
from teststrip.study.cells import places
from teststrip.verbs.run import drive

PRESENT = Sharpness().fingerprint().id
DESIGN = {"settings": {"width": 16, "height": 16}, "axes": {"guidance_scale": [1, 7]}, "replicates": 2}


def hexed(text: object) -> str:
    return hashlib.sha256(str(text).encode()).hexdigest()


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A finished study that asks for sharpness."""
    folder = tmp_path_factory.mktemp("asked") / "study"
    drive(
        studies.little(**DESIGN, question={"metrics": ["sharpness"]}), folder, trackers=(), views=False
    ).result.close()
    return folder


@pytest.fixture(scope="module")
def unnamed(tmp_path_factory):
    """A finished study that names no metric."""
    folder = tmp_path_factory.mktemp("unnamed") / "study"
    drive(studies.little(**DESIGN, question={}), folder, trackers=(), views=False).result.close()
    return folder


@pytest.fixture
def stuffed(tmp_path):
    """Copies a folder and puts scores into its ledger."""

    def make(folder: Path, scores: list[Score]) -> Path:
        copy = tmp_path / hexed(scores)[:16]
        shutil.copytree(folder, copy, dirs_exist_ok=True)
        with Store(copy, write=True) as store:
            store.add_scores(scores)
        return copy

    return make


def scores_of(folder: Path) -> list[dict[str, float]]:
    with open_result(folder) as result:
        return [dict(row.scores) for row in result.rows()]


def digests_of(folder: Path) -> list[str]:
    with open_result(folder) as result:
        return [row.image.digest for row in result.rows() if row.image]


@settings(max_examples=15, deadline=None)
@given(data=some.data())
def test_scores_nobody_asked_for_change_no_row(asked, tmp_path_factory, data):
    own = digests_of(asked)
    digests = some.lists(some.sampled_from([*own, *map(hexed, range(3))]), min_size=1, max_size=3)
    numbers = some.floats(-9, 9)
    others = some.one_of(
        some.builds(Score, some.sampled_from(["clipped", "unknown"]), digests.map(tuple), numbers, some.just(PRESENT)),
        some.builds(Score, some.just("sharpness"), digests.map(tuple), numbers, some.sampled_from([hexed("v"), "old"])),
        some.builds(Score, some.just("sharpness"), some.just((hexed(0),)), numbers, some.just(PRESENT)),
    )
    copy = tmp_path_factory.mktemp("law") / "study"
    shutil.copytree(asked, copy)
    with Store(copy, write=True) as store:
        store.add_scores(data.draw(some.lists(others, max_size=40)))
    assert scores_of(copy) == scores_of(asked)


def test_rows_that_count_are_found_among_more_than_one_query_takes(stuffed, asked):
    items = [(hexed(number),) for number in range(1201)]
    folder = stuffed(asked, [Score("m", names, float(number), "v") for number, names in enumerate(items)])
    with Store(folder) as store:
        found = {score.digests: score.value for score in store.scores_of("m", "v", items)}
        assert found == {names: float(number) for number, names in enumerate(items)}
        assert list(store.scores_of("m", "v", [(hexed(-1),)])) == list(store.scores_of("m", "w", items)) == []


def test_a_row_that_nobody_asks_for_is_not_read_and_verify_names_it(stuffed, asked):
    folder = stuffed(asked, [Score("junk", (hexed(1),), 1.0, "v")])
    ledger = sqlite3.connect(folder / "study.sqlite")
    with ledger:
        ledger.execute("UPDATE scores SET value = 'abc' WHERE metric = 'junk'")
    ledger.close()
    assert scores_of(folder) == scores_of(asked)
    with Store(folder) as store:
        assert any("'junk'" in problem.where for problem in store.verify())


def test_where_the_present_version_has_no_score_the_fullest_counts(stuffed, unnamed):
    first, second, *_ = digests_of(unnamed)
    few, many = hexed("few"), hexed("many")
    folder = stuffed(unnamed, [Score("made-elsewhere", (first,), 1.0, few)])
    assert scores_of(folder)[0]["made-elsewhere"] == 1.0
    folder = stuffed(
        unnamed,
        [
            Score("made-elsewhere", (first,), 1.0, few),
            *(Score("made-elsewhere", (d,), 2.0, many) for d in (first, second)),
        ],
    )
    assert [row.get("made-elsewhere") for row in scores_of(folder)[:3]] == [2.0, 2.0, None]
    with open_result(folder) as result:
        assert result.versions["made-elsewhere"] == many


def test_a_study_that_names_no_metric_has_those_with_scores_up_to_a_bound(stuffed, unnamed):
    digest = digests_of(unnamed)[0]
    names = [f"a{number:04}" for number in range(3 * MOST_UNNAMED)]
    found = scores_of(stuffed(unnamed, [Score(name, (digest,), math.nan, "v") for name in names]))
    assert list(found[0]) == names[:MOST_UNNAMED]
    assert "sharpness" in scores_of(unnamed)[0]


@given(
    levels=some.lists(some.integers(1, 4), min_size=1, max_size=2),
    prompts=some.integers(1, 3),
    replicates=some.integers(1, 3),
    excluded=some.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_places_are_counted_as_the_plan_counts_them(levels, prompts, replicates, excluded):
    names = ("guidance_scale", "num_inference_steps")[: len(levels)]
    axes = {name: list(range(1, count + 2)) for name, count in zip(names, levels, strict=True)}
    rules = {"exclude": [dict.fromkeys(names, 1)]} if excluded and len(levels) == 2 else {}
    study = studies.little(prompts=[f"p{i}" for i in range(prompts)], replicates=replicates, axes=axes, **rules)
    assert places(study) == len(plan.of(study)) == len(list(plan.of(study)))
