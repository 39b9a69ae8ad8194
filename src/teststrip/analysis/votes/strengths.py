"""Strengths of settings: the planned contrasts of a study as columns of a model. Knows layouts; no votes.

The strength of a cell is the sum of what its levels add, plus the interactions that the study plans to ask for. Levels
that differ in nothing else are compared by every pair in which they differ, whatever the other axes do there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teststrip.analysis.numbers import effects
from teststrip.analysis.numbers.arrays import Array
from teststrip.analysis.numbers.columns import Layout
from teststrip.analysis.numbers.effects import WeightedContrast
from teststrip.records import Contrast

PRIOR_SD = 3.0
"""Of the strength of a cell, in log odds: 95 wins of 100 lie one prior SD from none; 50 votes outweigh it."""
POSITION_SD = 2.0
RANK = 1e-9


@dataclass(frozen=True)
class Strengths:
    """How the strengths of cells follow from few coefficients.

    Attributes:
        contrasts: what is asked.
        basis: [cells, K], the strengths that a coefficient stands for; columns are orthonormal and add to zero.
        weights: [contrasts, K], what each contrast is of the coefficients.
        precision: [K + 1], of the priors of the coefficients and of the favoured side.
    """

    contrasts: tuple[WeightedContrast, ...]
    basis: Array
    weights: Array
    precision: Array

    @property
    def planned(self) -> NDArray[np.bool_]:
        """[contrasts] whether each is planned."""
        return np.array([contrast.planned for contrast in self.contrasts], dtype=bool)

    def design(self, left: NDArray[np.intp], right: NDArray[np.intp]) -> Array:
        """The columns of votes: cells on the left minus cells on the right, then the side itself; [..., K + 1].

        Args:
            left: [...] indices of cells.
            right: [...] indices of cells.
        """
        differences = self.basis[left] - self.basis[right]
        return np.concatenate([differences, np.ones((*differences.shape[:-1], 1))], axis=-1)


def of(layout: Layout, contrasts: Sequence[WeightedContrast] | None = None) -> Strengths:
    """The strengths of a layout.

    Args:
        layout: the axes.
        contrasts: that are asked; None = all that the study plans.
    """
    asked = tuple(effects.planned(layout)) if contrasts is None else tuple(contrasts)
    basis = _span(layout, asked)
    everywhere = np.ones((1, len(layout.cells)), dtype=bool)
    on_cells = [effects.cell_weights(everywhere, layout, contrast)[0] for contrast in asked]
    kept = tuple(
        contrast for contrast, weights in zip(asked, on_cells, strict=True) if weights.any() and basis.shape[1]
    )
    weights = np.array([one for one in on_cells if one.any()]).reshape(len(kept), len(layout.cells))
    size = basis.shape[1]
    precision = np.full(size + 1, size / (PRIOR_SD**2 * max(len(layout.cells), 1)))
    precision[-1] = 1 / POSITION_SD**2
    return Strengths(kept, basis, weights @ basis if kept else np.zeros((0, size)), precision)


def whole(layout: Layout, pairs: Sequence[tuple[int, int]]) -> Strengths:
    """Each cell has a strength of its own, and whole cells are compared.

    Args:
        layout: the axes.
        pairs: of cells, each pair a contrast.
    """
    size = len(layout.cells)
    basis: Array = np.linalg.svd(np.eye(size) - 1 / size)[0][:, : size - 1]
    axes = tuple(range(len(layout.factors)))
    contrasts = tuple(
        WeightedContrast(Contrast("settings", layout.levels(one), layout.levels(other)), axes, np.zeros(0))
        for one, other in pairs
    )
    weights = np.array([basis[one] - basis[other] for one, other in pairs]).reshape(len(pairs), size - 1)
    precision = np.full(size, (size - 1) / (PRIOR_SD**2 * size))
    precision[-1] = 1 / POSITION_SD**2
    return Strengths(contrasts, basis, weights, precision)


def _span(layout: Layout, contrasts: Sequence[WeightedContrast]) -> Array:
    """An orthonormal basis of all strengths that levels and planned interactions can make, but for a common height."""
    cells = np.array(layout.cells, dtype=np.intp).reshape(len(layout.cells), len(layout.factors))
    columns = [cells[:, i] == k for i, factor in enumerate(layout.factors) for k in range(len(factor.labels))]
    for contrast in contrasts:
        if len(contrast.axes) > 1:
            shape = [len(layout.factors[i].labels) for i in contrast.axes]
            columns.append(contrast.weights.reshape(shape)[tuple(cells[:, i] for i in contrast.axes)])
    table = np.array(columns, dtype=float).reshape(len(columns), len(cells)).T
    table = table - table.mean(axis=0)
    left, sizes, _ = np.linalg.svd(table, full_matrices=False)
    basis: Array = left[:, sizes > RANK * max(sizes.max(initial=0.0), RANK)]
    return basis
