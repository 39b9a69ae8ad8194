"""The seams: what an engine, a metric, a tracker and an executor must be able to do.

`plugins` finds every part through an entry point (`teststrip.engines`, `.metrics`, `.trackers`, `.executors`), built-in
ones too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from teststrip.records import (
    Card,
    EngineRef,
    Event,
    Failure,
    Fingerprint,
    Price,
    Reading,
    Render,
    Row,
    Seeds,
    Setting,
    Shot,
    Study,
    Value,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@runtime_checkable
class Engine(Protocol):
    """Makes images.

    The class takes the engine's options as keyword arguments. An instance must be cheap to make: the first `render`
    loads the weights.

    Attributes:
        options: the keyword arguments of the class; they may stand in `[engine]` beside `name`.
            Those that can change a picture may be axes: then there is an instance for each combination of their
            levels, and before one of these makes pictures, the one that made pictures last is closed.
        operation: those of the options that cannot change a picture (device, batch size, ...); they are no part of a
            shot's identity, and no axes.
        seeds: what a seed gives: "exact" = the picture again, "best effort" = mostly a similar one, "none" = nothing.
    """

    options: ClassVar[Mapping[str, Setting]]
    operation: ClassVar[frozenset[str]]
    seeds: ClassVar[Seeds]

    @property
    def settings(self) -> Mapping[str, Setting]:
        """The settings by name, known without loading weights; `prompt` and `seed` are always among them.

        A setting that no study sets is in no shot's id. A new setting of an engine that is in use therefore has the
        default None ("the engine's own choice"): any other default would change the id of every existing shot.
        """
        ...

    def check(self, settings: Mapping[str, Value]) -> None:
        """Check that these settings can work together.

        Raises:
            StudyError: they cannot, for example because a scheduler is unknown or a model is missing.
        """
        ...

    def calls(self, settings: Mapping[str, Value]) -> int | None:
        """Denoiser rows that one shot costs: calls of the model, counted twice where guidance doubles them.

        Returns:
            None where the engine cannot know (a hosted service); a plan then reckons time by the picture.
        """
        ...

    def fingerprint(self, shot: Shot) -> Fingerprint:
        """What will answer this shot. Reads files, loads no weights.

        Where the engine asks its model in another way than an earlier version did, so that a shot gives other pixels
        than before, the fact `recipe` counts up from 1, which no fingerprint writes. A resumed study then makes these
        pictures again instead of mixing the two, and says why (`Recipes`).
        """
        ...

    def render(self, shots: Iterable[Shot]) -> Iterator[Render | Failure]:
        """One answer for each shot, in any order. The engine pulls shots lazily, so that a slow reader slows it."""
        ...

    def close(self) -> None:
        """Free memory and connections. A caller may close an engine twice, and may call `render` again afterwards."""
        ...


@runtime_checkable
class SeedsByOptions(Protocol):
    """Optional: an engine whose options say what a seed gives; its class says what a seed gives without them."""

    @property
    def seeds_as_opened(self) -> Seeds:
        """What a seed gives with the options of this instance."""
        ...


@runtime_checkable
class NamesPaths(Protocol):
    """Optional: an engine with options that are paths. They are read from the study file's folder on.

    Such options belong to `operation`, because a path changes no picture.
    """

    paths: ClassVar[frozenset[str]]


@runtime_checkable
class LooksAhead(Protocol):
    """Optional: an engine that takes shots from the stream well before it renders them."""

    def finish(self) -> None:
        """Begin no further shot; `render` answers those under way and ends. The thread that reads it calls this."""
        ...


@runtime_checkable
class Expects(Protocol):
    """Optional: an engine that prepares better where it knows of more shots than those of one `render`."""

    def expect(self, shots: int, calls: float) -> None:
        """Prepare as if this engine made the shots of all workers, from now on.

        Args:
            shots: that are known of one run with the weights of the next `render`, made ones included.
            calls: their denoiser rows, and those of earlier runs.
        """
        ...


@runtime_checkable
class Remarks(Protocol):
    """Optional: an engine that can say which settings are not made as they read, and why."""

    def remark(self, settings: Mapping[str, Value]) -> str:
        """What `teststrip plan` should say about a shot with these settings: a clause a line; "" for an ordinary shot.

        A clause goes on after "4 of 16 settings ": "made one after another, not in batches: ...".
        """
        ...


@runtime_checkable
class TakesTurns(Protocol):
    """Optional: an engine that loads weights, keeps only so many, and loads others anew when it is asked for them."""

    loads: ClassVar[frozenset[str]]
    """The settings that choose what is loaded."""

    def turns(self, cells: Sequence[Mapping[str, Value]]) -> Sequence[int]:
        """For the settings of each cell of a study, the turn in which its shots are best made; all 0 = in any order."""
        ...


@runtime_checkable
class Recipes(Protocol):
    """Optional: an engine that says in which way its pictures were made differently in an earlier version."""

    recipes: ClassVar[Mapping[int, str]]
    """For each value of the fact `recipe` from 2 on, why pictures of earlier ones are made again: what follows because.

    "the noise that their scheduler adds had the seed of their starting noise".
    """


@runtime_checkable
class Reads(Protocol):
    """Optional: an engine that can say, before it loads a model, what the model will read of prompts."""

    def read(self, settings: Mapping[str, Value], texts: Sequence[str]) -> Sequence[Reading]:
        """A reading for each text, in their order; empty where all is read, or where it cannot be known here."""
        ...


@runtime_checkable
class Words(Protocol):
    """Optional: an engine with settings that heed only prompts with a word of their own."""

    def words(self, settings: Mapping[str, Value]) -> Sequence[str]:
        """The words of prompts that these settings give a meaning to: a prompt without them heeds nothing of it."""
        ...


@runtime_checkable
class Rehearses(Protocol):
    """Optional: an engine that can find out without weights what a model or a scheduler will refuse."""

    def rehearse(self, settings: Mapping[str, Value]) -> str:
        """Why a shot with these settings cannot be made; "" where nothing speaks against it.

        Unlike `Engine.check`, which a study file is read with, this may take a second and load libraries.
        """
        ...


@runtime_checkable
class Attempts(Protocol):
    """Optional: an engine that can show quickly whether a shot can be made."""

    def attempt(self, shots: Iterable[Shot]) -> Iterator[Render | Failure]:
        """One answer for each shot, from its own weights and settings but in as few steps as they allow."""
        ...


@runtime_checkable
class Names(Protocol):
    """Optional: an engine that knows names which a setting may have, and accepts others, too."""

    def names(self) -> Mapping[str, Sequence[str]]:
        """Known names by setting, for `teststrip engines NAME`."""
        ...


@runtime_checkable
class Grouped(Protocol):
    """Optional: an engine with so many settings that people look at them in groups, and for one model."""

    def grouped(self, settings: Mapping[str, Value]) -> Mapping[str, Sequence[Setting]]:
        """The settings that may be set beside these, by the title of their group; none of `settings` = of any model.

        Raises:
            StudyError: these settings name no model.
            EngineError: the model is damaged or not here.
        """
        ...


@runtime_checkable
class Priced(Protocol):
    """Optional: an engine that is paid by the picture. A render's fact `price` holds what was really paid."""

    def price(self, settings: Mapping[str, Value]) -> Price | None:
        """The most that one shot with these settings can cost; None = unknown."""
        ...


