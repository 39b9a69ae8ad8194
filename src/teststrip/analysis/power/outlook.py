"""What the design of a study can see: one answer, for `plan` and for the report.

Knows studies and the columns of their results. Loads NumPy only where there are results or left-out combinations, so
that `plan` answers at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from teststrip.analysis.power import explained, power
from teststrip.analysis.power.power import Variances
from teststrip.records import Card, Cell, Study

if TYPE_CHECKING:
    from teststrip.analysis.numbers.columns import Columns


def of_study(
    study: Study, cells: Sequence[Cell], variances: Variances | None = None, *, paired_seeds: bool = True
) -> tuple[str, ...]:
    """What the design can see, a sentence each.

    Args:
        study: what is asked.
        cells: the settings that its plan has.
        variances: of scores that exist (`measured`); None = those usual for scores.
        paired_seeds: a seed gives its picture again.
    """
    spread = variances or Variances()
    if not paired_seeds:  # what the seeds of two settings would have shared, they do not
        spread = replace(spread, residual=max(spread.residual, spread.seed))
    prompts, replicates = len(study.prompts), study.images_each
    design = explained.Design(
        prompts,
        replicates,
        axes=tuple((axis.name, len(axis.levels)) for axis in study.axes if len(axis.levels) > 1),
        cells=len(cells),
        contrasts=max(planned_contrasts(study, cells), 1),
        margin=study.question.margin,
        variances=spread,
        paired=paired_seeds,
    )
    scope, shared = study.question.scope, study.seeds is not None and prompts > 1
    here = [explained.explain_here(design, shared_seeds=shared)] if scope != "prompts like these" else []
    wide = explained.explain(design) if scope != "these prompts" else ()
    reference = explained.explain_reference(prompts, study.question.reference) if wide and not shared else ()
    return (*here, *wide, *reference)


def planned_contrasts(study: Study, cells: Sequence[Cell]) -> int:
    """How many contrasts the verdicts on one score are corrected for together."""
    if not study.exclusions:
        return power.planned_contrasts([(len(axis.levels), axis.numbers is not None) for axis in study.axes])
    from teststrip.analysis.numbers import columns, effects

    # Where combinations are left out, only the weights themselves say which interactions can still be asked.
    table = {axis.name: [cell[axis.name] for cell in cells] for axis in study.axes}
    layout = columns.read({"prompt": [""] * len(cells), **table}, study.axes)
    return sum(contrast.planned for contrast in effects.planned(layout))


def measured(study: Study, table: Columns, cards: Mapping[str, Card]) -> Variances | None:
    """The spread of the first score of single pictures that has enough values; None where there is none.

    Args:
        study: what was asked.
        table: the columns of its result.
        cards: what is known of each metric, most interesting first. Costs, distances and scores of groups are passed
            over, since the design is planned for scores of single pictures.
    """
    from teststrip.analysis.power import pilot

    names = [name for name, card in cards.items() if card.needs_pixels and card.arity == 1]
    return pilot.of_columns(table, names, axes=study.axes)
