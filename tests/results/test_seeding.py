"""Engines say whether a seed gives its picture again, and conclusions pair seeds only where it does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests import installing, studies

from teststrip.records import EngineRef
from teststrip.results import seeding
from teststrip.verbs.run import drive
from teststrip.views import report

SERVICE = """
from teststrip.engines.pattern import PatternEngine


class Loose(PatternEngine):
    seeds = "best effort"


class Seedless(PatternEngine):
    seeds = "none"


class Exact(PatternEngine):
    pass
"""


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {"engines": {"loose": "service:Loose", "seedless": "service:Seedless", "exact": "service:Exact"}}
    installing.distribution(tmp_path / "site", "service", parts, SERVICE)
    installing.reach(tmp_path / "site", monkeypatch)


@pytest.mark.usefixtures("services")
@pytest.mark.parametrize("engine", ["loose", "seedless", "exact", "pattern"])
def test_seeds_pair_pictures_only_where_the_engine_makes_them_again(engine: str, tmp_path: Path) -> None:
    study = studies.little(engine={"name": engine}, prompts=[f"a {n}" for n in range(6)], replicates=3)
    with drive(study, tmp_path / "run", trackers=[], views=False).result as made:
        told, best = report.text(made), report.best_as_json(made)["recommendations"]
        axes = [finding for finding in made.findings if finding.kind == "axis"]
        assert made.recommendations
        assert best[0]["sentence"] == made.recommendations[0].sentence
    exact = engine in ("exact", "pattern")
    assert {finding.paired for finding in axes} == {exact}
    assert all(("not paired by seed" in finding.method) != exact for finding in axes if finding.seeds)
    assert all(("not by seed" in finding.method) != exact for finding in axes if not finding.seeds)
    assert ("Not paired" in told) != exact


@pytest.mark.usefixtures("services")
def test_one_engine_without_exact_seeds_is_enough_and_an_absent_one_counts_as_exact() -> None:
    study = studies.little()
    engines = {"one": EngineRef("pattern"), "other": EngineRef("loose")}
    assert seeding.paired(study)
    assert not seeding.paired(replace(study, engines=engines))
    assert seeding.paired(replace(study, engines={"gone": EngineRef("no-such-engine")}))
