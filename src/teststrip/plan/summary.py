"""What a plan holds and costs, as plain values, and how they are told. Does not know how they are found out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from teststrip.records import Axis, Cell, Price


@dataclass(frozen=True, slots=True)
class Measured:
    """A number that was measured or assumed.

    Attributes:
        value: the number.
        source: where the number comes from, in words.
    """

    value: float
    source: str


@dataclass(frozen=True, slots=True)
class LevelCount:
    """The number of shots of one level."""

    label: str
    images: int
    done: int


@dataclass(frozen=True, slots=True)
class AxisCount:
    """The number of shots of each level of an axis."""

    name: str
    kind: str
    levels: tuple[LevelCount, ...]


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """What a plan holds and costs.

    Attributes:
        study: the study's name.
        prompts: the number of prompts.
        replicates: images for each prompt in each cell.
        cells: the number of cells.
        excluded: cells left out.
        images: shots of the plan.
        done: shots that have an image already.
        left: shots without an image.
        axes: counts by level.
        calls: denoiser calls of all shots, counted by the engines; None where no engine counts.
        calls_left: denoiser calls of the shots without an image; None where no engine counts.
        seconds_left: machine time for what is left of engines whose pace is known; None where none is.
        untimed: names of the engines that have something left and no known pace.
        pace: where the time comes from.
        bytes_left: on disk, for what is left.
        size: where the bytes come from.
        price_left: the most that what is left can cost, one price a currency; empty where no engine is paid.
        price_again: the most that it can cost besides, where services charge for requests that fail.
        warnings: sentences about the design.
    """

    study: str
    prompts: int
    replicates: int
    cells: int
    excluded: int
    images: int
    done: int
    left: int
    axes: tuple[AxisCount, ...]
    calls: int | None
    calls_left: int | None
    seconds_left: float | None
    pace: str
    bytes_left: int | None
    size: str
    price_left: tuple[Price, ...] = ()
    price_again: tuple[Price, ...] = ()
    warnings: tuple[str, ...] = ()
    untimed: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """The summary as plain values, for `--json`."""
        return asdict(self)


def counted(axes: Sequence[Axis], cells: Sequence[Cell], made: Sequence[int], each: int) -> tuple[AxisCount, ...]:
    """The shots of each level.

    Args:
        axes: of the study.
        cells: of the study.
        made: shots of each cell that have an image.
        each: shots of a cell.
    """
    found: Counter[tuple[str, str]] = Counter()
    finished: Counter[tuple[str, str]] = Counter()
    for cell, done in zip(cells, made, strict=True):
        for pair in cell.levels:
            found[pair] += each
            finished[pair] += done

    def level(axis: str, label: str) -> LevelCount:
        return LevelCount(label, found[axis, label], finished[axis, label])

    return tuple(
        AxisCount(axis.name, axis.kind, tuple(level(axis.name, label) for label in axis.labels)) for axis in axes
    )


def paced(pace: Mapping[str, Measured]) -> str:
    """Where each pace comes from, and what it is; engines are named where there are several.

    >>> paced({"engine": Measured(0.05, "from a calibration")})
    'from a calibration, 50 ms a call'
    >>> paced({"ours": Measured(0.05, "from a calibration"), "theirs": Measured(0.002, "from a calibration")})
    'from a calibration, in ms a call: ours 50, theirs 2'
    """
    if len(pace) == 1:
        return "".join(f"{one.source}, {one.value * 1000:.3g} ms a call" for one in pace.values())
    sources: dict[str, list[str]] = {}
    for maker, one in pace.items():
        sources.setdefault(one.source, []).append(f"{maker} {one.value * 1000:.3g}")
    return "; ".join(f"{source}, in ms a call: {', '.join(paces)}" for source, paces in sources.items())
