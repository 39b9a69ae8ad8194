"""The shots of a study: which there are, in which order, under which ids and seeds; `costs` says what they cost.

A plan is lazy: it counts a million shots without making one. It knows neither folder nor clock: the caller says which
ids are done and how long a denoiser call takes.

The order is replicate by replicate, within a replicate prompt by prompt, and within a prompt cell by cell, so that a
run that is stopped early has pictures of every cell.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from teststrip import plugins
from teststrip.plan.costs import Costs
from teststrip.plan.seeds import seeds_of
from teststrip.plan.stencil import Stencil, Stencils, utf8
from teststrip.plan.summary import Measured, PlanSummary, counted, paced
from teststrip.plan.turns import turns
from teststrip.protocols import Engine, Recipes
from teststrip.protocols import seeds_of as seeding
from teststrip.records import Cell, EngineRef, Planned, Prompt, Shot, Study, Value, canonical_json
from teststrip.study.cells import Composition, combinations, full_count
from teststrip.study.engines import ONLY
from teststrip.study.prompts import fill

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
        return self._costs.calls([self._each] * len(self.cells))

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
            pace: as `Costs.seconds` takes it, by `maker`; without a pace the time is unknown.
            image_bytes: mean size of an image; without it, the size is guessed from width and height.
        """
        made = self._done_by_cell(done)
        missing = [self._each - n for n in made]
        left, pace, costs = len(self) - sum(made), pace or {}, self._costs
        size = image_bytes or costs.image_bytes()
        return PlanSummary(
            study=self.study.name,
            prompts=len(self.study.prompts),
            replicates=self.study.replicates,
            cells=len(self.cells),
            excluded=full_count(self.study) - len(self.cells),
            images=len(self),
            done=sum(made),
            left=left,
            axes=counted(self.study.axes, self.cells, made, self._each),
            calls=self.calls(),
            calls_left=costs.calls(missing),
            seconds_left=costs.seconds(missing, pace),
            untimed=costs.untimed(missing, pace),
            price_left=costs.prices(missing),
            price_again=costs.prices_again(missing),
            pace=paced(pace),
            bytes_left=None if size is None else round(size.value * left),
            size="" if size is None else size.source,
            warnings=self._warnings(),
        )

    @property
    def _each(self) -> int:
        """Shots of a cell."""
        return len(self.study.prompts) * self.study.replicates

    @cached_property
    def _costs(self) -> Costs:
        return Costs(
            self.study,
            self.cells,
            self._engines.values(),
            maker_of=self.maker,
            instance_of=self._instance,
            settings_of=lambda cell: self._composition.settings(cell.levels),
            seed=self.seed(self.study.prompts[0], 0),
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


def _text(prompt: Prompt, words: Mapping[str, str]) -> tuple[str, bytes]:
    """The text that the model reads, plain and as JSON."""
    text = fill(prompt.text, words)
    return text, utf8(canonical_json(text))
