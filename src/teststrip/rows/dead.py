"""Dead axes: settings that a pipeline took and ignored, seen by their pixels.

A pipeline that does not know a value often says nothing (eta with most schedulers, guidance_scale in a distilled model,
two spellings of one scheduler). The pictures show it: along the axis, with equal prompt, seed and other levels, they
are identical to the last bit. Knows rows and the digest that engines leave in `facts["pixels"]`; decodes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from teststrip.records import Row

Place = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class DeadAxis:
    """Levels of an axis that make no difference.

    Attributes:
        axis: the axis' name.
        levels: labels that gave identical pixels each time, in the order of the study; at least two.
        where: another axis and its label, when only the pictures with this label agree; None = all pictures agree.
        compared: how many combinations of prompt, seed and other levels were compared.
        whole: whether these are all levels of the axis that have pictures.
    """

    axis: str
    levels: tuple[str, ...]
    where: tuple[str, str] | None
    compared: int
    whole: bool

    @property
    def sentence(self) -> str:
        """What a person would write, with the remedy."""
        labels = f"{', '.join(self.levels[:-1])} and {self.levels[-1]}"
        confined = f" with {self.where[0]} {self.where[1]}" if self.where else ""
        what = f"{self.axis} changes nothing{confined}" if self.whole else f"{self.axis} {labels} are one{confined}"
        times = "the only comparison" if self.compared == 1 else f"all {self.compared} comparisons"
        remedy = "Take this axis out" if self.whole and not self.where else "Keep one of them"
        return f"{what}: {labels} gave identical pixels in {times}. {remedy}."


def dead_axes(rows: Iterable[Row]) -> list[DeadAxis]:
    """The axes, or levels of axes, that change no pixel.

    Args:
        rows: places of the design; a row without a picture, or whose engine left no digest, does not count.

    Returns:
        For each axis first what holds everywhere, then, unless the whole axis is dead, what holds at one level of
        another axis.
    """
    seen = [(row, str(row.image.facts["pixels"])) for row in rows if row.image and row.image.facts.get("pixels")]
    if not seen:
        return []
    axes = [axis for axis, _ in seen[0][0].planned.cell.levels]
    order = {axis: list(dict.fromkeys(row.planned.cell[axis] for row, _ in seen)) for axis in axes}
    found: list[DeadAxis] = []
    for axis in axes:
        everywhere = _dead(axis, seen, order[axis], None)
        found += everywhere
        if any(dead.whole for dead in everywhere):
            continue
        for other in axes:
            for label in order[other] if other != axis else ():
                part = [(row, pixels) for row, pixels in seen if row.planned.cell[other] == label]
                confined = _dead(axis, part, order[axis], (other, label))
                found += [dead for dead in confined if not any(set(dead.levels) <= set(e.levels) for e in everywhere)]
    return found


def _dead(
    axis: str, seen: Sequence[tuple[Row, str]], order: Sequence[str], where: tuple[str, str] | None
) -> list[DeadAxis]:
    groups: dict[Place, dict[str, str]] = {}
    for row, pixels in seen:
        planned = row.planned
        rest = tuple(level for level in planned.cell.levels if level[0] != axis)
        groups.setdefault((planned.prompt.id, planned.replicate, rest), {})[planned.cell[axis]] = pixels
    labels = [label for label in order if any(label in group for group in groups.values())]
    found = []
    while labels:
        first = labels.pop(0)
        alike = [first, *(label for label in labels if _compared(groups.values(), first, label))]
        labels = [label for label in labels if label not in alike]
        if len(alike) > 1:
            compared = min(_compared(groups.values(), first, label) for label in alike[1:])
            there = sum(any(label in group for group in groups.values()) for label in order)
            found.append(DeadAxis(axis, tuple(alike), where, compared, whole=len(alike) == there))
    return found


def _compared(groups: Iterable[Mapping[str, str]], one: str, other: str) -> int:
    """The number of groups in which both labels have a picture; 0 where the two pictures differ in any group."""
    pairs = [(group[one], group[other]) for group in groups if one in group and other in group]
    return len(pairs) if all(a == b for a, b in pairs) else 0
