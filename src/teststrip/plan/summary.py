"""What a plan holds and costs, as plain values. Knows how none of it is found out."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from teststrip.records import Price


@dataclass(frozen=True, slots=True)
class Measured:
    """A number that was measured or assumed, and where it comes from, in words."""

    value: float
    source: str


@dataclass(frozen=True, slots=True)
class LevelCount:
    """How many shots of one level there are."""

    label: str
    images: int
    done: int


@dataclass(frozen=True, slots=True)
class AxisCount:
    """How many shots of each level of an axis there are."""

    name: str
    kind: str
    levels: tuple[LevelCount, ...]


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """What a plan holds and costs.

    Attributes:
        study: its name.
        prompts, replicates, cells: the design.
        excluded: cells left out.
        images, left: shots of the plan; those without an image.
        done: shots with an image already.
        axes: counts by level.
        calls, calls_left: denoiser calls, counted by the engines; None where none of them counts.
        seconds_left: machine time for what is left, or None when no pace is known.
        pace: where the time comes from.
        bytes_left: on disk, for what is left.
        size: where the bytes come from.
        price_left: the most that what is left can cost, one price a currency; empty where no engine is paid.
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
    warnings: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """The same as plain values, for `--json`."""
        return asdict(self)
