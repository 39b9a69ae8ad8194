"""How often `best` recommends a setting that is worse than the best by more than the margin, counted over studies.

The scores are drawn here, in arrays of this file's own: nothing of the product says how a score comes about.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from teststrip.analysis.advice import best, costs
from teststrip.analysis.numbers import means
from teststrip.analysis.numbers.margin import Margin

Array = NDArray[np.float64]
STUDIES = 200
LIMIT = stats.binom.ppf(0.999, STUDIES, 0.05)
"""More errors than this are not luck when one study in twenty may be wrong."""


def wrong_and_settled(
    scores: Array, truth: Array, cost: Sequence[float], margin: float, rivals: Sequence[int] | None = None
) -> tuple[int, int]:
    """Studies [studies, prompts, replicates, cells] in which what is recommended is worse than the best by the margin.

    Returns:
        Errors, and studies with a recommendation.
    """
    wrong = settled = 0
    known = costs.Costs(np.asarray(cost, dtype=float), np.zeros(len(cost)))
    size = Margin(margin, 0.0, str(margin), np.nan)
    among = np.arange(len(cost)) if rivals is None else np.asarray(rivals)
    for values in scores:
        cells = among[means.enough(values, among[None, :])].tolist()
        made = best.choose(values, known, cells, sign=1.0, margin=size)
        settled += made.settled
        wrong += made.settled and bool(truth[cells[made.choice]] < truth[cells].max() - margin)
    return wrong, settled


def drawn(rng: np.random.Generator, prompts: int, truth: Array, *, seeds: int = 1, noise: float = 0.3) -> Array:
    """Each prompt likes each setting in its own way, and no two pictures score alike."""
    shape = (STUDIES, prompts, seeds, truth.size)
    own = rng.laplace(scale=0.1, size=(STUDIES, prompts, 1, truth.size))
    return truth + rng.standard_normal((*shape[:3], 1)) + own + noise * rng.standard_normal(shape)


@pytest.mark.parametrize("prompts", [20, 40, 150])
def test_an_interaction_without_a_linear_part_does_not_mislead(prompts):
    # Guidance 1, 4, 7 by steps 4, 8, 16, 32: what guidance 4 does to steps has no trend along guidance.
    hidden = np.outer([0, 1, 0], [0.9, 0.3, -0.3, -0.9])
    truth = (hidden + np.array([0, 0.4, 0.7, 1.0])).ravel()
    scores = drawn(np.random.default_rng(prompts), prompts, truth)
    wrong, settled = wrong_and_settled(scores, truth, [4, 8, 16, 32] * 3, 0.2)
    assert wrong <= LIMIT
    assert settled > STUDIES / 2 or prompts < 150


@pytest.mark.parametrize("share", [0.0, 0.5])
@pytest.mark.parametrize("prompts", [12, 40, 150])
def test_an_excluded_or_half_refused_combination_does_not_mislead(prompts, share):
    # Guidance 3, 7, 12 by steps 4, 30. The combination 12 and 4, the worst, is there for a share of the prompts.
    truth = np.add.outer([0.0, 0.0, -1.0], [-3.0, 0.0]).ravel()
    scores = drawn(np.random.default_rng(prompts + 1), prompts, truth)
    scores[:, int(share * prompts) :, :, 4] = np.nan
    allowed = [0, 1, 2, 3, 5] if share == 0 else range(6)
    wrong, settled = wrong_and_settled(scores, truth, [4, 30] * 3, 0.2, list(allowed))
    assert wrong <= LIMIT
    assert settled > STUDIES / 2 or prompts < 150


@pytest.mark.parametrize("prompts", [8, 30, 100])
@pytest.mark.parametrize("settings", [2, 5, 12])
def test_settings_that_are_worse_by_just_more_than_the_margin_are_rarely_recommended(prompts, settings):
    # One good and dear setting among cheap ones that are all worse by a hair more than the margin: the hardest case.
    truth = np.full(settings, -0.2001)
    truth[-1] = 0.0
    scores = drawn(np.random.default_rng(prompts * settings), prompts, truth, seeds=2)
    wrong, _ = wrong_and_settled(scores, truth, [*range(settings - 1), 100], 0.2)
    assert wrong <= LIMIT


@pytest.mark.parametrize("few", [1, 2, 3, 5])
@pytest.mark.parametrize("prompts", [12, 40])
def test_a_setting_made_for_a_few_prompts_is_never_recommended(prompts, few):
    truth = np.zeros(4)
    scores = drawn(np.random.default_rng(few), prompts, truth)
    scores[..., 0] += 9.0  # as good as can be, and for nothing
    scores[:, few:, :, 0] = np.nan
    known = costs.Costs(np.array([0.0, 5.0, 5.0, 5.0]), np.zeros(4))
    for values in scores:
        cells = np.flatnonzero(means.enough(values, np.arange(4)[None, :])).tolist()
        made = best.choose(values, known, cells, sign=1.0, margin=Margin(0.2, 0.0, "0.2", np.nan))
        assert 0 not in {cells[made.choice], cells[made.best]}


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("prompts", [30, 100])
def test_of_equal_settings_the_cheap_one_is_found_when_there_are_prompts_enough(prompts, sign):
    truth = sign * np.array([-2.0, 0.0, 0.0, 0.0])
    scores = drawn(np.random.default_rng(7), prompts, truth, noise=0.1)
    known = costs.Costs(np.array([1.0, 2.0, 3.0, 4.0]), np.zeros(4))
    size = Margin(0.2, 0.0, "0.2", np.nan)
    chosen = [best.choose(values, known, range(4), sign=sign, margin=size) for values in scores]
    assert np.mean([made.settled and made.choice == 1 for made in chosen]) > 0.9


@pytest.mark.parametrize("pictures", [12, 60, 400])
def test_times_that_differ_by_noise_are_one_cost(pictures):
    rng = np.random.default_rng(pictures)
    wrong = 0
    for seconds in rng.lognormal(0.0, 0.2, size=(STUDIES, 2, pictures)):
        low, middle, high = np.quantile(seconds, [0.25, 0.5, 0.75], axis=-1)
        known = costs.Costs(middle, costs.notch(low, high, pictures))
        wrong += known.surely_below(int(np.argmax(middle))).any()
    assert wrong <= LIMIT
