"""Engines unlike those of today: no denoiser calls to count, no seeds, a price. A plan says what it can."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest
from tests.study.toy import ToyEngine, install

import teststrip
from teststrip import plan
from teststrip.plan import Measured
from teststrip.records import Price, Seeds, Value
from teststrip.verbs import forecast


class Hosted(ToyEngine):
    """A service somewhere: it counts no calls, takes no seed and wants money."""

    seeds: ClassVar[Seeds] = "none"

    def calls(self, settings: Mapping[str, Value]) -> int | None:
        return None

    def price(self, settings: Mapping[str, Value]) -> Price | None:
        return Price(0.04 if settings["zoom"] == 1 else 0.08, "USD")


class Cautious(ToyEngine):
    seeds: ClassVar[Seeds] = "best effort"


STUDY = """
name = "hosted"
prompts = ["an owl", "a cat"]
replicates = 3
engine = { name = "hosted" }
axes = { zoom = [1.0, 2.0] }
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    install(tmp_path, monkeypatch, hosted=f"{__name__}:Hosted", cautious=f"{__name__}:Cautious")
    (tmp_path / "study.toml").write_text(STUDY)
    return tmp_path / "study.toml"


def test_a_plan_without_calls_counts_none_and_prices_what_is_left(file: Path) -> None:
    made = plan.of(teststrip.read(file))
    summary = made.summary()
    assert (summary.calls, summary.calls_left, summary.seconds_left) == (None, None, None)
    assert [price.currency for price in summary.price_left] == ["USD"]
    assert summary.price_left[0].amount == pytest.approx(6 * 0.04 + 6 * 0.08)
    some = {one.shot.id for one in made if one.cell["zoom"] == "2"}
    assert made.summary(some).price_left[0].amount == pytest.approx(6 * 0.04)


def test_time_without_calls_is_reckoned_by_the_image(file: Path) -> None:
    assert plan.of(teststrip.read(file)).summary(pace={"engine": Measured(5.0, "asked")}).seconds_left == 12 * 5.0


def test_nothing_is_bought_to_learn_how_long_it_takes(file: Path) -> None:
    overview = forecast.of(file)
    assert forecast.calibrated(overview).pace == {}
    said = "\n".join(forecast.lines(overview))
    assert "at most 0.72 USD" in said
    assert "denoiser calls" not in said


@pytest.mark.parametrize(("engine", "words"), [("hosted", "takes no seed"), ("cautious", "gives a like picture")])
def test_a_plan_says_when_seeds_do_not_bring_a_picture_back(file: Path, engine: str, words: str) -> None:
    summary = plan.of(teststrip.read(file, [f"engine.name={engine}"])).summary()
    assert [words in warning for warning in summary.warnings] == [True]


def test_engines_with_exact_seeds_are_not_warned_of(file: Path) -> None:
    asked = teststrip.read(file, ["engine.name=pattern", "axes=", "axes.guidance_scale=[1,2]"])
    assert plan.of(asked).summary().warnings == ()
