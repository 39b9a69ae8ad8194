"""Rows in a grid: one label, one `where` and one pick for notebook, contact sheets, trackers and the page."""

from __future__ import annotations

import io
import json
import random
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

import teststrip
from teststrip import pictures
from teststrip.errors import UsageError
from teststrip.records import Cell, EngineRef, Image, Planned, Prompt, Row, Shot
from teststrip.results import Result
from teststrip.rows import grid, seeds
from teststrip.trackers import content
from teststrip.verbs import export
from teststrip.verbs.run import drive

NODE = shutil.which("node")
LOAD = Path(__file__).parents[1] / "javascript" / "load.js"


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    study = teststrip.Study(
        name="grid",
        engine={"name": "pattern"},
        prompts=[{"id": "bird", "text": "an owl"}, {"id": "flower", "text": "a rose"}],
        replicates=3,
        settings={"width": 32, "height": 32},
        axes={"guidance_scale": [1, 7.5], "sampler": [
            {"label": "slow", "scheduler": "DDIMScheduler"},
            {"label": "fast", "scheduler": "DPMSolverMultistepScheduler"},
        ]},
        question={"metrics": ["sharpness"]},
    )  # fmt: skip
    return drive(study, tmp_path_factory.mktemp("grid") / "s", trackers=[]).result


def test_replicates_are_counted_from_one_wherever_people_see_them(result: Result) -> None:
    assert grid.labels(result.study, result.rows(), grid.REPLICATE) == ["1", "2", "3"]
    assert sorted(set(result.frame()["replicate"])) == [1, 2, 3]
    table = export.write(result, "csv").read_text(encoding="utf-8").splitlines()
    place = table[0].split(",").index("replicate")
    assert {line.split(",")[place] for line in table[1:]} == {"1", "2", "3"}


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ({"prompt": "bird"}, 12),
        ({"prompt": "an owl"}, 12),
        ({"guidance_scale": "7.5"}, 12),
        ({"guidance_scale": 7.5}, 12),
        ({"guidance_scale": 1}, 12),
        ({"guidance_scale": 1.0}, 12),
        ({"sampler": "fast", "replicate": 3}, 4),
        ({}, 24),
    ],
)
def test_where_takes_a_label_a_value_a_prompts_id_or_its_text(result: Result, where: dict, count: int) -> None:
    assert len(grid.wanted(result.rows(), where)) == count


def test_a_seed_is_a_place_too(result: Result) -> None:
    seed = result.planned[0].shot.seed
    assert {row.planned.shot.seed for row in grid.wanted(result.rows(), {"seed": seed})} == {seed}


def test_what_is_not_there_is_named_with_what_there_is(result: Result) -> None:
    with pytest.raises(UsageError, match=r"no axis 'sampller'\. Did you mean 'sampler'"):
        grid.wanted(result.rows(), {"sampller": "fast"})
    with pytest.raises(UsageError, match="no image fits"):
        grid.wanted(result.rows(), {"prompt": "a dog"})


def tiles(picture: Pillow.Image, row: Row, result: Result, side: int) -> int:
    """How often a row's picture stands in a sheet, to the pixel."""
    assert row.image
    own = Pillow.fromarray(pictures.decode(result.store.read(row.image)))
    wanted = np.asarray(own.resize((side, side), Pillow.Resampling.LANCZOS))
    pixels = np.asarray(picture.convert("RGB"))
    corners = (pixels[: 1 - side, : 1 - side] == wanted[0, 0]).all(axis=2)
    return sum((pixels[y : y + side, x : x + side] == wanted).all() for y, x in np.argwhere(corners))


def test_notebook_sheet_and_trackers_show_the_same_picture_at_the_same_place(result: Result) -> None:
    """All three by the same words: guidance across, sampler down, the owl, its typical seed."""
    typical = seeds.typical(result.rows(), "sharpness")["bird"]
    shown = [row for row in result.rows() if row.planned.prompt.id == "bird" and row.planned.replicate == typical]
    notebook = result.grid("guidance_scale", "sampler", side=32, where={"prompt": "bird"})
    export.write(
        result, "contact-sheet", result.folder / "sheet.png",
        rows="sampler", columns="guidance_scale", side=32, where={"prompt": "bird"},
    )  # fmt: skip
    sheet = Pillow.open(result.folder / "sheet.png")
    tracked = Pillow.open(io.BytesIO(dict(content.grids(result.study, result.rows(), result.folder, 32))["bird"]))
    for picture in (notebook, sheet, tracked):
        assert [tiles(picture, row, result, 32) for row in shown] == [1, 1, 1, 1]


def scored(values: list[float | None]) -> list[Row]:
    rows = []
    for i, value in enumerate(values):
        planned = Planned(Shot(EngineRef("x"), {"prompt": "p", "seed": i}), Cell(()), Prompt("p", "p"), i)
        image = Image(planned.shot.id, f"d{i}", f"images/{i}.png", 8, 8, 1, 1.0, "f")
        rows.append(Row(planned, image=image, scores={} if value is None else {"quality": value}))
    return rows


@pytest.mark.process
@pytest.mark.skipif(NODE is None, reason="no node on the PATH")
@pytest.mark.parametrize("better", [True, False, None])
def test_the_page_picks_the_same_picture(better: bool | None) -> None:
    draw = random.Random(f"picks {better}")
    cases = [[draw.choice([None, *range(4)]) for _ in range(draw.randint(1, 7))] for _ in range(200)]
    script = f"""
      const {{ load, raw }} = require({json.dumps(str(LOAD))});
      const get = load(["board.js", "numbers.js"]);
      const [Board, Numbers] = [get("Board"), get("Numbers")];
      const board = Board.model(raw());
      board.metrics[0].higher_is_better = {json.dumps(better)};
      const picks = ["median", "best", "worst", "first"];
      console.log(JSON.stringify({json.dumps(cases)}.map((values) => {{
        const places = values.map((value, i) => ({{ i, file: "x", scores: [value] }}));
        return picks.map((pick) => Numbers.choose(board, places, pick, "quality").i);
      }})));
    """
    said = subprocess.run([str(NODE), "-e", script], capture_output=True, text=True, check=True).stdout
    for values, page in zip(cases, json.loads(said), strict=True):
        rows = scored(values)
        picked = [
            grid.pick(rows, how, "quality", higher_is_better=better) for how in ("median", "best", "worst", "first")
        ]
        assert [row.planned.replicate for row in picked] == page, values
