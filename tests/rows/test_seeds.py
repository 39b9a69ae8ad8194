"""One seed in the whole grid: which one is typical, where it is shown, and when the words say that seeds differ."""

from __future__ import annotations

import json
import random
import shutil
import statistics
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.browser.boards import rows_of, study_of

from teststrip.records import Card, Row, Study
from teststrip.rows import choice, grid, seeds
from teststrip.views import board as boards

NODE = shutil.which("node")
LOAD = Path(__file__).parents[1] / "javascript" / "load.js"
CARDS = {"sharpness": Card("sharpness", higher_is_better=True)}


def study(tmp: Path, scores: list[float | None], replicates: int) -> tuple[Study, list[Row]]:
    """Two prompts, four cells; the scores in the order of the plan, None where there is none."""
    made = study_of(["an owl", "a rose"], ["a", "b"], replicates=replicates)
    given = iter(scores)
    rows = []
    for row in rows_of(made, tmp):
        score = next(given)
        rows.append(Row(row.planned, row.image, scores={} if score is None else {"sharpness": score}))
    return made, rows


def drawn(draw: random.Random, replicates: int, *, gaps: float) -> list[float | None]:
    """Scores that often tie, and others that never do, with gaps."""
    kind = draw.choice([lambda: float(draw.randint(0, 3)), lambda: draw.gauss(20, 5)])
    return [None if draw.random() < gaps else kind() for _ in range(2 * replicates * 4)]


@given(replicates=st.integers(1, 7), seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=60)
def test_the_typical_seed_is_the_lower_median_of_the_seeds_means(
    tmp_path_factory: pytest.TempPathFactory, replicates: int, seed: int
) -> None:
    scores = [random.Random(f"{seed} {n}").gauss(20, 5) for n in range(2 * replicates * 4)]
    _, rows = study(tmp_path_factory.getbasetemp() / "typical", scores, replicates)
    for prompt, typical in seeds.typical(rows, "sharpness").items():
        means = [
            statistics.fmean(
                row.scores["sharpness"]
                for row in rows
                if row.planned.prompt.id == prompt and row.planned.replicate == n
            )
            for n in range(replicates)
        ]
        assert means[typical] == statistics.median_low(means)


def test_without_a_score_the_first_seed_is_typical(tmp_path: Path) -> None:
    _, rows = study(tmp_path, [None] * 24, 3)
    assert seeds.typical(rows, "sharpness") == seeds.typical(rows, None) == {"p0": 0, "p1": 0}


def test_a_seed_that_lacks_the_hard_cell_does_not_become_typical_by_it(tmp_path: Path) -> None:
    """The worst seed of three is missing where all score low: its plain mean would be the middle one."""
    made, rows = study(tmp_path, [None] * 24, 3)
    hard = str(rows[0].planned.cell)
    rows = [
        Row(row.planned, row.image, scores={} if (hard, 0) == (cell, n) else {"sharpness": level + n})
        for row in rows
        for cell, n in [(str(row.planned.cell), row.planned.replicate)]
        for level in [0.0 if cell == hard else 100.0]
    ]
    assert made.replicates == 3
    own = [[row.scores["sharpness"] for row in rows if row.scores and row.planned.replicate == n] for n in range(3)]
    plain = [statistics.fmean(scores) for scores in own]
    assert plain.index(statistics.median(plain)) != 1
    assert set(seeds.typical(rows, "sharpness").values()) == {1}


@pytest.mark.process
@pytest.mark.skipif(NODE is None, reason="no node on the PATH")
@pytest.mark.parametrize("gaps", [0.0, 0.2, 0.9])
def test_the_page_finds_the_same_typical_seeds_and_shows_the_same_pictures(tmp_path: Path, gaps: float) -> None:
    draw = random.Random(f"boards {gaps}")
    cases, expected = [], []
    for _ in range(60):
        replicates = draw.randint(1, 6)
        made, rows = study(tmp_path, drawn(draw, replicates, gaps=gaps), replicates)
        rows = [Row(row.planned) if draw.random() < gaps / 2 else row for row in rows]  # no picture
        cases.append(boards.build(made, rows, cards=CARDS))
        typical = seeds.typical(rows, "sharpness")
        chosen = choice.choice(made, rows, CARDS)
        cells = grid.cells((row for row in rows if row.image), [grid.PROMPT_ID, "style", "num_inference_steps"])
        shown = [rows.index(chosen.of(own)) for own in cells.values()]
        expected.append([[typical[prompt.id] for prompt in made.prompts], sorted(shown)])
    (tmp_path / "boards.json").write_text(json.dumps(cases))
    script = f"""
      const {{ load }} = require({json.dumps(str(LOAD))});
      const get = load(["board.js", "numbers.js", "view.js", "pivot.js", "seeds.js"]);
      const [Board, View, Pivot, Seeds] = ["Board", "View", "Pivot", "Seeds"].map(get);
      const cases = JSON.parse(require("node:fs").readFileSync({json.dumps(str(tmp_path / "boards.json"))}));
      console.log(JSON.stringify(cases.map((raw) => {{
        const board = Board.model(raw);
        const view = View.defaults(board);
        const pivot = Pivot.of(board, view);
        const shown = pivot.sections.flatMap((section) => section.rows.flatMap((row) => pivot.cols.map((col) =>
          Seeds.choose(board, view, pivot.places(section, row, col)))))
          .filter((place) => place?.file).map((place) => place.i);
        return [Seeds.typical(board, "sharpness"), shown.sort((a, b) => a - b)];
      }})));
    """
    said = subprocess.run([str(NODE), "-e", script], capture_output=True, text=True, check=True).stdout
    assert json.loads(said) == expected


def test_typical_pictures_show_one_seed_a_prompt_and_best_ones_say_that_seeds_differ(tmp_path: Path) -> None:
    draw = random.Random("words")
    made, rows = study(tmp_path, [draw.gauss(0, 1) for _ in range(48)], 6)
    cells = grid.cells(rows, [grid.PROMPT_ID, "style", "num_inference_steps"])
    typical, best = (choice.choice(made, rows, CARDS, how=how) for how in ("typical", "best"))
    shown = {how.how: [how.of(own) for own in cells.values()] for how in (typical, best)}
    assert not seeds.differ(shown["typical"])
    assert seeds.differ(shown["best"])
    assert "seeds differ" not in typical.said(shown["typical"])
    assert best.said(shown["best"]) == "best picture of each cell by sharpness · seeds differ between cells"


def test_a_cell_without_its_typical_picture_shows_another_and_the_words_say_so(tmp_path: Path) -> None:
    made, rows = study(tmp_path, [float(n) for n in range(24)], 3)
    chosen = choice.choice(made, rows, CARDS)
    lost = next(row for row in rows if row.planned.replicate == chosen.typical[row.planned.prompt.id])
    there = [row for row in rows if row is not lost]
    cells = grid.cells(there, [grid.PROMPT_ID, "style", "num_inference_steps"])
    assert chosen.said([chosen.of(own) for own in cells.values()]).endswith("seeds differ between cells")


def test_the_score_that_chooses_is_the_questions_first_one_that_is_better_when_higher() -> None:
    cards = {"seconds": Card("seconds", higher_is_better=False), "clip": Card("clip", higher_is_better=True)}
    assert seeds.leading(["clip", "seconds"], cards, ["seconds"]) == "clip"
    assert seeds.leading(["seconds", "other"], cards, ["seconds"]) == "seconds"
    assert seeds.leading([], {}, ["seconds"]) is None
