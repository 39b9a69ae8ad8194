"""Whether the rows of a forward change each other. A batch is only right for models whose rows do not.

Knows outputs of forwards; nothing of calls or of what is done about such a model.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import torch

from teststrip.batching.answers import rows_of, tensors
from teststrip.batching.calls import Counts
from teststrip.batching.pending import ProxiedModel
from teststrip.batching.runner import ModelRunner
from teststrip.batching.stacking import Piece

# Another batch rounds differently on some accelerators. More than this (of the largest value) is another picture.
ROUNDING = {torch.float64: 1e-6, torch.float32: 1e-3}
ROUNDING_OF_HALF = 5e-2


class InterferenceCheck:
    """Computes rows once more without their neighbours; once for each signature of requests.

    Args:
        runner: computes the second forward.
        counts: `same_bytes` becomes False where a row has other bits beside other rows.
    """

    def __init__(self, runner: ModelRunner, counts: Counts) -> None:
        self._runner = runner
        self._counts = counts
        self._checked: set[Hashable] = set()

    def rows_interfere(self, model: ProxiedModel, pieces: Sequence[Piece], output: Any, width: int) -> str:
        """Look at a forward of several requests.

        Returns:
            how its rows change each other, as the reason for a refusal; "" when they do not.
        """
        request, first, stop = pieces[0]
        if len(pieces) == 1 or request.signature in self._checked:
            return ""
        self._checked.add(request.signature)
        again, _ = self._runner.start(model, pieces[:1], width).result()
        beside = rows_of(output, 0, stop - first, width)
        without = rows_of(again, 0, stop - first, width)
        for one, two in zip(tensors(beside), tensors(without), strict=True):
            if one.shape != two.shape:
                return f"the rows of its {model.name}'s batches have lengths that depend on each other"
            if not torch.equal(one, two) and bool(torch.isfinite(two).all()):
                self._counts.same_bytes = False
                if (one - two).abs().max() > ROUNDING.get(two.dtype, ROUNDING_OF_HALF) * two.abs().max():
                    return f"the rows of its {model.name}'s batches change each other"
        return ""