@runtime_checkable
class AsksAgain(Protocol):
    """Optional: a priced engine that sends a request anew after a failure which the service may have charged."""

    def may_pay_twice(self) -> bool:
        """Whether one run can pay two requests for one image, where the service charges for those that fail."""
        ...


class Purse(Protocol):
    """The money of a study. The thread that reads `Engine.render` asks it, never a thread below."""

    def reserve(self, shot: Shot, price: Price | None) -> str:
        """Write down, before anything is sent, that one request for this shot may cost so much; None = unknown.

        Returns:
            why nothing may be sent; "" = it may.
        """
        ...

    def ended(self) -> bool:
        """Whether the run was stopped, so that nothing more should be asked; asked about twice a second."""
        ...

    def settle(self, shot: Shot, paid: float | None) -> None:
        """Write down what was paid for a request that another one follows; None = perhaps all that was reserved.

        The request that ends a shot is settled with the shot's answer, by the fact `price` or `Failure.paid`.
        """
        ...


@runtime_checkable
class AsksAfter(Protocol):
    """Optional: a purse that keeps by which words a service is asked after a request whose answer was lost."""

    def note(self, shot: Shot, ticket: str) -> None:
        """Write down how the request under way for this shot can be asked after."""
        ...

    def resume(self, shot: Shot) -> str:
        """Take up the request for this shot whose answer was lost. Its reservation counts already.

        Returns:
            its ticket; "" = there is none, and a new request must be reserved.
        """
        ...

    def anew(self, shot: Shot) -> bool:
        """Whether a request that was taken up and stays lost is given up, and a new one may be paid."""
        ...


@runtime_checkable
class Pays(Protocol):
    """Optional: an engine, or an executor of engines, that asks a purse before it sends anything that costs."""

    def pay_from(self, purse: Purse) -> None:
        """Ask this purse from now on."""
        ...


