"""The board says what the rows say, as JSON that may stand in a script."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from tests.browser.boards import rows_of, study_of

import teststrip
from teststrip.metrics.pixels import Sharpness
from teststrip.records import Cell, EngineRef, Estimate, Finding, Image, Planned, Prompt, Row, Shot
from teststrip.verbs.run import drive
from teststrip.views import board


def test_each_row_becomes_a_place_with_its_levels_and_its_picture(tmp_path: Path) -> None:
    study = study_of(["an owl", "a car"], ["soft", "hard"], replicates=2)
    rows = list(rows_of(study, tmp_path, failure=["no memory left"]))
    made = board.build(study, rows, cards={"sharpness": Sharpness.card})
    assert len(made["places"]) == len(rows) == 16
    for place, row in zip(made["places"], rows, strict=True):
        at = made["cells"][place["cell"]]["at"]
        labels = [axis["labels"][level] for axis, level in zip(made["axes"], at, strict=True)]
        assert labels == [label for _, label in row.planned.cell.levels]
        assert made["prompts"][place["prompt"]]["id"] == row.planned.prompt.id
        assert place["seed"] == row.planned.shot.seed
        assert place.get("digest") == (row.image.digest if row.image else None)
    assert made["places"][0]["failure"] == {"reason": "error", "text": "no memory left", "retryable": True}
    assert made["progress"] == {"total": 16, "made": 15, "failed": 1}
    assert made["metrics"] == [
        {
            "name": "sharpness",
            "unit": "squared levels",
            "higher_is_better": None,
            "describes": "noise and grain count as sharpness",
        }
    ]


def test_the_page_is_told_what_people_call_each_name(tmp_path: Path) -> None:
    study = study_of(["an owl"], ["soft"])
    rows = [replace(row, scores={"clip_score": 1.0}) for row in rows_of(study, tmp_path)]
    titles = board.build(study, rows)["titles"]
    assert titles == {
        "style": "style",
        "num_inference_steps": "steps",
        "sharpness": "sharpness",
        "clip_score": "CLIP score",
        "eta": "eta",
    }


def test_the_numbers_of_a_finding_have_the_digits_that_its_sentence_has() -> None:
    study = study_of(["an owl"], ["soft"])
    numbers = [(-0.1234, -0.234, 0.0274), (1234.56, 1200.4, 1268.7), (0.00012, -0.5, 0.5), (3.0, math.nan, math.nan)]
    levels = tuple(Estimate("7", 7.0, mean, low, high, 12, 24) for mean, low, high in numbers)
    found = Finding(
        *("clip_score", "guidance_scale", "8 against 6", -0.1234, -0.234, 0.0274, 0.95, 0.2, 0.1, 12, 24),
        *("inconclusive", "Student's t"),
        levels=levels,
    )
    (made,) = board.build(study, [], findings=[found])["findings"]
    assert made["detail"] == "−0.23 to +0.03 fits · 12 prompts · less than 0.2 counts as no change"
    assert made["headline"] == "CLIP score: 8 against 6"
    assert made["sentence"] == "CLIP score: 8 against 6"
    assert [level["text"] for level in made["levels"]] == [
        "−0.12 (95 % from −0.23 to 0.03)",
        "1,235 (95 % from 1,200 to 1,269)",
        "0.00 (95 % from −0.50 to 0.50)",
        "3",
    ]


def test_settings_are_said_once_where_all_shots_share_them(tmp_path: Path) -> None:
    study = study_of(["an owl"], ["soft"])
    rows = [with_settings(row, {**row.planned.shot.settings, "width": 512}) for row in rows_of(study, tmp_path)]
    made = board.build(study, rows)
    assert made["study"]["settings"] == {"eta": 0.0, "width": 512}
    assert [cell["settings"] for cell in made["cells"]] == [{"num_inference_steps": 4}, {"num_inference_steps": 8}]


def with_settings(row: Row, settings: dict) -> Row:
    planned = row.planned
    shot = Shot(EngineRef("pattern"), settings)
    return Row(Planned(shot, planned.cell, planned.prompt, planned.replicate), image=row.image, scores=row.scores)


def test_a_prompt_whose_words_were_filled_is_said_as_the_model_read_it(tmp_path: Path) -> None:
    study = study_of(["an {animal}"], ["soft"])
    rows = [with_settings(row, {**row.planned.shot.settings, "prompt": "an owl"}) for row in rows_of(study, tmp_path)]
    assert {place["text"] for place in board.build(study, rows)["places"]} == {"an owl"}


@given(st.floats())
def test_a_score_is_a_number_or_nothing(value: float) -> None:
    study = study_of(["an owl"], ["soft"], steps=[4])
    shot = Shot(EngineRef("pattern"), {"prompt": "an owl", "seed": 1})
    planned = Planned(shot, Cell((("style", "soft"), ("num_inference_steps", "4"))), Prompt("p0", "an owl"), 0)
    image = Image(shot.id, "0" * 64, "images/00/0.png", 8, 8, 1, 0.1, "f")
    made = board.build(study, [Row(planned, image=image, scores={"sharpness": value})])
    kept = made["places"][0]["scores"][0]
    assert kept is None if not math.isfinite(value) else math.isclose(kept, value, rel_tol=1e-5, abs_tol=1e-300)
    json.loads(board.to_json(made))


@given(st.text())
def test_json_cannot_end_the_script_it_stands_in(text: str) -> None:
    said = board.to_json({"text": text})
    assert not re.search("[<>&\u2028\u2029]", said)
    assert json.loads(said)["text"] == text.encode("utf-8", "replace").decode()


def test_an_axis_that_changes_no_pixel_is_a_warning(tmp_path: Path) -> None:
    keys = {"name": "dead", "engine": {"name": "pattern"}, "prompts": ["an owl"], "settings": {"width": 8, "height": 8}}
    study = teststrip.Study(**keys, axes={"eta": [0.0, 1.0], "guidance_scale": [1, 7]})
    with drive(study, tmp_path / "s", trackers=[], views=False).result as result:
        (warning,) = board.of(result)["warnings"]
    assert warning.startswith("eta changes nothing: 0 and 1 gave identical pixels")
