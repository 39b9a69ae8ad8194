"""Votes: the model agrees with second sources, and what it promises holds. The large simulation is `bench.votes`."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from bench import polls, raters, votes
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats
from statsmodels.base.model import GenericLikelihoodModel

from teststrip.analysis.numbers import columns
from teststrip.analysis.numbers.judging import HERE, WIDE
from teststrip.analysis.sentences import votes as words
from teststrip.analysis.votes import (
    agreement,
    ballots,
    choice,
    conclude,
    davidson,
    price,
    probes,
    scale,
    strengths,
    winning,
)
from teststrip.records import Card

STUDIES = 200
FLAT = 1e-8
"""A prior that has no say."""


def most(share: float, studies: int = STUDIES) -> float:
    """The share that a true rate exceeds in one run of a thousand."""
    return float(stats.binom.ppf(0.999, studies, share)) / studies


def drawn(seed: int, *, tie: float, count: int = 400, cells: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Left and right cells, and what won, by a rater who favours the left side a little."""
    rng = np.random.default_rng(seed)
    world = polls.Poll((tuple(0.4 * k for k in range(cells)),), prompts=20, side=0.3, tie=tie)
    pairs = polls.at_random(rng, world, 1, count)
    won = polls.answer(rng, polls.draw(rng, world, 1), **pairs)
    return pairs["left"][0], pairs["right"][0], won[0]


def one_hot(left: np.ndarray, right: np.ndarray, cells: int = 4) -> np.ndarray:
    """Bradley and Terry's columns, the first cell as zero, and the side."""
    eye = np.eye(cells)[:, 1:]
    return np.column_stack([eye[left] - eye[right], np.ones(len(left))])


@pytest.mark.parametrize("seed", range(3))
def test_without_ties_the_model_is_statsmodels_logit(seed: int) -> None:
    left, right, won = drawn(seed, tie=-np.inf)
    design = one_hot(left, right)
    fit = davidson.fit(design, won, np.ones(len(won)), np.full(design.shape[1], FLAT))
    logit = sm.GLM(won > 0, design, family=sm.families.Binomial()).fit()
    assert fit.beta[:-1] == pytest.approx(logit.params, abs=0.01)
    errors = np.sqrt(np.diag(fit.covariance))[:-1]
    assert errors == pytest.approx(logit.bse, rel=0.02)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("penalty", [1e-4, 0.2])
def test_without_ties_and_sides_the_strengths_are_those_of_choix(seed: int, penalty: float) -> None:
    """choix is Maystre's library of Luce's axiom; its penalty is a normal prior on each strength, as ours is."""
    choix = pytest.importorskip("choix")
    left, right, won = drawn(seed, tie=-np.inf)
    basis = votes.strengths_of((4,)).basis
    fit = davidson.fit(basis[left] - basis[right], won, np.ones(len(won)), np.full(basis.shape[1], penalty))
    winners, losers = np.where(won > 0, left, right), np.where(won > 0, right, left)
    wins = list(zip(winners.tolist(), losers.tolist(), strict=True))
    theirs = choix.opt_pairwise(4, wins, alpha=penalty, tol=1e-9)
    assert basis @ fit.beta[:-1] == pytest.approx(theirs - theirs.mean(), abs=0.01)
    if penalty < 0.01:
        # Another way of theirs, by stationary distributions of Markov chains, ends at the same place.
        assert basis @ fit.beta[:-1] == pytest.approx(choix.ilsr_pairwise(4, wins, alpha=1e-6), abs=0.01)


@pytest.mark.parametrize("seed", range(3))
def test_with_ties_the_model_is_statsmodels_multinomial_logit_with_its_constraint(seed: int) -> None:
    """The likelihood at Davidson's estimate is the greatest: statsmodels' generic optimiser finds no better one."""
    left, right, won = drawn(seed, tie=0.0)
    design = one_hot(left, right)
    fit = davidson.fit(design, won, np.ones(len(won)), np.full(design.shape[1], FLAT))

    class Generic(GenericLikelihoodModel):
        def loglike(self, params: np.ndarray) -> float:
            eta = self.exog @ params[:-1]
            parts = np.stack([eta / 2, np.full_like(eta, params[-1]), -eta / 2])
            chosen = np.take_along_axis(parts, (1 - self.endog.astype(int))[None], axis=0)[0]
            return float((chosen - special.logsumexp(parts, axis=0)).sum())

    generic = Generic(won, design, extra_params_names=["tie"])
    found = generic.fit(start_params=np.zeros(design.shape[1] + 1), method="bfgs", disp=False, maxiter=200)
    assert fit.beta == pytest.approx(found.params, abs=0.02)


