"""An order of shots in which a model is loaded once for all the shots that it answers.

Knows which settings choose weights; nothing of how models are found or loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from teststrip.diffusion import additions, loras
from teststrip.diffusion.additions import Additions
from teststrip.diffusion.models import EMBEDDED
from teststrip.diffusion.tasks import given
from teststrip.records import Shot, Value
from teststrip.stacks import INVERSION, STACKED

AHEAD: Final = 64
"""Shots looked at ahead of time."""

WEIGHTS: Final = frozenset({"model", "revision", *STACKED, *additions.NAMES})
"""Settings that choose what is loaded."""

ModelKey = tuple[str, str | None]
"""What a study calls a model: its name, and the revision of a hub name."""


def model_key(settings: Mapping[str, Value]) -> ModelKey:
    """Equal for settings that name the same model."""
    revision = settings.get("revision")
    return str(settings.get("model") or EMBEDDED), str(revision) if revision else None


LoadKey = tuple[ModelKey, frozenset[str], Additions]
"""A model, the pictures that its pipeline is given (with some, it is loaded as another class), what is added to it."""


def load_key(settings: Mapping[str, Value]) -> LoadKey:
    """Equal for settings that the same loaded pipeline answers, with these LoRAs on it or those."""
    return model_key(settings), given(settings), Additions.of(settings)


def weights_key(shot: Shot) -> tuple[object, ...]:
    """Equal for shots that the same weights answer: the loaded pipeline, and all that is on it with its scales."""
    own = (shot.settings.get(name) for name in (INVERSION, "ip_adapter_scale"))
    return (load_key(shot.settings), *loras.asked(shot.settings), *own)


def files_key(settings: Mapping[str, Value]) -> tuple[object, ...]:
    """Equal for settings that load the same files: the pipeline, and what adapts it, whatever the scales of LoRAs."""
    return (load_key(settings), *loras.files(settings), settings.get(INVERSION))


def turns(cells: Sequence[Mapping[str, Value]], keep: int) -> list[int]:
    """The turn of each cell: by model where a study has more than stay in memory, by LoRA where a model has more.

    Args:
        cells: the settings of each.
        keep: models that stay in memory.

    >>> turns([{"model": "a"}, {"model": "b"}, {"model": "a"}], keep=2)
    [0, 0, 0]
    >>> turns([{"model": "a"}, {"model": "b"}, {"model": "a"}], keep=1)
    [0, 1, 0]
    """
    models = list(dict.fromkeys(map(load_key, cells)))
    stacks = list(dict.fromkeys(files_key(cell) for cell in cells if loras.files(cell)))
    each = {(load_key(cell), file) for cell in cells for file in loras.files(cell)}
    many_loras = any(sum(model == key for model, _ in each) > loras.MOST_LORAS for key in models)
    by_model = {model: i if len(models) > keep else 0 for i, model in enumerate(models)}
    by_stack = {stack: i + 1 if many_loras else 0 for i, stack in enumerate(stacks)}
    keys = [(by_model[load_key(cell)], by_stack.get(files_key(cell), 0)) for cell in cells]
    rank = {key: i for i, key in enumerate(sorted(set(keys)))}
    return [rank[key] for key in keys]


def model_by_model(shots: Iterator[Shot]) -> Iterator[Shot]:
    """Shots in order, but those of one model, and of one LoRA on it, together among the next AHEAD."""
    while window := list(islice(shots, AHEAD)):
        models = {key: i for i, key in enumerate(dict.fromkeys(load_key(shot.settings) for shot in window))}
        weights = {key: i for i, key in enumerate(dict.fromkeys(map(weights_key, window)))}
        yield from sorted(window, key=lambda shot: (models[load_key(shot.settings)], weights[weights_key(shot)]))
