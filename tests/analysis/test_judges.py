"""How far a judge can be trusted: agreement with persons, its interval, and that persons and judges never mix."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from teststrip.analysis.numbers import columns
from teststrip.analysis.sentences import judges as words
from teststrip.analysis.sentences import votes as polled_words
from teststrip.analysis.votes import conclude, judges
from teststrip.records import Judged, Vote
from teststrip.records.votes import Choice, Judgement, Pair, Side

OTHER: dict[Choice, Choice] = {"left": "right", "right": "left", "tie": "tie", "both bad": "both bad"}


def world(prompts: int, seeds: int) -> tuple[columns.Layout, list[str]]:
    """A study of one axis with two levels, and the ids of its shots: pair n is shots 2n and 2n + 1."""
    table: dict[str, list[float]] = {"prompt": [], "replicate": [], "axis0": []}
    for place in np.ndindex(prompts, seeds, 2):
        for column, value in zip(table, place, strict=True):
            table[column].append(float(value))
    return columns.read(table, ["axis0"]), [f"{n:064x}" for n in range(len(table["prompt"]))]


def vote(shots: list[str], pair: int, choice: Choice, rater: str, *, turned: bool = False) -> Vote:
    sides = [Side(shots[2 * pair + k], "d" * 64) for k in (0, 1)]
    kind, judged = ("judge", Judgement("m", "", 1, "{}", ("A", "B"))) if rater == "eye" else ("person", None)
    shown = Pair(*(sides[::-1] if turned else sides))
    said = OTHER[choice] if turned else choice
    return Vote(f"{rater} {pair}", shown, said, rater, kind, 900, "Which?", "2025-01-01", judged)  # type: ignore[arg-type]


def trusted(votes: list[Vote], layout: columns.Layout, shots: list[str]) -> Judged:
    (found,) = judges.trusted(votes, conclude.places_of(layout, shots), layout)
    return found


@pytest.mark.parametrize(("said", "share"), [("left", 1.0), ("right", 0.0), ("tie", 0.5)])
def test_agreement_counts_the_same_side_wherever_it_stood(said: Choice, share: float) -> None:
    layout, shots = world(8, 2)
    persons = [vote(shots, n, "left", f"p{n % 3}", turned=n % 2 == 0) for n in range(16)]
    own = [vote(shots, n, said, "eye", turned=n % 3 == 0) for n in range(12)]
    found = trusted([*persons, *own], layout, shots)
    assert found.same.share == share
    assert found.same.votes == 12
    assert found.persons == 3
    assert found.same.low <= share <= found.same.high


def test_ties_of_persons_pairs_of_one_rater_alone_and_repeats_say_nothing() -> None:
    layout, shots = world(8, 1)
    persons = [vote(shots, n, "tie", "ana") for n in range(4)]
    own = [vote(shots, n, "left", "eye") for n in range(3, 8)]
    found = trusted([*persons, *own], layout, shots)
    assert found.same.votes == 0
    assert "saw no pair that a person decided" in words.witnessed(found)
    assert "No person has voted" in words.witnessed(trusted(own, layout, shots))


def test_a_person_who_always_chooses_one_side_is_no_witness() -> None:
    layout, shots = world(12, 2)
    stuck = [vote(shots, n, "left", "ana") for n in range(24)]
    own = [vote(shots, n, "left", "eye") for n in range(24)]
    assert trusted([*stuck, *own], layout, shots).persons == 0


def test_persons_and_judges_are_never_counted_together() -> None:
    layout, shots = world(8, 2)
    persons = [vote(shots, n, "left", "ana", turned=n % 2 == 0) for n in range(16)]
    own = [vote(shots, n, "right", "eye", turned=n % 2 == 0) for n in range(16)]
    for kind, alone in (("person", persons), ("judge", own)):
        mixed = conclude.of_votes([*persons, *own], shots, layout, kind=kind)  # type: ignore[arg-type]
        single = conclude.of_votes(alone, shots, layout, kind=kind)  # type: ignore[arg-type]
        assert repr((mixed.rates, mixed.care, mixed.probes)) == repr((single.rates, single.care, single.probes))
    told = polled_words.told(mixed)
    assert any("eye made 0 % of the choices that persons made" in line for line in told)
    assert any("eye made 0 %" in line for line in polled_words.short(mixed))
    assert not any("eye" in line for line in polled_words.told(conclude.of_votes([*persons, *own], shots, layout)))


@pytest.mark.parametrize(("prompts", "seeds", "spread"), [(8, 4, 0.0), (16, 2, 0.15), (24, 4, 0.15)])
def test_the_interval_of_agreement_holds_the_truth(prompts: int, seeds: int, spread: float) -> None:
    """Prompts differ in how often the judge agrees; 0.70 on average. 150 studies: 95 % of them less three errors."""
    layout, shots = world(prompts, seeds)
    rng, held = np.random.default_rng([prompts, seeds]), 0
    for _ in range(150):
        alike = rng.choice([0.7 - spread, 0.7 + spread], prompts)
        cast = []
        for n in range(prompts * seeds):
            person: Choice = "left" if rng.random() < 0.5 else "right"
            same = rng.random() < alike[n // seeds]
            cast += [vote(shots, n, person, "ana"), vote(shots, n, person if same else OTHER[person], "eye")]
        same_as = trusted(cast, layout, shots).same
        held += same_as.low <= 0.7 <= same_as.high
    assert held >= 150 * (0.95 - 3 * (0.95 * 0.05 / 150) ** 0.5)


def test_a_judge_who_saw_another_picture_of_the_shot_saw_another_pair() -> None:
    layout, shots = world(8, 2)
    persons = [vote(shots, n, "left", f"p{n % 3}", turned=n % 2 == 0) for n in range(16)]
    own = [vote(shots, n, "left", "eye") for n in range(12)]
    anew = [replace(one, pair=replace(one.pair, left=replace(one.pair.left, digest="e" * 64))) for one in own[:5]]
    assert trusted([*persons, *anew, *own[5:]], layout, shots).same.votes == 7