def test_krippendorffs_own_example_has_his_alpha() -> None:
    """Twelve units, four observers, some values missing: alpha of intervals is .849 (Krippendorff 2011)."""
    nan = np.nan
    table = np.array(
        [
            [1, 2, 3, 3, 2, 1, 4, 1, 2, nan, nan, nan],
            [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, nan, 3],
            [nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, nan],
            [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, nan],
        ]
    )
    units = [[value for value in unit if value == value] for unit in table.T]
    assert agreement.alpha(units) == pytest.approx(0.849, abs=0.001)


@pytest.mark.parametrize(
    ("world", "count", "scope", "chosen"),
    [
        (votes.LIVELY, 200, WIDE, False),
        (votes.LIVELY, 80, WIDE, True),
        (replace(votes.LIVELY, prompts=8, prompt_sd=0.9), 240, WIDE, False),
        (votes.LIVELY, 200, HERE, False),
        (replace(votes.LIVELY, prompts=12, raters=8, rater_sd=0.8), 300, WIDE, False),
    ],
)
def test_intervals_hold_the_truth(world: polls.Poll, count: int, scope: str, chosen: bool) -> None:
    rng = np.random.default_rng([3, count])
    found = votes.covered(rng, STUDIES, world=world, votes=count, scope=scope, chosen=chosen)
    assert found.mean() == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize(("scope", "prompt_sd"), [(WIDE, 0.6), (HERE, 0.0)])
def test_where_nothing_differs_nothing_is_called_different(scope: str, prompt_sd: float) -> None:
    world = replace(votes.LIVELY, levels=(votes.ALIKE,), prompt_sd=prompt_sd)
    found = votes.different(np.random.default_rng(4), STUDIES, world=world, votes=200, scope=scope)
    assert found.mean() <= most(0.055)


def test_what_lies_at_the_margin_is_not_called_alike() -> None:
    world = votes.at_margin(replace(votes.LIVELY, levels=((0.0, 0.0),), prompt_sd=0.2))
    found = votes.equivalent(np.random.default_rng(5), 200, world=world, votes=1_000)
    assert found.mean() <= most(0.055, 200)
    same = replace(votes.PLAIN, levels=((0.0, 0.0),))
    assert votes.equivalent(np.random.default_rng(5), 50, world=same, votes=1_500).mean() > 0.8


def test_a_favoured_side_is_no_favoured_setting() -> None:
    """Pairs of which one setting always stands left would be lost without the position term."""
    world = replace(votes.PLAIN, levels=((0.0, 0.0),), side=1.0)
    rng = np.random.default_rng(6)
    pairs = polls.at_random(rng, world, 1, 2_000)
    mostly = rng.random((1, 2_000)) < 0.8
    pairs["left"] = np.where(mostly, 0, 1)
    pairs["right"] = 1 - pairs["left"]
    won = polls.answer(rng, polls.draw(rng, world, 1), **pairs)
    cast = ballots.Ballots(
        **{name: column[0] for name, column in pairs.items()},
        won=won[0],
        weight=np.ones(2_000),
        prompts=40,
        seeds=2,
        raters=1,
    )
    of = votes.asked(world)
    (row,) = winning.judge(cast, of).rows()
    assert row.low < 0.5 < row.high
    raw = np.where(pairs["left"] == 0, won, -won).mean()
    assert raw > 0.2