@runtime_checkable
class Remote(Protocol):
    """Optional: an executor whose engines run on other machines, so that what can be made here says nothing.

    Attributes:
        remote: True.
    """

    remote: bool


@runtime_checkable
class Choosy(Protocol):
    """Optional: a metric that knows the pictures of some models alone, and may know nothing of a study's pictures."""

    def misfit(self, study: Study) -> str:
        """Why it knows nothing of this study's pictures, as the end of a sentence after "because"; "" = it knows them.

        Where it says why, plan, run and report warn of the metric, and nothing is recommended by it.
        """
        ...


def seeds_of(engine: Engine) -> Seeds:
    """What a seed gives with an engine as it was opened."""
    return engine.seeds_as_opened if isinstance(engine, SeedsByOptions) else engine.seeds


@runtime_checkable
class Executor(Protocol):
    """Runs engines: in this process, in one process a GPU, on a cluster.

    An `EngineRef` crosses to where engines run, never an engine, because weights do not pickle. The driver alone writes
    the folder, so an executor returns answers and keeps nothing.
    """

    def open(self, engines: Iterable[EngineRef]) -> None:
        """Open these engines, so that what cannot start is known before a shot is asked for.

        Raises:
            UsageError: there is no such engine.
            MissingExtra: a package that an engine needs is not installed.
            EngineError: an engine cannot start.
        """
        ...

    def fingerprint(self, shot: Shot) -> Fingerprint:
        """What will answer this shot. Loads no weights."""
        ...

    def run(self, engine: EngineRef, shots: Iterable[Shot]) -> Iterator[Render | Failure]:
        """One answer for each shot, in any order. The executor pulls shots lazily and leaves the engine open.

        Where `engine.alternates`, no two engines of its name may have weights in memory: the executor closes the others
        first. The driver asks for all shots of an engine at once, so this costs no more loading.
        """
        ...

    def finish(self) -> None:
        """Begin no further shot in a `run` under way; the `run` answers the shots in work and ends."""
        ...

    def close(self) -> None:
        """Close the engines and free what they run on. A caller may close an executor twice."""
        ...


@runtime_checkable
class Waits(Protocol):
    """Optional: an executor that waits for answers from elsewhere, perhaps long."""

    def attend(self, stopped: Callable[[], bool], say: Callable[[str], None]) -> None:
        """Notice a stop also while no answer comes, and say what is waited for.

        Args:
            stopped: to be asked about once a second during a `run`; once it is true, the executor does what `finish`
                does.
            say: takes a sentence on what is waited for. The thread that reads the `run` calls it.
        """
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

    The class takes the metric's options as keyword arguments. An instance must be cheap to make: the first `score`
    loads the weights. Without its weights a metric raises MissingWeights; it never makes a number up.

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
        """Code version, weights and options. Scores of different fingerprints are never mixed.

        Raises:
            MissingWeights: there is no model to compute with.
        """
        ...

    def score(self, items: Sequence[Item]) -> Sequence[float]:
        """One number for each item, independent of the other items; NaN where the metric does not apply.

        Raises:
            MissingWeights: there is no model to compute with.
        """
        ...


@runtime_checkable
class ArrangedMetric(Metric, Protocol):
    """A metric that says itself which images belong together. A metric of pairs must, or its card names a reference."""

    def arrange(self, rows: Sequence[Row]) -> Iterable[tuple[Row, ...]]:
        """The items to score, out of all rows that have an image. A pair holds the image, then its reference."""
        ...


@runtime_checkable
class Tracker(Protocol):
    """Is notified of what happens: progress bar, live page, W&B, MLflow. A tracker is not the record and stops no run.

    A class that is found by name takes its options as keyword arguments and is cheap to make. Its attribute
    `options: ClassVar[Mapping[str, Setting]]` says what may stand in `[trackers.NAME]` of a study file.
    """

    def on_event(self, event: Event) -> None:
        """Take an event. The thread of the run calls this in order, reports an exception and then ends the tracker."""
        ...

    def close(self) -> None:
        """Write what is still to be written, and free connections. The run calls this once, also after Ctrl-C."""
        ...


@runtime_checkable
class RemoteTracker(Protocol):
    """Optional: a tracker that talks to a server. The run gives it a process of its own (`trackers.process`).

    It is notified of the same study again after a resume and by every export, and must not show anything twice. Its own
    files belong into `<study>/trackers/<name>/`.

    Attributes:
        needs: the import name of the package that the tracker needs; the first event imports it, or a later one.
    """

    needs: ClassVar[str]

    @property
    def where(self) -> str:
        """Where the tracker's output can be seen; an empty string before there is any."""
        ...
