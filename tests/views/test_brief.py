"""The short report: the answer first, each claim and each limit once, and a table of what is best."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests import studies

from teststrip.analysis.advice.answer import card
from teststrip.analysis.advice.costs import Point
from teststrip.analysis.advice.recommendation import Recommendation
from teststrip.results.result import Result
from teststrip.verbs.run import drive
from teststrip.views import board, brief, report
from teststrip.views import summary as summaries
from teststrip.views.markdown import escape

EIGHT = [f"a {thing}" for thing in ("rose", "car", "cat", "king", "boat", "tree", "owl", "city")]


def run(folder: Path, *, limit: int | None = None, views: bool = False, **changes: Any) -> Result:
    keys = {
        "prompts": EIGHT,
        "settings": {"width": 16, "height": 16},
        "question": {"metrics": ["sharpness", "seconds"]},
    }
    study = studies.little(**{**keys, **changes})
    return drive(study, folder, limit=limit, trackers=[], views=views).result


def test_costs_are_facts_of_the_table_and_no_findings(tmp_path: Path) -> None:
    with run(tmp_path / "run", engine={"seconds": 0.001}, axes={"num_inference_steps": [2, 60]}) as made:
        told = brief.of(summaries.of(made))
        assert any(finding.metric == "seconds" and finding.leads for finding in made.findings)
    assert not [claim for claim in told.found if "seconds" in claim[0]]
    assert {"time", "calls", "sharpness", "images"} <= set(told.heads)
    assert len({len(row) for row in (told.heads, *told.rows)}) == 1


@pytest.mark.parametrize("levels", [1, 2, 6, 7])
def test_the_table_shows_the_first_settings_and_counts_the_others(levels: int, tmp_path: Path) -> None:
    with run(tmp_path / "run", axes={"guidance_scale": list(range(1, levels + 1))}) as made:
        told, text = brief.of(summaries.of(made)), report.text(made)
    assert len(told.rows) + told.others == levels
    assert len(told.rows) == (levels if levels <= brief.MOST_ROWS + 1 else brief.MOST_ROWS), "one more is no count"
    assert (f"… and {told.others} more" in text) == (told.others > 0)


@pytest.mark.parametrize("level", range(7))
def test_the_setting_that_the_answer_names_is_in_the_table_wherever_it_stands(level: int, tmp_path: Path) -> None:
    labels = ["1", "2", "3", "4", "5", "6", "7"]
    with run(tmp_path / "run", prompts=["a"], axes={"guidance_scale": [int(label) for label in labels]}) as made:
        summary = summaries.of(made)
    named = Point(
        labels[level], (("guidance_scale", labels[level]),), 1, 1, 1, 1, 1, frontier=True, frontier_by_seconds=True
    )
    answer = Recommendation("sharpness", "use it", choice=named)
    told = brief.of(replace(summary, recommendations=(answer,)))
    assert [row[1] for row in told.rows if row[0]] == [labels[level]]
    assert len(told.rows) + told.others == 7


def test_an_axis_that_changes_no_pixel_is_found_first(tmp_path: Path) -> None:
    with run(tmp_path / "run", axes={"eta": [0.0, 0.5], "guidance_scale": [1, 7]}) as made:
        told = brief.of(summaries.of(made))
    assert told.found[0][0].startswith("eta changes nothing")


def test_what_is_not_made_yet_and_what_failed_is_borne_in_mind_once(tmp_path: Path) -> None:
    engine = {"fail": "refused: guidance_scale=7, prompt=a king"}
    with run(tmp_path / "half", limit=5) as made:
        text = report.text(made)
        assert text.count("11 of 16 images are not made yet") == 1
    with run(tmp_path / "refused", engine=engine) as made:
        text = report.text(made)
        assert text.count("(1 refused)") == 1


def test_nothing_is_said_twice(tmp_path: Path) -> None:
    with run(tmp_path / "run", replicates=2, axes={"guidance_scale": [1, 7], "num_inference_steps": [2, 8]}) as made:
        for text in (report.text(made), report.markdown(made)):
            lines = [line.strip("-* ") for line in text.splitlines() if len(line) > 30 and not line.startswith("|")]
            assert len(lines) == len(set(lines))


def test_where_all_scores_only_describe_one_card_says_so(tmp_path: Path) -> None:
    with run(tmp_path / "run", axes={"guidance_scale": [1, 7]}, question={"metrics": ["sharpness", "chroma"]}) as made:
        assert report.text(made).count("it only describes pictures") == 1
        assert report.full_text(made).count("it only describes pictures") >= 2


def test_the_short_report_leads_to_the_full_one_and_to_its_charts(tmp_path: Path) -> None:
    run(tmp_path / "run", views=True).close()
    folder = tmp_path / "run"
    text = (folder / "report.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert "report-full.md" in links
    assert all((folder / link).is_file() for link in links)
    full = (folder / "report-full.md").read_text(encoding="utf-8")
    assert len(text) < len(full) / 2


def test_labels_from_anywhere_cannot_break_the_short_markdown(tmp_path: Path) -> None:
    axes = {
        "look": [{"label": "| x ](javascript:1) <script> `", "guidance_scale": 1}, {"label": "y", "guidance_scale": 7}]
    }
    with run(tmp_path / "run", axes=axes) as made:
        text = report.markdown(made)
    assert "<script>" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 4
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1


def test_a_study_with_nothing_to_tell_still_has_a_short_report(tmp_path: Path) -> None:
    with run(tmp_path / "run", limit=0, prompts=["a"], axes={}, question={"metrics": []}) as made:
        text = report.text(made)
    assert "0 of 1 image" in text
    assert "No score here says which pictures are better." in text


def test_page_report_and_terminal_give_one_answer_in_the_same_words(tmp_path: Path) -> None:
    for seeds, levels in ((1, [1, 7]), (4, [2, 60]), (1, [3])):
        folder = tmp_path / f"{seeds}-{levels[0]}"
        axes = {"num_inference_steps": levels}
        with run(folder, replicates=seeds, axes=axes, engine={"seconds": 0.001}) as made:
            said = board.of(made)["head"]["answer"]
            whole = [*card(summaries.of(made).answer)]
            text, page = report.text(made), report.markdown(made)
        for words in filter(None, (said["headline"], said["about"], said["why"], said["beside"], *said["facts"])):
            assert any(words in line for line in whole)
        assert [line.removeprefix("│ ") for line in text.splitlines() if line.startswith("│ ")] == whole
        for line in whole:
            assert escape(line) in page


@pytest.mark.parametrize("width", [40, 80, 120, None])
def test_the_table_of_settings_fits_the_terminal_and_always_names_settings(width: int | None, tmp_path: Path) -> None:
    axes = {"guidance_scale": [1, 7], "scheduler": ["DDIMScheduler", "EulerAncestralDiscreteScheduler"]}
    metrics = ["sharpness", "colourfulness", "contrast", "seconds"]
    with run(tmp_path / "run", axes=axes, question={"metrics": metrics}) as made:
        text = report.text(made, width)
    lines = text.splitlines()
    rule = next(n for n, line in enumerate(lines) if "───" in line)
    heads, table = lines[rule - 1], lines[rule:]
    assert {"guidance", "scheduler"} <= set(heads.split())
    if width != 40:
        assert max(map(len, [heads, *table[:5]])) <= (width or 200)
    if width in (120, None):
        assert {"time", "images"} <= set(heads.split())
    said = "no room here for: " in text
    assert said == ("images" not in heads.split())
