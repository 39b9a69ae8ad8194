"""Do votes go in circles: a over b, b over c, c over a? Strengths cannot say so, and then no win rate can be trusted.

Source:
    A score test of what pairs of levels add to strengths, its spread by prompts (Hotelling 1931 for few of them).
"""

from __future__ import annotations

import numpy as np
from scipy import special

from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.votes import davidson
from teststrip.analysis.votes.ballots import Ballots
from teststrip.analysis.votes.strengths import Strengths

RANK = 1e-8
MOST_PAIRS = 256
"""The pairs that were asked most often, all of up to 23 settings: the circles of more would take minutes."""


def test(ballots: Ballots, strengths: Strengths) -> tuple[float, float]:
    """Whether the cells beat each other in circles.

    Returns:
        How much larger the circles are than luck makes them (1 = as by luck), and p. NaN and 1 where three settings
        were never compared with each other, or where there are too few prompts for as many circles.
    """
    design = strengths.design(ballots.left, ballots.right)
    fit = davidson.fit(design, ballots.won, ballots.weight, strengths.precision)
    circular = _circular(ballots, strengths)
    pulls, told = _beyond_strengths(ballots, fit, circular)
    count = int(ballots.prompts_there())
    # Only the most asked circles, so that there are prompts enough to see their spread.
    most = min(circular.shape[1], max(count // 4, 1))
    order = np.argsort(-told)[:most]
    order = order[told[order] > RANK]
    if order.size == 0 or count <= order.size + 1:
        return float("nan"), 1.0
    by_prompt = np.zeros((ballots.prompts, order.size))
    np.add.at(by_prompt, ballots.prompt, pulls[:, order])
    there = np.bincount(ballots.prompt, minlength=ballots.prompts) > 0
    groups = by_prompt[there]
    total, middle = groups.sum(axis=0), groups.mean(axis=0)
    spread = (groups - middle).T @ (groups - middle) * count / (count - 1)
    square = float(total @ np.linalg.pinv(spread) @ total)
    size = order.size
    f = square * (count - size) / (size * (count - 1))
    return f, float(special.fdtrc(size, count - size, f))


def _circular(ballots: Ballots, strengths: Strengths) -> Array:
    """Columns of votes that no strength explains, the most asked first: [V, circles]."""
    cells = len(strengths.basis)
    first, second = np.minimum(ballots.left, ballots.right), np.maximum(ballots.left, ballots.right)
    _, number, size = np.unique(first * cells + second, return_inverse=True, return_counts=True)
    place = np.full(size.size, -1)
    most = np.argsort(-size, kind="stable")[:MOST_PAIRS]
    place[most] = np.arange(most.size)
    of_vote = place[number.ravel()]
    counts = np.flatnonzero(of_vote >= 0)
    pairs = np.zeros((ballots.won.size, most.size))
    pairs[counts, of_vote[counts]] = np.where(ballots.left < ballots.right, 1.0, -1.0)[counts]
    asked = strengths.design(ballots.left, ballots.right)[:, :-1]
    rest = pairs - asked @ (np.linalg.pinv(asked.T @ asked, hermitian=True) @ (asked.T @ pairs))
    # The columns' own table is small where the votes are many, and turns the columns as the votes' table would.
    squares, turns = np.linalg.eigh(rest.T @ rest)
    order = np.flatnonzero(squares > RANK * max(squares.max(initial=0.0), RANK))[::-1]
    found: Array = rest @ (turns[:, order] / squares[order] ** 0.5)
    return found


def _beyond_strengths(ballots: Ballots, fit: davidson.Fit, columns: Array) -> tuple[Array, Array]:
    """How votes pull at the circles, free of the strengths that were fitted to them; and how much they tell of each."""
    of_win, of_both = fit.curvatures[:, 0], fit.curvatures[:, 1]
    difference = np.matmul(fit.design, fit.beta[:-1])
    chances = davidson.chances(difference, fit.beta[-1])
    pulls = columns * (ballots.weight * (ballots.won / 2 - chances.gain))[:, None]
    mixed = np.vstack([fit.design.T @ (columns * of_win[:, None]), (of_both @ columns)[None]])
    solved = np.linalg.solve(fit.hessian, mixed)
    told = (columns**2 * of_win[:, None]).sum(axis=0) - (mixed * solved).sum(axis=0)
    return pulls - fit.scores @ solved, told
