"""Which picture a picture is held against: its like at the most steps, or its like in the study's reference cell.

A reference has the prompt and the seed of its picture, and is its own reference, because it is the end of the scale.
References of two seeds are paired, too: what another seed changes is the yardstick. Knows rows; no pixels, no metric.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from teststrip import vocabulary
from teststrip.errors import DesignError
from teststrip.records import Card, LevelRef, Row, canonical_json
from teststrip.vocabulary import STEPS, spoken

_Place = tuple[str, int, tuple[tuple[str, str], ...]]
"""A prompt's id, a replicate, and the levels of the axes that the reference leaves out."""


@dataclass(frozen=True, slots=True)
class _Company:
    """Pictures that have one reference.

    Attributes:
        reference: the picture that the others are held against.
        rows: all pictures that are, the reference among them.
        but_the_seed: what the references of other seeds have in common with this one.
    """

    reference: Row
    rows: tuple[Row, ...]
    but_the_seed: object


def pairs(rows: Sequence[Row], card: Card, reference: Sequence[LevelRef]) -> list[tuple[Row, Row]]:
    """Each image with its reference, then references of two seeds. An image whose reference is missing is left out.

    Args:
        rows: that have an image.
        card: of the metric of pairs; it says what a picture is held against.
        reference: the levels that name the study's reference cell.

    Raises:
        DesignError: there is nothing to compare.
    """
    found = list(_of_cell(rows, reference) if card.against == "the reference" else _at_most_steps(rows))
    ends: dict[object, list[Row]] = defaultdict(list)
    for company in found:
        ends[company.but_the_seed].append(company.reference)
    own = [(row, company.reference) for company in found for row in company.rows]
    return [*own, *(pair for those in ends.values() for pair in _neighbours(those))]


def _of_cell(rows: Sequence[Row], reference: Sequence[LevelRef]) -> Iterator[_Company]:
    """The pictures of one prompt, seed and level of each axis that the reference leaves out."""
    if not reference:
        raise DesignError(
            "the study names no reference. Write reference = { num_inference_steps = 50 }, say, under [question]"
        )
    named = {level.axis: level.label for level in reference}
    places: dict[_Place, list[Row]] = defaultdict(list)
    for row in rows:
        planned = row.planned
        others = tuple(own for own in planned.cell.levels if own[0] not in named)
        places[planned.prompt.id, planned.replicate, others].append(row)
    compared = False
    for (prompt, _, others), own in places.items():
        ends = [row for row in own if all(row.planned.cell[axis] == label for axis, label in named.items())]
        if ends:
            compared = compared or len(own) > 1
            yield _Company(ends[0], tuple(own), (prompt, others))
    if not compared:
        where = ", ".join(f"{spoken(axis)} {label}" for axis, label in named.items())
        raise DesignError(f"no prompt and seed has both a picture of the reference ({where}) and another one")


def _at_most_steps(rows: Sequence[Row]) -> Iterator[_Company]:
    """The pictures that differ in nothing but the number of steps, where one has the study's highest number of them."""
    paths: dict[str, dict[float, list[Row]]] = defaultdict(lambda: defaultdict(list))
    most: dict[str, float] = {}
    for row in rows:
        steps = row.planned.shot.settings.get(STEPS)
        if isinstance(steps, int | float) and not isinstance(steps, bool):
            paths[_key(row)][steps].append(row)
            arm = _key(row, "prompt", "seed")
            most[arm] = max(steps, most.get(arm, steps))
    ended = [(path, top[0]) for path in paths.values() if (top := path.get(most[_key(_first(path), "prompt", "seed")]))]
    if len({steps for path, _ in ended for steps in path}) < 2:
        raise DesignError(f"no prompt and seed has pictures at two values of {STEPS}, all else being equal")
    every = [row for path, _ in ended for level in path.values() for row in level]
    if all(noise(row) for row in every):
        raise DesignError(
            "paired convergence is not defined here: these samplers draw fresh noise at each step, so more steps "
            "make another picture, not a better copy of the same. Use a deterministic scheduler, for example "
            "DDIMScheduler or DPMSolverMultistepScheduler"
        )
    for path, end in ended:
        yield _Company(end, tuple(row for level in path.values() for row in level), _key(end, "seed"))


def noise(row: Row) -> str:
    """The sampler that drew fresh noise at each step of a row's picture; "" where none is known to."""
    return vocabulary.noise(row.planned.shot.settings, row.image.facts if row.image else None)


def _key(row: Row, *besides: str) -> str:
    """What was asked, without the number of steps and these other settings."""
    shot = row.planned.shot
    rest = {name: value for name, value in shot.settings.items() if name != STEPS and name not in besides}
    return canonical_json([shot.engine.name, dict(shot.engine.options), rest])


def _neighbours(rows: Sequence[Row]) -> Iterable[tuple[Row, Row]]:
    """Each row with the next one, the last with the first; two rows are one pair, and one row is none."""
    following = zip(rows, [*rows[1:], *rows[:1]], strict=True)
    return list(following)[: len(rows) if len(rows) > 2 else len(rows) - 1]


def _first(path: Mapping[float, Sequence[Row]]) -> Row:
    return next(iter(path.values()))[0]
