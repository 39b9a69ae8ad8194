"""The shots of a study: which there are, in which order, under which ids and seeds, and what they cost.

Lazy: a plan of a million shots is counted without making one. Knows neither folder nor clock: which ids are done, and
how long a denoiser call takes, it is told.

Order: replicate by replicate, in it prompt by prompt, in it cell by cell. A run that is stopped has covered the space.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

from teststrip import plugins
from teststrip.protocols import Engine
from teststrip.records import Cell, EngineRef, Planned, Prompt, Shot, Study, Value, canonical_json
from teststrip.spec.cells import Composition, combinations, full_count
from teststrip.spec.prompts import fill

SALT = "teststrip/1"
"""Part of every seed. Changing it makes every study draw other pictures."""

KEPT_STENCILS = 50_000  # cells; about 1 KB each, so 50 MB. Beyond, they are made anew each time


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
        study: its name. prompts, replicates, cells: the design; excluded: cells left out.
        images, done, left: shots; done = with an image already.
        axes: counts by level.
        calls, calls_left: denoiser calls, counted by the engine.
        seconds_left: machine time for what is left, or None when no pace is known; pace says where it comes from.
        bytes_left: on disk, for what is left; size says where it comes from.
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
    calls: int
    calls_left: int
    seconds_left: float | None
    pace: str
    bytes_left: int | None
    size: str
    warnings: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """The same as plain values, for `--json`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Stencil:
    """A cell's part of the canonical JSON that an id is the hash of, cut where prompt and seed go.

    Equal to `Shot.id`, which a test proves; it saves sorting and spelling the same settings for each shot again.
    """

    before: bytes
    between: bytes
    after: bytes
    words: Mapping[str, str]

    def id(self, prompt: bytes, seed: bytes) -> str:
        """The id of the shot with this prompt (as JSON) and seed (as digits)."""
        return hashlib.sha256(b"%b%b%b%b%b" % (self.before, prompt, self.between, seed, self.after)).hexdigest()


class _Stencils:
    """Makes stencils, spelling each engine and each setting's value once."""

    def __init__(self) -> None:
        self._heads: dict[str, str] = {}
        self._spelled: dict[tuple[str, type, Value], str] = {}

    def make(self, alias: str, ref: EngineRef, settings: Mapping[str, Value], words: Mapping[str, str]) -> _Stencil:
        if alias not in self._heads:
            name, options = canonical_json(ref.name), canonical_json(dict(ref.options))
            self._heads[alias] = f'{{"engine":{name},"options":{options},"settings":{{'
        spelled = [self._pair(name, settings[name]) for name in sorted(settings)]
        # Names in order: those before "prompt", those between it and "seed", the rest.
        first = sum(name < "prompt" for name in settings)
        second = sum(name < "seed" for name in settings)
        before = self._heads[alias] + "".join(pair + "," for pair in spelled[:first]) + '"prompt":'
        between = "".join("," + pair for pair in spelled[first:second]) + ',"seed":'
        after = "".join("," + pair for pair in spelled[second:]) + "}}"
        return _Stencil(_utf8(before), _utf8(between), _utf8(after), words)

    def _pair(self, name: str, value: Value) -> str:
        key = (name, type(value), value)
        if key not in self._spelled:
            self._spelled[key] = f"{canonical_json(name)}:{canonical_json(value)}"
        return self._spelled[key]


def of(study: Study) -> Plan:
    """The plan of a study. Loads each engine's class, no weights.

    Raises:
        UsageError, MissingExtra: an engine is not there.
    """
    engines = {
        alias: plugins.load("engines", ref.name)(**ref.options, **ref.operation) for alias, ref in study.engines.items()
    }
    return Plan(study, engines)


