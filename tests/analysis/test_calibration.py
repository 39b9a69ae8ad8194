"""The campaign, small: verdicts are wrong no more often than promised. The large one is `make campaign`."""

from __future__ import annotations

import doctest
import json

import numpy as np
import pytest
from bench import calibration
from scipy import stats

from teststrip.analysis import conclude
from teststrip.analysis.kinds.terms import Terms
from teststrip.analysis.numbers import judging, margin
from teststrip.records import Card

STUDIES = 250


def most(share: float) -> float:
    """The count that a true rate of `share` exceeds in one run of a thousand."""
    return float(stats.binom.ppf(0.999, STUDIES, share)) / STUDIES


@pytest.mark.parametrize("prompts", [6, 30])
@pytest.mark.parametrize("data", calibration.DATA)
def test_verdicts_are_wrong_no_more_often_than_promised(data: str, prompts: int) -> None:
    setting = calibration.Setting(data, prompts)
    rng = np.random.default_rng([11, prompts])
    null = calibration.under_null(rng, setting, STUDIES)
    assert null["coverage"] == pytest.approx(0.95, abs=0.025)
    assert null["false_different"] <= most(0.06)
    assert calibration.at_margin(rng, setting, STUDIES)["false_equivalent"] <= most(0.055)


def test_a_planted_effect_of_the_promised_size_is_found() -> None:
    found = calibration.at_promise(np.random.default_rng(12), calibration.Setting("balanced", 30), STUDIES)
    assert found["found"] >= 1 - most(1 - 0.77)


def test_the_recommended_setting_is_rarely_worse_by_the_margin() -> None:
    made = calibration.recommended(np.random.default_rng(13), 100)
    assert made["worse_by_margin"] <= stats.binom.ppf(0.999, 100, 0.05) / 100


def test_the_campaign_counts_the_verdicts_that_a_report_tells() -> None:
    setting = calibration.Setting("missing cells", 12)
    layout = calibration.layout_of(setting)
    effect = np.array([0.5 * cell[1] for cell in layout.cells])
    values = calibration.simulate(np.random.default_rng(14), setting, 2, layout, effect)
    sd, se = margin.sd_of_seeds(values)
    from teststrip.analysis.numbers import effects

    judged = judging.judge(values, layout, effects.planned(layout), 0.2 * sd, 0.2 * se)
    for study in range(2):
        told = conclude.of_metric(layout, values[study], Card("score"), Terms(0.2, scope="prompts like these"))
        rows = {row.asked: row for finding in told if finding.kind != "cells" for row in finding.comparisons}
        for i, contrast in enumerate(judged.contrasts):
            assert rows[contrast.asked].verdict == judged.verdict[study, i]
            assert rows[contrast.asked].low == pytest.approx(judged.outer.low[study, i], rel=1e-9)


def test_the_published_campaign_keeps_every_promise() -> None:
    results = json.loads(calibration.RESULTS.read_text(encoding="utf-8"))
    assert results["studies"] >= 2_000
    rows = [row for row in results["rows"] if row["data"] in calibration.DATA]
    assert {(row["data"], row["prompts"]) for row in rows} == {
        (d, p) for d in calibration.DATA for p in (6, 10, 30, 100)
    }
    for row in rows:
        assert 0.935 <= row["coverage"] <= 0.965
        assert row["false_different"] <= 0.06
        assert row["false_equivalent"] <= 0.055
        assert row.get("found", 1) >= 0.77
    assert results["recommendation"]["worse_by_margin"] <= 0.05


def test_the_table_in_the_docs_is_made_from_the_results_file() -> None:
    results = json.loads(calibration.RESULTS.read_text(encoding="utf-8"))
    assert calibration.table(results) in calibration.PAGE.read_text(encoding="utf-8")


def test_the_example_in_the_docs_computes_what_it_says() -> None:
    failed, tried = doctest.testfile(str(calibration.PAGE), module_relative=False)
    assert tried > 5
    assert failed == 0
