"""Pairs by statistics, as raters' pages ask for them: each once, fair, and telling more than a balanced order."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from tests.browser.boards import rows_of, study_of

from teststrip.analysis.numbers import columns
from teststrip.analysis.votes import choice, strengths
from teststrip.records import Row, Study
from teststrip.records.votes import Pair, Side, Vote
from teststrip.results import polling
from teststrip.rows import tables
from teststrip.rows.pairs import Balanced, NextPair

STUDY = study_of(["a", "b", "c"], ["w", "x", "y", "z"], replicates=2)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Row]:
    """Three prompts, two seeds, eight cells: 168 pairs."""
    return list(rows_of(STUDY, tmp_path_factory.mktemp("rows")))


def asked(choose: NextPair, most: int = 10_000) -> list[Pair]:
    pairs: list[Pair] = []
    while len(pairs) < most and (pair := choose("ana", (), pairs)):
        pairs.append(pair)
    return pairs


def vote(number: int, pair: Pair, rater: str = "ana") -> Vote:
    return Vote(str(number), pair, "left", rater, "person", 900, "Which?", "2025-01-01T00:00:00Z")


def widest(study: Study, rows: Sequence[Row], pairs: Sequence[Pair]) -> float:
    """The widest planned contrast after these pairs, in log odds."""
    layout = columns.read(tables.columns(study, rows), study.axes)
    of, cell = strengths.of(layout), {}
    for c, label in enumerate(layout.cells):
        for row in rows:
            place = tuple(study.axes[i].labels.index(row.planned.cell[study.axes[i].name]) for i in range(2))
            if place == label and row.image:
                cell[row.image.shot_id] = c
    left, right = (np.array([cell[getattr(pair, side).shot] for pair in pairs]) for side in ("left", "right"))
    known = choice.curvature(of, left, right)
    weights = of.weights[of.planned]
    return float(np.sqrt(((weights @ np.linalg.inv(known)) * weights).sum(axis=1)).max())


def test_each_pair_is_asked_once_and_is_of_one_prompt_and_one_seed(rows: Sequence[Row]) -> None:
    places = {Side(row.image.shot_id, row.image.digest): row for row in rows if row.image}
    pairs = asked(polling.chooser(STUDY)(rows))
    new = [pair for pair in pairs if pair.kind == "asked"]
    for pair in new:
        left, right = (places[side].planned for side in (pair.left, pair.right))
        assert (left.prompt, left.replicate) == (right.prompt, right.replicate)
        assert left.cell != right.cell
    assert len({frozenset((pair.left, pair.right)) for pair in new}) == len(new) == 3 * 2 * 28
    kinds = Counter(pair.kind for pair in pairs)
    assert kinds["repeat"] >= 2
    for pair in pairs:
        assert pair.kind != "repeat" or Pair(pair.right, pair.left) in new
        assert (pair.left == pair.right) == (pair.kind == "catch")


@pytest.mark.parametrize("count", [40, 80])
def test_chosen_pairs_tell_more_than_as_many_balanced_ones(rows: Sequence[Row], count: int) -> None:
    def after(choose: NextPair) -> float:
        return widest(STUDY, rows, [pair for pair in asked(choose, count) if pair.kind == "asked"])

    chosen = [after(polling.chooser(STUDY)(rows)) for _ in range(3)]
    balanced = [after(Balanced(rows, random.Random(seed))) for seed in range(3)]
    assert max(chosen) < min(balanced)


def test_the_side_of_a_setting_is_a_coin_that_no_one_has_seen(rows: Sequence[Row]) -> None:
    left = total = 0
    for _ in range(4):
        for pair in asked(polling.chooser(STUDY)(rows)):
            if pair.kind == "asked":
                total += 1
                left += pair.left.shot < pair.right.shot
    assert abs(left - total / 2) < 4 * (total / 4) ** 0.5


def test_what_is_needed_falls_with_each_vote_and_is_never_more_than_there_are_pairs(rows: Sequence[Row]) -> None:
    choose = polling.chooser(STUDY)(rows)
    pairs = [pair for pair in asked(choose, 30) if pair.kind == "asked"]
    assert choose.needed(()) == 168
    assert choose.needed([vote(n, pair) for n, pair in enumerate(pairs)]) == 168 - len(pairs)


def test_another_raters_pairs_are_sometimes_asked_again_and_unknown_ones_do_no_harm(rows: Sequence[Row]) -> None:
    choose = polling.chooser(STUDY)(rows)
    others = [vote(n, pair, "ben") for n, pair in enumerate(asked(choose, 20))]
    gone = vote(99, Pair(Side("f" * 64, "0" * 64), Side("e" * 64, "1" * 64)))
    known = {frozenset((one.pair.left, one.pair.right)) for one in others}
    shared = 0
    for _ in range(60):
        pair = choose("ana", [*others, gone], ())
        assert pair is not None
        shared += frozenset((pair.left, pair.right)) in known
    assert shared >= 1


def test_one_setting_gives_no_pair_and_very_many_are_asked_in_a_balanced_order(tmp_path_factory) -> None:
    alone = study_of(["a"], ["w"], steps=(4,))
    assert polling.chooser(alone)(list(rows_of(alone, tmp_path_factory.mktemp("alone"))))("ana", (), ()) is None
    many = study_of(["a"], [f"level {n}" for n in range(polling.MOST_CELLS + 1)], steps=(4,))
    choose = polling.chooser(many)(list(rows_of(many, tmp_path_factory.mktemp("many"))))
    assert isinstance(choose, Balanced)


def test_a_study_has_a_price_in_votes_before_there_are_pictures() -> None:
    see, alike = polling.price(STUDY)
    assert (see.aim, alike.aim) == ("different", "equivalent")
    assert see.votes > polling.price(study_of(["a"], ["w", "x"], steps=(4,)))[0].votes
    assert polling.price(study_of(["a"], ["w"], steps=(4,))) == ()
    dear = study_of(["a"], [f"level {n}" for n in range(14)], steps=(4, 8))
    assert polling.price(dear)[0].votes > see.votes


def test_pictures_that_a_run_adds_are_asked_from_then_on(rows: Sequence[Row]) -> None:
    """What the study asks is kept between two looks at the rows, and which pictures there are is not."""
    made = polling.chooser(STUDY)
    few = [row if n % 2 else replace(row, image=None) for n, row in enumerate(rows)]
    for shown in (few, rows):
        there = {row.image.shot_id for row in shown if row.image}
        asked_of = {side.shot for pair in asked(made(shown)) for side in (pair.left, pair.right)}
        assert asked_of == there
