"""Where a sampler draws fresh noise at each step, the finding says so, whoever knows it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
from tests.metrics.pictures import noise, row

from teststrip import analysis, plan
from teststrip import study as studies
from teststrip.errors import DesignError
from teststrip.metrics.fidelity import Convergence
from teststrip.records import Finding, Planned, Row, Shot, Study
from teststrip.rows import references, tables

CONFIGURED = {"scheduler": "DPMSolverMultistepScheduler", "sampler_noise": True}


def asked(**axes: object) -> Study:
    return studies.study(
        name="noise",
        engine={"name": "pattern"},
        prompts=[f"owl {n}" for n in range(8)],
        axes={"num_inference_steps": [2, 8, 20], **axes},
        question={"metrics": ["convergence"]},
    )


def made(study: Study, facts: Mapping[str, object]) -> list[Row]:
    """A picture in each place of the design, by the model's own scheduler, of which the engine says these facts."""
    image = row(noise(0), facts=facts).image
    return [Row(_by_its_own(planned), image=image) for planned in plan.of(study)]


def _by_its_own(planned: Planned) -> Planned:
    settings = {name: value for name, value in planned.shot.settings.items() if name != "scheduler"}
    return replace(planned, shot=Shot(planned.shot.engine, settings))


def conclude(study: Study, rows: list[Row]) -> tuple[Finding, ...]:
    scored = [Row(one.planned, one.image, scores={"convergence": math.nan}) for one in rows]
    table = tables.columns(study, scored)
    return analysis.of_result_columns(table, study, {"convergence": Convergence.card})


def test_noise_that_is_known_from_the_configuration_alone_is_the_reason_that_the_finding_gives() -> None:
    study = asked()
    rows = made(study, CONFIGURED)
    with pytest.raises(DesignError, match="draw fresh noise"):
        references.pairs(rows, Convergence.card, ())
    (finding,) = conclude(study, rows)
    assert finding.verdict == "insufficient design"
    assert finding.sentence == (
        "Paired convergence is not defined here: DPMSolverMultistepScheduler (as it is configured) draws fresh noise "
        "at each step, so more steps make another picture, not a better copy."
    )


def test_the_sampler_that_a_model_brought_along_is_named_too() -> None:
    (finding,) = conclude(asked(), made(asked(), {"scheduler": "LCMScheduler"}))
    assert "LCMScheduler draws fresh noise" in finding.sentence


def test_all_samplers_that_draw_noise_are_named() -> None:
    study = asked(eta=[0.5, 1.0])
    (finding,) = conclude(study, made(study, {"scheduler": "DDIMScheduler"}))
    assert "DDIMScheduler (eta 0.5) and DDIMScheduler (eta 1) draw fresh noise" in finding.sentence


def test_pictures_that_are_not_made_yet_hide_no_reason() -> None:
    study = asked()
    rows = [Row(one.planned, one.image if n else None) for n, one in enumerate(made(study, CONFIGURED))]
    assert len(conclude(study, rows)) == 1


def test_without_such_a_column_the_names_of_the_samplers_decide() -> None:
    steps, samplers = (2.0, 8.0, 20.0), ("Euler a", "DDIM")
    places = [(prompt, step, sampler) for prompt in range(8) for step in steps for sampler in samplers]
    table = {
        "prompt": [prompt for prompt, _, _ in places],
        "num_inference_steps": [step for _, step, _ in places],
        "sampler": [sampler for _, _, sampler in places],
        "convergence": [20 / step - 1 for _, step, _ in places],
    }
    found = analysis.findings(table, {"convergence": Convergence.card}, axes=["num_inference_steps", "sampler"])
    assert [finding.sentence.split(":")[0] for finding in found if finding.verdict == "insufficient design"] == [
        "Paired convergence is not defined here with Euler a"
    ]
    assert len(found) == 2