@given(seed=st.integers(0, 10_000), size=st.integers(1, 120))
@settings(max_examples=25, deadline=None)
def test_swapping_all_sides_changes_no_win_rate(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    world = replace(votes.LIVELY, prompts=8, levels=((0.0, 0.5, 1.0),))
    drawn_, (cast,) = polls.draw(rng, world, 1), [one for _, one in votes.vote(rng, world, size, 1)]
    of = votes.asked(world)
    turned = replace(cast, left=cast.right, right=cast.left, won=-cast.won)
    one, other = winning.judge(cast, of), winning.judge(turned, of)
    assert drawn_.world is world
    assert other.sample.mean == pytest.approx(one.sample.mean, abs=1e-6)
    assert other.outer.low == pytest.approx(one.outer.low, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("size", [20, 40, 200])
def test_ties_alone_show_no_more_than_as_many_votes_can(size: int) -> None:
    """None of n votes for a side leaves 3 / n of them, which might all be for one: half of that from even."""
    turn = np.arange(size)
    cast = ballots.Ballots(
        left=turn % 2,
        right=1 - turn % 2,
        won=np.zeros(size),
        prompt=turn % 20,
        seed=np.zeros(size, dtype=np.intp),
        rater=np.zeros(size, dtype=np.intp),
        weight=np.ones(size),
        prompts=20,
        seeds=1,
        raters=1,
    )
    (row,) = winning.judge(cast, votes.asked(replace(votes.PLAIN, levels=((0.0, 0.0),)))).rows()
    assert row.inner_high - 0.5 >= 0.8 * 1.5 / size


def test_chosen_pairs_halve_the_votes_of_random_ones() -> None:
    found = votes.narrower(np.random.default_rng(7), 20, world=votes.FIRST, votes=100, times=2.0)
    assert found.mean() < 1


def booth(seed: int, prompts: int = 6, seeds: int = 2) -> choice.Booth:
    """A study of three levels by two."""
    of = strengths.of(raters.layout_of(polls.Poll(((0.0, 0.0, 0.0), (0.0, 0.0)))))
    pictures = np.arange(prompts * seeds * 6).reshape(prompts, seeds, 6)
    return choice.Booth(of, pictures, np.random.default_rng(seed))


@given(seed=st.integers(0, 1_000))
@settings(max_examples=20, deadline=None)
def test_pairs_are_spread_over_prompts_and_never_shown_twice_but_as_repeats(seed: int) -> None:
    offers = booth(seed).listed(60)
    asked = [offer for offer in offers if offer.kind == "asked"]
    assert len({offer.place for offer in asked}) == len(asked)
    per_prompt = np.bincount([offer.prompt for offer in asked], minlength=6)
    assert per_prompt.max() - per_prompt.min() <= 1
    for i, offer in enumerate(offers):
        if offer.kind == "repeat":
            before = [j for j, one in enumerate(offers[:i]) if one.kind == "asked" and one.place == offer.place]
            assert len(before) == 1
            assert i - before[0] > choice.APART
            assert (offers[before[0]].left, offers[before[0]].right) == (offer.right, offer.left)
        elif offer.kind == "catch":
            assert offer.left == offer.right


def test_catches_are_one_pair_in_fifty_and_never_far_apart() -> None:
    kinds = [offer.kind for seed in range(3) for offer in booth(seed, prompts=30).listed(700)]
    assert kinds.count("catch") / len(kinds) == pytest.approx(0.02, abs=0.01)
    # Where one list ends and the next begins, two spans are one.
    apart = "".join("c" if kind == "catch" else "." for kind in kinds).split("c")
    assert sorted(map(len, apart))[-3] < choice.LONGEST


def test_the_side_is_a_coin_and_the_same_bytes_are_never_compared() -> None:
    found = [offer for seed in range(12) for offer in booth(seed).listed(60) if offer.kind == "asked"]
    first = sum(offer.left < offer.right for offer in found)
    assert stats.binomtest(first, len(found)).pvalue > 0.001
    same = booth(1)
    same.pictures[:, :, 1] = same.pictures[:, :, 0]
    assert not [o for o in same.listed(40) if o.kind == "asked" and {o.left, o.right} == {0, 1}]


@pytest.mark.parametrize("kind", raters.KINDS)
def test_each_probe_fires_on_the_votes_planted_for_it_and_on_no_others(kind: str) -> None:
    """A set of votes is wrong in one way; in one of a few sets another probe may fire by luck."""
    sets = [votes.fired(raters.planted(np.random.default_rng([seed, 9]), kind)) for seed in range(2)]
    assert all(kind in one for one in sets)
    assert {kind} in sets


def test_careful_votes_make_no_probe_fire() -> None:
    sets = [votes.fired(raters.poll(np.random.default_rng([seed, 10]))) for seed in range(5)]
    assert sum(map(len, sets)) <= 2


def test_a_judge_is_counted_apart_from_persons() -> None:
    cast = raters.poll(np.random.default_rng(0), votes=20)
    where = raters.places(raters.WORLD)
    judged = [replace(vote, rater_kind="judge") if vote.rater == "rater 1" else vote for vote in cast]
    persons, judges = ballots.read(judged, where), ballots.read(judged, where, kind="judge")
    assert (persons.raters, judges.raters) == (2, 1)
    assert len(persons.won) + len(judges.won) == len(ballots.read(cast, where).won)


def test_votes_on_unknown_shots_or_on_two_prompts_do_not_count() -> None:
    cast = raters.poll(np.random.default_rng(0), votes=5)[:1]
    where = raters.places(raters.WORLD)
    assert ballots.read(cast, where).won.size == 1
    assert ballots.read(cast, {}).won.size == 0
    left = cast[0].pair.left.shot
    assert ballots.read(cast, {**where, left: replace(where[left], prompt=23 - where[left].prompt)}).won.size == 0


def test_a_metric_that_knows_the_strengths_foretells_and_a_blind_one_recommends_nothing() -> None:
    rng = np.random.default_rng(8)
    world = replace(votes.PLAIN, levels=((0.0, 2.0, 4.0),))
    ((_, many),) = votes.vote(rng, world, 300, 1)
    cast = replace(many, **{name: getattr(many, name)[0] for name in votes.VOTED})
    layout, card = raters.layout_of(world), Card("metric", higher_is_better=True)
    knows = np.broadcast_to(world.strengths, (40, 2, 3))
    sees, on_axis = scale.foretold(cast, knows, card, layout)
    assert sees.recommends
    assert sees.share > 0.75
    assert (on_axis.axis, on_axis.votes) == ("axis0", sees.votes)
    blind = scale.foretold(cast, rng.standard_normal((40, 2, 3)), card, layout)[0]
    assert not blind.recommends
    low = replace(card, higher_is_better=False)
    assert scale.foretold(cast, -knows, low, layout)[0].share == sees.share


def test_the_prices_are_those_of_textbooks() -> None:
    assert price.to_see(0.6, ties=0.0).votes == pytest.approx(196, abs=2)
    assert price.to_be_alike(0.05, ties=0.0).votes == pytest.approx(857, abs=3)
    assert price.to_be_alike(0.03, ties=0.0).votes == pytest.approx(2_380, abs=5)
    direct = price.share_of_a_vote(votes.asked(replace(votes.PLAIN, levels=((0.0, 0.0),))))
    assert direct == pytest.approx([1.0], abs=0.02)
    seen, alike = price.of_study(price.share_of_a_vote(votes.asked(replace(votes.PLAIN, levels=((0.0, 0.0),)))))
    assert seen.votes == pytest.approx(price.to_see(0.6).votes, rel=0.03)
    assert alike.votes == pytest.approx(price.to_be_alike().votes, rel=0.03)
    more = price.of_study(price.share_of_a_vote(votes.asked(votes.FIRST)))
    assert min(one.votes for one in more) > 2 * seen.votes


@pytest.mark.parametrize("levels", [(2,), (5,), (3, 4)])
def test_a_price_follows_from_what_the_pairs_tell(levels: tuple[int, ...]) -> None:
    """The quick way, one outer product a vote, against the inverse of all that was told."""
    of = votes.strengths_of(levels)
    pairs = choice.pairs_of(len(of.basis))
    asked = of.weights[of.planned]
    every = choice.curvature(of, pairs[:, 0], pairs[:, 1]) - np.diag(of.precision[:-1])
    variance = ((asked @ np.linalg.inv(every)) * asked).sum(axis=1)
    assert price.share_of_a_random_vote(of) == pytest.approx(1 / (variance * len(pairs) * choice.told()))
    known = np.diag(of.precision[:-1])
    for _ in range(40):
        best = pairs[int(np.argmax(choice.gains(known, of, pairs)))]
        known = known + choice.curvature(of, best[:1], best[1:]) - np.diag(of.precision[:-1])
    variance = ((asked @ np.linalg.inv(known)) * asked).sum(axis=1)
    # Pairs that tell alike may be taken in another order, so the last of them differ.
    assert price.share_of_a_vote(of, 40) == pytest.approx(1 / (variance * 40 * choice.told()), rel=0.1)


def test_a_strength_says_what_its_contrast_asks() -> None:
    """Of strengths that add up over axes, each pair's contrast is the difference of its levels."""
    world = polls.Poll(((0.0, 0.5, 2.0), (0.0, -1.0)))
    of = votes.asked(world)
    height = world.strengths - world.strengths.mean()
    coefficients = of.basis.T @ height
    assert of.basis @ coefficients == pytest.approx(height)
    for contrast, weights in zip(of.contrasts, of.weights, strict=True):
        if contrast.kind == "pair":
            (plus,), (minus,) = contrast.asked.plus, contrast.asked.minus
            levels = world.levels[contrast.axes[0]]
            assert weights @ coefficients == pytest.approx(levels[plus.index] - levels[minus.index])


def test_each_result_has_a_sentence_that_begins_with_its_scope() -> None:
    cast = raters.poll(np.random.default_rng(1))
    where, of = raters.places(raters.WORLD), votes.asked(raters.WORLD)
    read = ballots.read(cast, where)
    for scope, begins in ((WIDE, "For prompts like these"), (HERE, "On these 24 prompts")):
        for row in winning.judge(read, of, scope=scope).rows():
            assert words.win_rate(row, 0.05).startswith(begins)
    assert words.care(agreement.care(cast)[0])[0].startswith("All raters together: ")
    for kind in raters.KINDS:
        found = probes.probes(raters.planted(np.random.default_rng([0, 9]), kind), where, of)
        assert any(words.odd(one) for one in found if one.kind == kind)
    assert "about 167 votes" in words.needed(price.to_see(0.6))
    assert "equal within 5 points" in words.needed(price.to_be_alike())


def test_the_votes_of_a_study_become_one_record_and_its_lines() -> None:
    world = raters.WORLD
    table: dict[str, list[float]] = {"prompt": [], "replicate": [], "axis0": [], "knows": []}
    shots = []
    for prompt, seed, cell in np.ndindex(world.prompts, world.seeds, len(world.cells)):
        for column, value in zip(table, (prompt, seed, cell + 1.0, world.strengths[cell]), strict=True):
            table[column].append(value)
        shots.append(raters.shot(prompt, seed, cell))
    layout = columns.read(table, ["axis0"])
    cast = raters.poll(np.random.default_rng(2))
    card = Card("knows", higher_is_better=True)
    found = conclude.of_votes(cast, shots, layout, metrics=[(card, layout.values(table["knows"]))])
    assert {row.scope for row in found.rates} == {HERE, WIDE}
    assert found.care[0].votes == sum(vote.pair.kind == "asked" for vote in cast)
    assert found.foretold[0].recommends
    assert 0.5 < found.foretold[0].ceiling < 1
    lines = words.told(found)
    assert any(line.startswith("Knows foretells") for line in lines)
    assert all(line.endswith(".") for line in lines)
    metrics = [(card, layout.values(table["knows"]))]
    again = conclude.of_votes(cast, shots, layout, metrics=metrics, scored=lambda vote: False)  # made again since
    assert again.rates == found.rates
    assert not any(one.votes for one in again.foretold)
    nothing = conclude.of_votes([], shots, layout)
    assert nothing.rates == ()
    assert words.told(nothing)


def test_votes_of_one_mind_on_six_prompts_are_no_certainty() -> None:
    turn = np.arange(24)
    cast = ballots.Ballots(
        left=turn % 2,
        right=1 - turn % 2,
        won=np.where(turn % 2 == 0, 1.0, -1.0),
        prompt=turn % 6,
        seed=np.zeros(24, dtype=np.intp),
        rater=np.zeros(24, dtype=np.intp),
        weight=np.ones(24),
        prompts=6,
        seeds=1,
        raters=1,
    )
    (row,) = winning.judge(cast, votes.asked(replace(votes.PLAIN, levels=((0.0, 0.0),)))).rows()
    assert row.rate < 0.05
    assert 0.05 < row.high < 0.5
    few = winning.judge(replace(cast, prompt=turn % 5), votes.asked(replace(votes.PLAIN, levels=((0.0, 0.0),))))
    assert few.rows()[0].verdict == "insufficient design"


@pytest.mark.skipif(not votes.RESULTS.is_file(), reason="the campaign has not been run")
def test_the_page_is_made_from_the_results_and_breaks_no_promise() -> None:
    results = json.loads(votes.RESULTS.read_text(encoding="utf-8"))
    assert votes.PAGE.read_text(encoding="utf-8") == votes.page(results)
    assert set(results["rows"]) == {row.key for row in votes.rows()}
    for key, row in results["rows"].items():
        assert row["studies"] >= (200 if key.startswith("planted") else 1_000)
        assert votes.state(row) != "broken" or not row["promised"], key
