"""The seams: what an engine, a metric, a tracker and an executor must be able to do.

A part that fits a seam is found through an entry point (`teststrip.engines`, `.metrics`, `.trackers`), built-ins too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from teststrip.records import (
    Card,
    EngineRef,
    Event,
    Failure,
    Fingerprint,
    Price,
    Render,
    Row,
    Seeds,
    Setting,
    Shot,
    Value,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@runtime_checkable
class Engine(Protocol):
    """Makes images.

    The class is called with the engine's options as keyword arguments and must be cheap to make: weights are loaded
    by the first `render`. `options` says which keyword arguments there are.

    Attributes:
        options: what may stand in `[engine]` beside `name`.
        operation: those of the options that cannot change a picture (device, batch size, ...); they are no part of a
            shot's identity.
        seeds: what a seed does: "exact" the same picture again, "best effort" mostly a like one, "none" nothing.
    """

    options: ClassVar[Mapping[str, Setting]]
    operation: ClassVar[frozenset[str]]
    seeds: ClassVar[Seeds]

    @property
    def settings(self) -> Mapping[str, Setting]:
        """The knobs by name, known without loading weights; `prompt` and `seed` are always among them.

        A setting that nobody set is in no shot's id. A new setting of an engine that is in use therefore has the
        default None ("the engine's own choice"): any other default would change the id of every existing shot.
        """
        ...

    def check(self, settings: Mapping[str, Value]) -> None:
        """Raise StudyError when these settings cannot work together (an unknown scheduler, a missing model)."""
        ...

    def calls(self, settings: Mapping[str, Value]) -> int | None:
        """Denoiser rows that one shot costs: calls of the model, counted twice where guidance doubles them.

        Returns:
            None where the engine cannot know (a hosted service); time is then reckoned by the picture.
        """
        ...

    def fingerprint(self, shot: Shot) -> Fingerprint:
        """What will answer this shot. Reads files, loads no weights.

        Where the engine asks its model in another way than an earlier version did, so that the same shot gives other
        pixels, the fact `recipe` counts up: a resumed study then says so instead of mixing the two.
        """
        ...

    def render(self, shots: Iterable[Shot]) -> Iterator[Render | Failure]:
        """One answer for each shot, in any order; pulls shots lazily, so a slow reader slows the engine."""
        ...

    def close(self) -> None:
        """Free memory and connections. May be called twice."""
        ...


@runtime_checkable
class LooksAhead(Protocol):
    """Optional: an engine that takes shots from the stream well before it renders them."""

    def finish(self) -> None:
        """Begin no further shot; those under way are answered, and then `render` ends. Called from the same thread."""
        ...


@runtime_checkable
class Remarks(Protocol):
    """Optional: an engine that can say why some settings take another path than the others."""

    def remark(self, settings: Mapping[str, Value]) -> str:
        """What `teststrip plan` should say about a shot with these settings, as a clause; "" = nothing."""
        ...


@runtime_checkable
class Priced(Protocol):
    """Optional: an engine that is paid by the picture. What was really paid stands in a render's facts, as `price`."""

    def price(self, settings: Mapping[str, Value]) -> Price | None:
        """The most that one shot with these settings can cost; None = unknown."""
        ...


@runtime_checkable
class Executor(Protocol):
    """Runs engines: in this process, in one process a GPU, on a cluster.

    An `EngineRef` crosses to where engines run, never an engine, because weights do not pickle. The driver alone writes
    the folder, so an executor returns answers and keeps nothing.
    """

    def open(self, engines: Iterable[EngineRef]) -> None:
        """Open these engines, so that what cannot start is known before a shot is asked for.

        Raises:
            UsageError, MissingExtra, EngineError: there is no such engine, or it cannot start.
        """
        ...

    def fingerprint(self, shot: Shot) -> Fingerprint:
        """What will answer this shot. Loads no weights."""
        ...

    def run(self, engine: EngineRef, shots: Iterable[Shot]) -> Iterator[Render | Failure]:
        """One answer for each shot, in any order; pulls shots lazily. Engines stay open between two calls."""
        ...

    def finish(self) -> None:
        """Begin no further shot in a `run` under way; what is in work is answered, and then that `run` ends."""
        ...

    def close(self) -> None:
        """Close the engines and free what they run on. May be called twice."""
        ...


@dataclass(frozen=True, slots=True)
class Item:
    """What a metric looks at: 1, 2 or a group of images, as the arity on its card says.

    Attributes:
        rows: the places in the design, with image, settings and prompt.
        pixels: one array an image, uint8 [H, W, 3], sRGB; empty when the card says `needs_pixels = False`.
    """

    rows: tuple[Row, ...]
    pixels: tuple[NDArray[np.uint8], ...]


@runtime_checkable
class Metric(Protocol):
    """Turns pictures into numbers.

    The class is called with the metric's options as keyword arguments and must be cheap to make: weights are loaded by
    the first `score`. Without its weights a metric raises MissingWeights; it never makes a number up.

    Attributes:
        options: what may stand in `[metrics.NAME]` of a study file.
    """

    options: ClassVar[Mapping[str, Setting]]

    @property
    def card(self) -> Card:
        """What is known of this metric, known without loading weights; all of the package reads it from here.

        The card may depend on the options: another model, another caution.
        """
        ...

    def fingerprint(self) -> Fingerprint:
        """Code version, weights and options: scores of different fingerprints are never mixed.

        Raises:
            MissingWeights: there is no model to compute with.
        """
        ...

    def score(self, items: Sequence[Item]) -> Sequence[float]:
        """One number an item, whoever else is in the list; NaN where the metric does not apply.

        Raises:
            MissingWeights: there is no model to compute with.
        """
        ...


@runtime_checkable
class ArrangedMetric(Metric, Protocol):
    """A metric of pairs or groups that says which images belong together. A metric of pairs must be one."""

    def arrange(self, rows: Sequence[Row]) -> Iterable[tuple[Row, ...]]:
        """The items to score, out of all rows that have an image. A pair: the image, then its reference."""
        ...


@runtime_checkable
class Tracker(Protocol):
    """Is notified of what happens: progress bar, W&B, MLflow. Never the record, never able to stop a run.

    A class that is found by name is called with its options as keyword arguments, is cheap to make, and says what may
    stand in `[trackers.NAME]` of a study file: `options: ClassVar[Mapping[str, Setting]]`.
    """

    def on_event(self, event: Event) -> None:
        """Called in order, from the thread of the run. An exception here is reported once and ends the tracker."""
        ...

    def close(self) -> None:
        """Flush and let go. Called once, also after Ctrl-C."""
        ...


@runtime_checkable
class RemoteTracker(Protocol):
    """Optional: a tracker that talks to a server. It is run in a process of its own (`trackers.process`).

    It is notified of the same study again after a resume and by every export, and must not show anything twice. Its own
    files belong into `<study>/trackers/<name>/`.

    Attributes:
        needs: the package it cannot do without, by its import name; imported no earlier than the first event.
    """

    needs: ClassVar[str]

    @property
    def where(self) -> str:
        """Where the tracker's output can be seen; an empty string before there is any."""
        ...
