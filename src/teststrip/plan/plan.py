"""The shots of a study: which there are, in which order, under which ids and seeds, and what they cost.

A plan is lazy: it counts a million shots without making one. It knows neither folder nor clock: the caller says which
ids are done and how long a denoiser call takes.

The order is replicate by replicate, within a replicate prompt by prompt, and within a prompt cell by cell, so that a
run that is stopped early has pictures of every cell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TypeVar

from teststrip import plugins
from teststrip.plan.seeds import seeds_of
from teststrip.plan.stencil import Stencil, Stencils, utf8
from teststrip.plan.summary import AxisCount, LevelCount, Measured, PlanSummary
from teststrip.plan.turns import turns
from teststrip.protocols import AsksAgain, Engine, Priced, Recipes
from teststrip.protocols import seeds_of as seeding
from teststrip.records import Cell, EngineRef, Planned, Price, Prompt, Shot, Study, Value, canonical_json
from teststrip.study.cells import Composition, combinations, full_count
from teststrip.study.engines import ONLY
from teststrip.study.prompts import fill

Answer = TypeVar("Answer")

UNSEEDED = {
    "best effort": "gives a like picture for a seed, not the same one: a picture cannot be made again exactly",
    "none": "takes no seed: images of one replicate have nothing in common, so differences scatter more",
}
"""What `teststrip plan` says of an engine whose seeds are not exact."""

KEPT_STENCILS = 50_000  # cells; about 1 KB each, so 50 MB. A plan of more cells makes its stencils anew each time


def of(study: Study) -> Plan:
    """The plan of a study. Loads the class of each engine and no weights.

    Raises:
        UsageError: there is no such engine.
        MissingExtra: a package that an engine needs is not installed.
    """
    engines = {
        alias: plugins.load("engines", ref.name)(**ref.options, **ref.operation) for alias, ref in study.engines.items()
    }
    return Plan(study, engines)


class Plan:
    """All shots of a study, in order.

    Attributes:
        study: what was asked.
        cells: all combinations of levels that are not excluded; the last axis runs fastest.
    """

    def __init__(self, study: Study, engines: Mapping[str, Engine]) -> None:
        self.study = study
        self._engines = engines
        self._instances: dict[str, Engine] = {}
        self._composition = Composition(
            study,
            {alias: engine.settings for alias, engine in engines.items()},
            {alias: engine.options for alias, engine in engines.items()},
        )
        self.cells: tuple[Cell, ...] = tuple(Cell(labels) for labels in combinations(study))
        self._seeds: dict[str, Sequence[int]] = {}
        self._stencils = Stencils()
        self._kept: dict[Cell, Stencil] = {}

    def __len__(self) -> int:
        return len(self.cells) * len(self.study.prompts) * self.study.replicates

    def __iter__(self) -> Iterator[Planned]:
        return self.without(())

    def without(self, done: Container[str]) -> Iterator[Planned]:
        """The shots whose id is not in `done`, in order."""
        for replicate in range(self.study.replicates):
            for prompt in self.study.prompts:
                seed = self.seed(prompt, replicate)
                spelled = str(seed).encode()
                texts: dict[tuple[str, ...], tuple[str, bytes]] = {}
                for cell in self.cells:
                    if prompt.pictures:  # no stencil has their place, and ids made one by one are few enough
                        if (shot := self.shot(cell, prompt, replicate)).id not in done:
                            yield Planned(shot, cell, prompt, replicate)
                        continue
                    stencil = self._stencil(cell)
                    key = tuple(stencil.words.values())
                    if key not in texts:
                        texts[key] = _text(prompt, stencil.words)
                    text, quoted = texts[key]
                    shot_id = stencil.id(quoted, spelled)
                    if shot_id not in done:
                        yield Planned(self._shot(cell, text, seed, shot_id), cell, prompt, replicate)

    def ids(self) -> Iterator[str]:
        """The id of every shot, cell by cell. This is the fastest way through a plan."""
        return (shot_id for _, shot_id in self._ids())

    def placed(self) -> Iterator[tuple[Cell, str]]:
        """The cell and the id of every shot, cell by cell."""
        return ((self.cells[index], shot_id) for index, shot_id in self._ids())

    def first(self, cell: Cell) -> Planned:
        """The first shot of a cell, as an example of the cell's settings."""
        prompt = self.study.prompts[0]
        return Planned(self.shot(cell, prompt, 0), cell, prompt, 0)

    def shot(self, cell: Cell, prompt: Prompt, replicate: int) -> Shot:
        """The shot at a place in the design."""
        return Shot(self.engine(cell), self.settings(cell, prompt, replicate), prompt.files)

    def settings(self, cell: Cell, prompt: Prompt, replicate: int) -> dict[str, Value]:
        """All settings of a shot, prompt, seed and pictures among them."""
        text, _ = _text(prompt, self._composition.words(cell.levels))
        own = {"prompt": text, "seed": self.seed(prompt, replicate), **prompt.settings}
        return {**own, **self._composition.settings(cell.levels)}

    def engine(self, cell: Cell) -> EngineRef:
        """The engine that makes a cell's shots, with the options that the cell's levels set."""
        return self._composition.maker(cell.levels).ref

    def maker(self, cell: Cell) -> str:
        """The name of a cell's engine: its alias in the study, and the options that the cell's levels set."""
        return self._composition.maker(cell.levels).name

    @cached_property
    def makers(self) -> Mapping[str, EngineRef]:
        """The engines of all cells, by `maker`."""
        found = (self._composition.maker(cell.levels) for cell in self.cells)
        return {one.name: one.ref for one in found}

    def _instance(self, cell: Cell) -> Engine:
        """An instance of a cell's engine, to be asked; it makes no pictures."""
        ref, own = self.engine(cell), self._engines[self._composition.alias(cell.levels)]
        if not ref.alternates:
            return own
        if ref.key not in self._instances:
            self._instances[ref.key] = type(own)(**ref.options, **ref.operation)
        return self._instances[ref.key]

    def seed(self, prompt: Prompt, replicate: int) -> int:
        """The seed of a prompt's replicate, equal in all cells; 0 .. 2**32 - 1."""
        if self.study.seeds is not None:
            return self.study.seeds[replicate]
        if (block := prompt.block) not in self._seeds:
            self._seeds[block] = seeds_of(block, self.study.replicates)
        return self._seeds[block][replicate]

    def in_turns(self, planned: Iterable[Planned]) -> Iterable[Planned]:
        """These shots, in an order in which no engine loads anything twice; as they come where that is so already."""
        turns = self._turns
        return sorted(planned, key=lambda one: turns[one.cell]) if turns else planned

    @cached_property
    def _turns(self) -> dict[Cell, int]:
        return turns(
            self.study,
            self._engines,
            self.cells,
            engine_of=self.engine,
            instance_of=self._instance,
            settings_of=lambda cell: self._composition.settings(cell.levels),
        )

    def why_again(self, cell: Cell, recipe: int) -> str:
        """Why the engine of a cell makes pictures of earlier recipes than this one again; "" where it does not say."""
        engine = self._instance(cell)
        return engine.recipes.get(recipe, "") if isinstance(engine, Recipes) else ""

    def calls(self) -> int | None:
        """The denoiser calls of all shots, as the engines count them.

        Returns:
            None where no engine counts its calls.
        """
        return self._counted([len(self.study.prompts) * self.study.replicates] * len(self.cells))

    def summary(
        self,
        done: Container[str] = frozenset(),
        *,
        pace: Mapping[str, Measured] | None = None,
        image_bytes: Measured | None = None,
    ) -> PlanSummary:
        """Counts and costs.

        Args:
            done: ids of shots that have an image.
            pace: seconds a denoiser call, or seconds an image for an engine that counts no calls, by `maker`; without a
                pace the time is unknown.
            image_bytes: mean size of an image; without it, the size is guessed from width and height.
        """
        each = len(self.study.prompts) * self.study.replicates
        made = self._done_by_cell(done)
        missing = [each - n for n in made]
        left = len(self) - sum(made)
        size = image_bytes or self._guessed_size()
        return PlanSummary(
            study=self.study.name,
            prompts=len(self.study.prompts),
            replicates=self.study.replicates,
            cells=len(self.cells),
            excluded=full_count(self.study) - len(self.cells),
            images=len(self),
            done=sum(made),
            left=left,
            axes=self._axis_counts(made, each),
            calls=self.calls(),
            calls_left=self._counted(missing),
            seconds_left=self._seconds_left(missing, pace or {}),
            untimed=self._untimed(missing, pace or {}),
            price_left=self._price(missing, lambda engine: True),
            price_again=self._price(missing, lambda engine: isinstance(engine, AsksAgain) and engine.may_pay_twice()),
            pace=_paced(pace or {}),
            bytes_left=None if size is None else round(size.value * left),
            size="" if size is None else size.source,
            warnings=self._warnings(),
        )

    def _stencil(self, cell: Cell) -> Stencil:
        if cell in self._kept:
            return self._kept[cell]
        what, maker = self._composition, self._composition.maker(cell.levels)
        words = what.words(cell.levels)
        stencil = self._stencils.make(maker.name, maker.ref, what.settings(cell.levels), words)
        if len(self.cells) <= KEPT_STENCILS:
            self._kept[cell] = stencil
        return stencil

    def _shot(self, cell: Cell, text: str, seed: int, shot_id: str) -> Shot:
        shot = Shot(self.engine(cell), {"prompt": text, "seed": seed, **self._composition.settings(cell.levels)})
        shot.__dict__["id"] = shot_id  # where `cached_property` keeps the id, which is known already
        return shot

    def _ids(self) -> Iterator[tuple[int, str]]:
        """The index of the cell and the id of every shot, cell by cell."""
        if self.study.prompts[0].pictures:
            for index, cell in enumerate(self.cells):
                for prompt in self.study.prompts:
                    for replicate in range(self.study.replicates):
                        yield index, self.shot(cell, prompt, replicate).id
            return
        seeds = [
            [str(self.seed(prompt, replicate)).encode() for replicate in range(self.study.replicates)]
            for prompt in self.study.prompts
        ]
        filled: Mapping[str, str] | None = None
        prompts: list[tuple[bytes, list[bytes]]] = []
        for index in self._by_words():
            stencil = self._stencil(self.cells[index])
            if stencil.words != filled:
                filled = stencil.words
                texts = (_text(prompt, filled)[1] for prompt in self.study.prompts)
                prompts = list(zip(texts, seeds, strict=True))
            for text, own in prompts:
                for seed in own:
                    yield index, stencil.id(text, seed)

    def _by_words(self) -> Sequence[int]:
        """The indices of the cells, ordered by their words, so that each choice of words is filled in once."""
        indices = range(len(self.cells))
        if not any(axis.kind == "word" for axis in self.study.axes):
            return indices
        return sorted(indices, key=lambda i: tuple(self._composition.words(self.cells[i].levels).values()))

    def _done_by_cell(self, done: Container[str]) -> list[int]:
        made = [0] * len(self.cells)
        if done:
            for index, shot_id in self._ids():
                made[index] += shot_id in done
        return made

    @cached_property
    def _calls(self) -> list[int | None]:
        """The denoiser calls of one shot of each cell; None where the engine counts none."""
        return self._asked(lambda engine, settings: engine.calls(settings))

    def _counted(self, shots: Sequence[int]) -> int | None:
        """The denoiser calls of so many shots of each cell; None where no engine counts them."""
        known = [calls * n for calls, n in zip(self._calls, shots, strict=True) if calls is not None]
        return sum(known) if known or not self.cells else None

    def _price(self, shots: Sequence[int], counts: Callable[[Engine], bool]) -> tuple[Price, ...]:
        """The most that so many shots of each cell can cost, one price a currency; empty where engines are free.

        Args:
            shots: of each cell.
            counts: whether an engine's shots are added.
        """
        if not any(isinstance(engine, Priced) for engine in self._engines.values()):
            return ()
        amounts: dict[str, float] = {}
        longest = max(self.study.prompts, key=lambda prompt: len(prompt.text))  # services are paid for its tokens, too
        prices = self._asked(
            lambda engine, settings: engine.price(settings) if isinstance(engine, Priced) and counts(engine) else None,
            longest,
        )
        for price, n in zip(prices, shots, strict=True):
            if price is not None:
                amounts[price.currency] = amounts.get(price.currency, 0.0) + price.amount * n
        return tuple(Price(amount, currency) for currency, amount in amounts.items())

    def _asked(
        self, ask: Callable[[Engine, Mapping[str, Value]], Answer], prompt: Prompt | None = None
    ) -> list[Answer]:
        """The answer of each cell's engine about one of its shots. Cells that differ in words alone share an answer."""
        prompt = prompt or self.study.prompts[0]
        seed = self.seed(prompt, 0)
        words = {axis.name for axis in self.study.axes if axis.kind == "word"}
        known: dict[object, Answer] = {}
        for cell in self.cells:
            key = _without(cell, words)
            if key not in known:
                settings = self._composition.settings(cell.levels)
                settings.update(prompt.settings, prompt=prompt.text, seed=seed)
                known[key] = ask(self._instance(cell), settings)
        return [known[_without(cell, words)] for cell in self.cells]

    def _axis_counts(self, made: Sequence[int], each: int) -> tuple[AxisCount, ...]:
        cells: Counter[tuple[str, str]] = Counter()
        finished: Counter[tuple[str, str]] = Counter()
        for cell, done in zip(self.cells, made, strict=True):
            for pair in cell.levels:
                cells[pair] += 1
                finished[pair] += done
        return tuple(
            AxisCount(
                axis.name,
                axis.kind,
                tuple(
                    LevelCount(label, cells[axis.name, label] * each, finished[axis.name, label])
                    for label in axis.labels
                ),
            )
            for axis in self.study.axes
        )

    def _seconds_left(self, shots: Sequence[int], pace: Mapping[str, Measured]) -> float | None:
        timed = [
            (1 if calls is None else calls) * n * pace[maker].value
            for cell, calls, n in zip(self.cells, self._calls, shots, strict=True)
            if (maker := self.maker(cell)) in pace
        ]
        return sum(timed) if timed else None

    def _untimed(self, shots: Sequence[int], pace: Mapping[str, Measured]) -> tuple[str, ...]:
        left = dict.fromkeys(self.maker(cell) for cell, n in zip(self.cells, shots, strict=True) if n)
        return tuple(maker for maker in left if maker not in pace)

    def _guessed_size(self) -> Measured | None:
        settings = [self._composition.settings(cell.levels) for cell in self.cells[:1000]]
        sizes = [
            w * h for s in settings if isinstance(w := s.get("width"), int) and isinstance(h := s.get("height"), int)
        ]
        if len(sizes) < len(settings):
            return None
        # 1.6 bytes a pixel, because a PNG of a photograph-like picture of 512 × 512 takes about 420 KB.
        return Measured(1.6 * sum(sizes) / len(sizes), "guessed at 1.6 bytes a pixel, as PNGs of photographs take")

    def _warnings(self) -> tuple[str, ...]:
        found = []
        if self.study.seeds is not None and len(self.study.prompts) > 1:
            found.append(
                "seeds are shared by all prompts, so intervals come out too narrow. Write replicates ="
                f" {self.study.replicates} instead, for own seeds in each prompt"
            )
        for alias, engine in self._engines.items():
            name = f"engine {self.study.engines[alias].name!r}" + (f" ({alias})" if alias != ONLY else "")
            if (given := seeding(engine)) != "exact":
                found.append(f"{name} {UNSEEDED[given]}")
        return tuple(found)


def _paced(pace: Mapping[str, Measured]) -> str:
    """Where each pace comes from, and what it is; engines are named where there are several.

    >>> _paced({"engine": Measured(0.05, "from a calibration")})
    'from a calibration, 50 ms a call'
    >>> _paced({"ours": Measured(0.05, "from a calibration"), "theirs": Measured(0.002, "from a calibration")})
    'from a calibration, in ms a call: ours 50, theirs 2'
    """
    if len(pace) == 1:
        return "".join(f"{one.source}, {one.value * 1000:.3g} ms a call" for one in pace.values())
    sources: dict[str, list[str]] = {}
    for maker, one in pace.items():
        sources.setdefault(one.source, []).append(f"{maker} {one.value * 1000:.3g}")
    return "; ".join(f"{source}, in ms a call: {', '.join(paces)}" for source, paces in sources.items())


def _without(cell: Cell, axes: Container[str]) -> tuple[tuple[str, str], ...]:
    return tuple(pair for pair in cell.levels if pair[0] not in axes)


def _text(prompt: Prompt, words: Mapping[str, str]) -> tuple[str, bytes]:
    """The text that the model reads, plain and as JSON."""
    text = fill(prompt.text, words)
    return text, utf8(canonical_json(text))
