"""The report of real runs: sentences, tables, charts, appendix."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

import teststrip
from teststrip.results.result import Result
from teststrip.verbs.run import drive
from teststrip.views import report
from teststrip.views.markdown import escape


def run(folder: Path, **changes: Any) -> Result:
    keys: dict[str, Any] = {
        "name": "little",
        "engine": {"name": "pattern"},
        "prompts": [f"a {thing}" for thing in ("rose", "car", "cat", "king", "boat", "tree", "owl", "city")],
        "replicates": 2,
        "settings": {"width": 16, "height": 16},
        "axes": {"guidance_scale": [1, 7], "num_inference_steps": [2, 4, 8]},
        "question": {"metrics": ["sharpness", "clipped", "convergence"]},
    }
    return drive(teststrip.Study(**{**keys, **changes}), folder, trackers=[], views=False).result


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Result]:
    fail = "refused: guidance_scale=7, num_inference_steps=8, prompt=a king"
    with run(tmp_path_factory.mktemp("report"), engine={"name": "pattern", "fail": fail}) as made:
        yield made


@pytest.fixture(scope="module")
def told(result: Result) -> str:
    return report.full_markdown(result)


def test_the_report_opens_with_what_was_found(told: str, result: Result) -> None:
    opening = told.split("## Sharpness", maxsplit=1)[0]
    assert "8 prompts × 2 seeds × 6 settings, 94 of 96 images" in opening
    axes = [finding for finding in result.findings if finding.kind in ("axis", "convergence")]
    assert {finding.scope for finding in axes} == {"these prompts", "prompts like these"}
    for finding in axes:
        for line in finding.lines or (finding.sentence,):
            assert (f"- {escape(line)}\n" in opening) >= finding.leads
        claim = (finding.lines or (finding.sentence,))[0]
        assert (escape(claim) in opening) == finding.leads
        assert escape(finding.beside) in opening


def test_each_finding_has_its_table_method_n_and_limits(told: str, result: Result) -> None:
    for finding in result.findings:
        if finding.kind == "missing":
            continue
        claim, *more = finding.lines or (finding.sentence,)
        place = told.index(f"**{escape(claim)}**")
        section = told[place:].split("\n### ", maxsplit=1)[0].split("\n## ", maxsplit=1)[0]
        assert finding.kind == "convergence" or "| comparison |" in section
        assert "Method: " in section
        seeds = f"{finding.seeds} paired seeds, " if finding.scope == "these prompts" else ""
        assert f"n = {finding.prompts} prompts, {seeds}{finding.images:,} images." in section
        assert escape(" ".join(more)) in section
        before = told[:place].rsplit("\n## ", maxsplit=1)[-1]  # where limits stand that all answers of a metric share
        for limit in finding.limits:
            assert escape(limit) in before + section


def test_the_terminal_shows_the_means_of_axes_and_of_all_settings(result: Result) -> None:
    told = report.full_text(result)
    sharpness = told.split("\nsharpness", maxsplit=1)[1].split("\nclipped")[0]
    finding = next(
        f for f in result.findings if f.kind == "axis" and f.metric == "sharpness" and f.axis == "guidance_scale"
    )
    for level in finding.levels:
        row = next(line.split() for line in sharpness.splitlines() if line.split()[:1] == [level.label])
        assert float(row[1].replace("−", "-").replace(",", "")) == pytest.approx(level.mean, rel=0.05)
        assert row[-1] == str(level.images)
    settings = [line for line in sharpness.splitlines() if line.startswith("  guidance")]
    assert len([line for line in settings if " s " in line]) == 6
    assert "sharpness" not in told.split("SD")[-1]


def test_the_charts_lie_beside_the_report_and_are_drawings(result: Result, tmp_path: Path) -> None:
    path = report.write(result, tmp_path).with_name("report-full.md")
    links = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", path.read_text(encoding="utf-8"))
    assert len(links) >= 5
    assert not any("frontier" in link for link in links), "scores that only describe put no setting ahead"
    for link in links:
        root = ET.fromstring((tmp_path / link).read_text(encoding="utf-8"))
        assert root.tag.endswith("svg")
        assert root.findall(".//{*}circle")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["charts", "report-full.md", "report.md"]


def test_a_run_writes_the_report_into_its_folder(tmp_path: Path) -> None:
    tiny = {"width": 8, "height": 8}
    study = teststrip.Study(name="tiny", engine={"name": "pattern"}, prompts=["a rose"], settings=tiny)
    drive(study, tmp_path / "run", trackers=[]).result.close()
    assert (tmp_path / "run/report.md").read_text(encoding="utf-8").startswith("# tiny\n")


def test_refused_pictures_are_counted_by_setting_and_reason(told: str) -> None:
    section = told.split("## Missing images")[1].split("\n## ", maxsplit=1)[0]
    assert r"| guidance\_scale 7, num\_inference\_steps 8 | refused | 2 |" in section
    assert "2 of 96 images are missing (2 refused)" in section


def test_an_axis_that_changes_no_pixel_is_the_first_thing_said(tmp_path: Path) -> None:
    with run(tmp_path / "run", axes={"eta": [0.0, 0.5], "guidance_scale": [1, 7]}) as made:
        first = report.full_markdown(made).split("## In short")[1].strip().splitlines()[0]
    assert first.startswith("- eta changes nothing: 0 and 0.5 gave identical pixels")


def test_the_first_study_is_told_about_its_five_prompts_and_that_they_settle_nothing_in_general(tmp_path: Path) -> None:
    axes = {"guidance_scale": [6, 7, 8, 9], "num_inference_steps": [50, 100, 150, 200]}
    with run(
        tmp_path / "run", prompts=["a", "b", "c", "d", "e"], axes=axes, question={"metrics": ["sharpness"]}
    ) as made:
        lines = report.full_text(made)
        leading = [finding for finding in made.findings if finding.kind == "axis" and finding.leads]
        told = report.full_markdown(made)
    assert {finding.scope for finding in leading} == {"these prompts"}
    assert not {finding.verdict for finding in leading} & {"insufficient design"}
    assert "On these 5 prompts, " in lines
    assert "For prompts like these: 5 prompts cannot tell." in lines
    assert "5 prompts cannot settle whether guidance 6 to 9 matters to sharpness" in told
    assert "as description only" in told
    assert "prompts × 2 seeds" in lines
    assert "On these 5 prompts: 10 paired seeds find a difference of" in lines
    assert "5 prompts cannot settle anything" in lines
    assert "For prompts like these, no recommendation by sharpness: it only describes pictures" in lines


def test_the_appendix_says_how_to_reproduce(told: str, result: Result) -> None:
    appendix = told.split("## To reproduce")[1]
    assert "teststrip run study.toml" in appendix
    assert f"teststrip {teststrip.__version__}" in appendix
    facts = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", appendix, re.DOTALL)]
    made_by, scored_by = result.fingerprints.values(), result.scored_by
    assert len(made_by) == 1
    assert {"sharpness", "clipped", "convergence"} <= set(scored_by)
    assert facts == [dict(fingerprint.facts) for fingerprint in (*made_by, *scored_by.values())]
    assert "What scored: sharpness:" in appendix


def test_json_is_strict_and_holds_every_finding(result: Result) -> None:
    text = json.dumps(report.as_json(result), allow_nan=False)
    found = json.loads(text)
    assert [finding["sentence"] for finding in found["findings"]] == [finding.sentence for finding in result.findings]
    assert found["missing"] == [{"cell": "guidance_scale 7, num_inference_steps 8", "reason": "refused", "images": 2}]
    assert [made["metric"] for made in found["recommendations"]] == ["sharpness", "clipped"]


def test_a_study_not_finished_says_what_its_conclusions_rest_on(tmp_path: Path) -> None:
    study = teststrip.Study(
        name="half",
        engine={"name": "pattern"},
        prompts=["a", "b"],
        settings={"width": 8, "height": 8},
        axes={"guidance_scale": [1, 2]},
    )
    with drive(study, tmp_path / "run", limit=3, trackers=[], views=False).result as made:
        assert "1 of 4 images is not made yet" in report.full_markdown(made)


def test_a_study_without_axes_or_scores_still_has_a_report(tmp_path: Path) -> None:
    study = teststrip.Study(name="bare", engine={"name": "pattern"}, prompts=["a"], settings={"width": 8, "height": 8})
    with drive(study, tmp_path / "run", limit=0, trackers=[], views=False).result as made:
        assert "0 of 1 image" in report.full_markdown(made)
        assert report.as_json(made)["findings"] == []


def test_labels_from_anywhere_cannot_break_the_markdown(tmp_path: Path) -> None:
    hostile = "| x ](javascript:1) <script> `"
    axes = {"look": [{"label": hostile, "guidance_scale": 1}, {"label": "plain", "guidance_scale": 7}]}
    with run(tmp_path / "run", axes=axes, question={"metrics": ["clipped"]}) as made:
        text = report.full_markdown(made)
    assert "<script>" not in text
    rows = [line for line in text.splitlines() if line.startswith("| \\| x")]
    assert rows
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {6}  # five columns, as the table's head


def test_best_prints_the_settings_to_use(result: Result) -> None:
    text = report.best_text(result, "clipped")
    made = report.best_as_json(result, "clipped")["recommendations"][0]
    assert made["sentence"] in text
    for axis, label in (made["choice"] or {"levels": []})["levels"]:
        assert f"  {axis} = {label}" in text