class Plan:
    """All shots of a study, in order.

    Attributes:
        study: what was asked.
        cells: all combinations of levels, without those excluded; the last axis runs fastest.
    """

    def __init__(self, study: Study, engines: Mapping[str, Engine]) -> None:
        self.study = study
        self._engines = engines
        self._composition = Composition(study, {alias: engine.settings for alias, engine in engines.items()})
        self.cells: tuple[Cell, ...] = tuple(Cell(labels) for labels in combinations(study))
        self._seeds: dict[str, Sequence[int]] = {}
        self._stencils = _Stencils()
        self._kept: dict[Cell, _Stencil] = {}

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
                    stencil = self._stencil(cell)
                    key = tuple(stencil.words.values())
                    if key not in texts:
                        texts[key] = _text(prompt, stencil.words)
                    text, quoted = texts[key]
                    shot_id = stencil.id(quoted, spelled)
                    if shot_id not in done:
                        yield Planned(self._shot(cell, text, seed, shot_id), cell, prompt, replicate)

    def ids(self) -> Iterator[str]:
        """The id of every shot, cell by cell: the fastest way through a plan."""
        return (shot_id for _, shot_id in self._ids())

    def first(self, cell: Cell) -> Planned:
        """The first shot of a cell: an example of its settings."""
        prompt = self.study.prompts[0]
        return Planned(self.shot(cell, prompt, 0), cell, prompt, 0)

    def shot(self, cell: Cell, prompt: Prompt, replicate: int) -> Shot:
        """The shot at a place in the design."""
        return Shot(self.engine(cell), self.settings(cell, prompt, replicate))

    def settings(self, cell: Cell, prompt: Prompt, replicate: int) -> dict[str, Value]:
        """All settings of a shot, prompt and seed among them."""
        text, _ = _text(prompt, self._composition.words(cell.levels))
        return {"prompt": text, "seed": self.seed(prompt, replicate), **self._composition.settings(cell.levels)}

    def engine(self, cell: Cell) -> EngineRef:
        """The engine that makes a cell's shots."""
        return self.study.engines[self._composition.alias(cell.levels)]

    def seed(self, prompt: Prompt, replicate: int) -> int:
        """The seed of a prompt's replicate: the same in all cells; 0 .. 2**32 - 1."""
        if self.study.seeds is not None:
            return self.study.seeds[replicate]
        if prompt.text not in self._seeds:
            self._seeds[prompt.text] = seeds_of(prompt.text, self.study.replicates)
        return self._seeds[prompt.text][replicate]

    def calls(self) -> int:
        """Denoiser calls of all shots, as the engines count them."""
        return sum(self._calls) * len(self.study.prompts) * self.study.replicates

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
            pace: seconds a denoiser call takes, by the engine's alias in the study; time is unknown without it.
            image_bytes: mean size of an image; guessed from width and height without it.
        """
        each = len(self.study.prompts) * self.study.replicates
        made = self._done_by_cell(done)
        calls_left = sum(calls * (each - n) for calls, n in zip(self._calls, made, strict=True))
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
            calls_left=calls_left,
            seconds_left=self._seconds_left(made, each, pace or {}),
            pace="; ".join(dict.fromkeys(estimate.source for estimate in (pace or {}).values())),
            bytes_left=None if size is None else round(size.value * left),
            size="" if size is None else size.source,
            warnings=self._warnings(),
        )

    # --- cells ---

    def _stencil(self, cell: Cell) -> _Stencil:
        if cell in self._kept:
            return self._kept[cell]
        what, alias = self._composition, self._composition.alias(cell.levels)
        words = what.words(cell.levels)
        stencil = self._stencils.make(alias, self.study.engines[alias], what.settings(cell.levels), words)
        if len(self.cells) <= KEPT_STENCILS:
            self._kept[cell] = stencil
        return stencil

    def _shot(self, cell: Cell, text: str, seed: int, shot_id: str) -> Shot:
        shot = Shot(self.engine(cell), {"prompt": text, "seed": seed, **self._composition.settings(cell.levels)})
        shot.__dict__["id"] = shot_id  # what `cached_property` would put there, already known
        return shot

    # --- counting ---

    def _ids(self) -> Iterator[tuple[int, str]]:
        """(Index of the cell, id) of every shot, cell by cell."""
        quoted: dict[tuple[tuple[str, str], ...], list[tuple[bytes, list[bytes]]]] = {}
        seeds = [
            [str(self.seed(prompt, replicate)).encode() for replicate in range(self.study.replicates)]
            for prompt in self.study.prompts
        ]
        for index, cell in enumerate(self.cells):
            stencil = self._stencil(cell)
            key = tuple(stencil.words.items())
            if key not in quoted:
                quoted.clear()  # cells of the same words follow each other, or nearly: one entry is enough
                texts = (_text(prompt, stencil.words)[1] for prompt in self.study.prompts)
                quoted[key] = list(zip(texts, seeds, strict=True))
            for text, own in quoted[key]:
                for seed in own:
                    yield index, stencil.id(text, seed)

    def _done_by_cell(self, done: Container[str]) -> list[int]:
        made = [0] * len(self.cells)
        if done:
            for index, shot_id in self._ids():
                made[index] += shot_id in done
        return made

    @cached_property
    def _calls(self) -> list[int]:
        """Denoiser calls of one shot of each cell; the engine is asked once for each distinct cell."""
        prompt = self.study.prompts[0]

        def ask(cell: Cell) -> int:
            engine = self._engines[self._composition.alias(cell.levels)]
            return engine.calls(self.settings(cell, prompt, 0))

        words = {axis.name for axis in self.study.axes if axis.kind == "word"}
        if not words:
            return [ask(cell) for cell in self.cells]
        known: dict[object, int] = {}
        for cell in self.cells:
            key = _without(cell, words)
            if key not in known:
                known[key] = ask(cell)
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

    def _seconds_left(self, made: Sequence[int], each: int, pace: Mapping[str, Measured]) -> float | None:
        if not pace:
            return None
        seconds = 0.0
        for cell, calls, done in zip(self.cells, self._calls, made, strict=True):
            alias = self._composition.alias(cell.levels)
            if done == each:
                continue
            if alias not in pace:
                return None
            seconds += calls * (each - done) * pace[alias].value
        return seconds

    def _guessed_size(self) -> Measured | None:
        settings = [self._composition.settings(cell.levels) for cell in self.cells[:1000]]
        sizes = [
            w * h for s in settings if isinstance(w := s.get("width"), int) and isinstance(h := s.get("height"), int)
        ]
        if len(sizes) < len(settings):
            return None
        # 1.6 bytes a pixel: PNGs of SD 1.5 pictures at 512 × 512 take 350 to 450 KB.
        return Measured(1.6 * sum(sizes) / len(sizes), "guessed at 1.6 bytes a pixel, as PNGs of photographs take")

    def _warnings(self) -> tuple[str, ...]:
        found = []
        if self.study.seeds is not None and len(self.study.prompts) > 1:
            found.append(
                "seeds are shared by all prompts, so intervals come out too narrow. Write replicates ="
                f" {self.study.replicates} instead, for own seeds in each prompt"
            )
        return tuple(found)


def seeds_of(text: str, replicates: int) -> Sequence[int]:
    """Own seeds of a prompt, all different: SHA-256 of salt, the prompt's text as written and the replicate, 32 bits.

    A seed that an earlier replicate has is drawn again. They depend on nothing else in the study, so adding prompts,
    cells or replicates changes none.
    """
    seeds, seen = array("Q"), set()
    stem = hashlib.sha256(f"{SALT}\0{text}\0".encode("utf-8", "surrogatepass"))
    for replicate in range(replicates):
        again = 0
        while True:
            state = stem.copy()
            state.update(f"{replicate}.{again}".encode() if again else str(replicate).encode())
            seed = int.from_bytes(state.digest()[:4], "big")
            if seed not in seen:
                break
            again += 1
        seen.add(seed)
        seeds.append(seed)
    return seeds


def _without(cell: Cell, axes: Container[str]) -> tuple[tuple[str, str], ...]:
    return tuple(pair for pair in cell.levels if pair[0] not in axes)


def _text(prompt: Prompt, words: Mapping[str, str]) -> tuple[str, bytes]:
    """What the model reads, and the same as JSON."""
    text = fill(prompt.text, words)
    return text, _utf8(canonical_json(text))


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # as `records.digest_of` does
