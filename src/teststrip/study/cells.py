"""Which combinations of levels a study has, and which settings each combination means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from math import prod

from teststrip.records import Level, Setting, Study, Value
from teststrip.study.engines import ONLY
from teststrip.study.options import Maker, Makers

Labels = tuple[tuple[str, str], ...]
"""(Axis name, level label) for each axis: what a `Cell` holds."""


def combinations(study: Study) -> Iterator[Labels]:
    """Every cell that is not excluded; the last axis runs fastest."""
    cells = product(*([(axis.name, label) for label in axis.labels] for axis in study.axes))
    if not study.exclusions:
        yield from cells
        return
    position = {axis.name: i for i, axis in enumerate(study.axes)}
    rules = [[(position[name], frozenset(labels)) for name, labels in rule.items()] for rule in study.exclusions]
    for cell in cells:
        if not any(all(cell[i][1] in labels for i, labels in rule) for rule in rules):
            yield cell


def full_count(study: Study) -> int:
    """The number of combinations before any is excluded."""
    return prod(len(axis.levels) for axis in study.axes)


def places(study: Study) -> int:
    """The number of shots that a study asks for, counted without keeping any combination."""
    cells = sum(1 for _ in combinations(study)) if study.exclusions else full_count(study)
    return cells * len(study.prompts) * study.replicates


class Composition:
    """Puts together what a cell means: its engine, its settings, its words.

    Args:
        study: the axes and the fixed settings.
        knobs: the settings of each engine, by alias.
        options: the options of each engine, by alias.
    """

    def __init__(
        self,
        study: Study,
        knobs: Mapping[str, Mapping[str, Setting]],
        options: Mapping[str, Mapping[str, Setting]],
    ) -> None:
        self._makers = Makers(study, options)
        self._only = ONLY if ONLY in study.engines else next(iter(study.engines))
        self._engine_axis = next((i for i, axis in enumerate(study.axes) if axis.kind == "engine"), None)
        self._words = [i for i, axis in enumerate(study.axes) if axis.kind == "word"]
        self._by_label = [{level.label: level for level in axis.levels} for axis in study.axes]
        self._names = [axis.name for axis in study.axes]
        self._fixed: dict[str, dict[str, Value]] = {}
        self._set: dict[str, list[dict[str, dict[str, Value]]]] = {}
        for alias, known in knobs.items():
            defaults = {name: knob.default for name, knob in known.items() if name not in ("prompt", "seed")}
            self._fixed[alias] = _asked({**defaults, **study.settings}, known)
            self._set[alias] = [
                {
                    # The level of an engine axis holds the alias too, which is no setting.
                    level.label: _asked({k: v for k, v in level.settings.items() if k in known}, known)
                    for level in axis.levels
                }
                for axis in study.axes
                if axis.kind != "word"
            ]
        self._setting_axes = [i for i, axis in enumerate(study.axes) if axis.kind != "word"]

    def levels(self, cell: Labels) -> tuple[Level, ...]:
        """The levels of a cell, one for each axis."""
        return tuple(levels[label] for levels, (_, label) in zip(self._by_label, cell, strict=True))

    def alias(self, cell: Labels) -> str:
        """The alias of a cell's engine."""
        return self._only if self._engine_axis is None else cell[self._engine_axis][1]

    def maker(self, cell: Labels) -> Maker:
        """The engine of a cell, with the options that its levels set."""
        return self._makers.of(self.alias(cell), cell)

    def settings(self, cell: Labels) -> dict[str, Value]:
        """All settings except prompt and seed: the engine's defaults, the fixed settings, and what the levels set."""
        alias = self.alias(cell)
        settings = self._fixed[alias].copy()
        for i, levels in zip(self._setting_axes, self._set[alias], strict=True):
            settings.update(levels[cell[i][1]])
        return settings

    def words(self, cell: Labels) -> dict[str, str]:
        """The text that fills each `{word}` place of the prompts."""
        return {self._names[i]: str(self._by_label[i][cell[i][1]].settings[self._names[i]]) for i in self._words}


def _asked(settings: Mapping[str, Value], knobs: Mapping[str, Setting]) -> dict[str, Value]:
    """The settings without those that are None and whose default is None: the study does not ask for them."""
    return {
        name: value
        for name, value in settings.items()
        if value is not None or (name in knobs and knobs[name].default is not None)
    }
