"""The order of pairs: fair to every prompt and cell, with repeats and catches, and sides thrown by a coin."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import pytest
from tests.browser.boards import rows_of, study_of

from teststrip.records import Row
from teststrip.records.votes import Pair, Side
from teststrip.rows.pairs import GOAL, Balanced


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Row]:
    """Three prompts, two seeds, eight cells: 168 pairs."""
    study = study_of(["a", "b", "c"], ["w", "x", "y", "z"], replicates=2)
    return list(rows_of(study, tmp_path_factory.mktemp("rows")))


def asked(rows: Sequence[Row], seed: int, most: int = 10_000) -> list[Pair]:
    choose, pairs = Balanced(rows, random.Random(seed)), []
    while len(pairs) < most and (pair := choose("ana", (), pairs)):
        pairs.append(pair)
    return pairs


def of(rows: Sequence[Row]) -> dict[Side, Row]:
    return {Side(row.image.shot_id, row.image.digest): row for row in rows if row.image}


@pytest.mark.parametrize("seed", range(3))
def test_each_pair_is_asked_once_and_is_of_one_prompt_and_one_seed(rows: Sequence[Row], seed: int) -> None:
    places = of(rows)
    new = [pair for pair in asked(rows, seed) if pair.kind == "asked"]
    for pair in new:
        left, right = (places[side].planned for side in (pair.left, pair.right))
        assert (left.prompt, left.replicate) == (right.prompt, right.replicate)
        assert left.cell != right.cell
    assert len({frozenset((pair.left, pair.right)) for pair in new}) == len(new) == 3 * 2 * 28


@pytest.mark.parametrize("most", [24, 60, 120])
def test_prompts_and_cells_are_shown_equally_often_at_any_moment(rows: Sequence[Row], most: int) -> None:
    places = of(rows)
    new = [pair for pair in asked(rows, most, most) if pair.kind == "asked"]
    prompts = Counter(places[pair.left].planned.prompt.id for pair in new)
    cells = Counter(places[side].planned.cell for pair in new for side in (pair.left, pair.right))
    assert max(prompts.values()) - min(prompts.values()) <= 1
    assert max(cells.values()) - min(cells.values()) <= 4
    assert len(cells) == 8


def test_repeats_come_with_their_sides_swapped_and_not_at_once(rows: Sequence[Row]) -> None:
    pairs = [pair for seed in range(20) for pair in asked(rows, seed)]
    kinds = Counter(pair.kind for pair in pairs)
    assert 0.06 < kinds["repeat"] / len(pairs) < 0.10
    assert 0.01 < kinds["catch"] / len(pairs) < 0.03
    for seed in range(3):
        own = asked(rows, seed)
        for n, pair in enumerate(own):
            if pair.kind == "repeat":
                assert own.index(Pair(pair.right, pair.left)) < n - 4
            if pair.kind == "catch":
                assert pair.left == pair.right


def test_the_side_of_a_setting_is_a_fair_coin(rows: Sequence[Row]) -> None:
    places, left, total = of(rows), 0, 0
    for seed in range(20):
        for pair in asked(rows, seed):
            if pair.kind == "asked":
                total += 1
                left += str(places[pair.left].planned.cell) < str(places[pair.right].planned.cell)
    assert abs(left - total / 2) < 4 * (total / 4) ** 0.5


def test_pictures_of_the_same_bytes_are_never_asked(rows: Sequence[Row]) -> None:
    row = rows[0]
    assert Balanced([row, row])("ana", (), ()) is None
    assert Balanced([])("ana", (), ()) is None


def test_what_is_needed_is_the_goal_or_all_pairs_there_are(rows: Sequence[Row]) -> None:
    assert Balanced(rows).needed(()) == 168 < GOAL
    assert Balanced([])("ana", (), ()) is None
    assert Balanced([]).needed(()) == 0
