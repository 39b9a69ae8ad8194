"""What a plan holds and costs, as plain values. Does not know how they are found out."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from teststrip.records import Price


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
