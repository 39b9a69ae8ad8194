"""An order of shots in which an engine loads nothing twice, where a study needs more than the engine keeps.

Otherwise the order of the plan stands, because a run that is stopped early then has pictures of every cell. Knows cells
and engines; nothing of what is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from teststrip.protocols import Engine, TakesTurns
from teststrip.records import Cell, EngineRef, Study, Value


def turns(
    study: Study,
    engines: Mapping[str, Engine],
    cells: Sequence[Cell],
    *,
    engine_of: Callable[[Cell], EngineRef],
    instance_of: Callable[[Cell], Engine],
    settings_of: Callable[[Cell], Mapping[str, Value]],
) -> dict[Cell, int]:
    """The turn of each cell: low turns are made first; empty where the order does not matter.

    Args:
        study: whose axes tell whether anything that is loaded differs from cell to cell.
        engines: by alias.
        cells: all of the study.
        engine_of: the engine that makes a cell's shots.
        instance_of: an instance of that engine.
        settings_of: all settings of a cell, without prompt and seed.
    """
    choosing = {name for engine in engines.values() if isinstance(engine, TakesTurns) for name in engine.loads}
    if not any(choosing & level.settings.keys() for axis in study.axes for level in axis.levels):
        return {}
    # Two names of one engine may differ in the model alone: then one instance makes the shots of both.
    together: dict[str, list[Cell]] = {}
    for cell in cells:
        together.setdefault(engine_of(cell).key, []).append(cell)
    found: dict[Cell, int] = {}
    for own in together.values():
        engine = instance_of(own[0])
        asked = engine.turns([settings_of(cell) for cell in own]) if isinstance(engine, TakesTurns) else [0] * len(own)
        found.update(zip(own, asked, strict=True))
    return found if any(found.values()) else {}
