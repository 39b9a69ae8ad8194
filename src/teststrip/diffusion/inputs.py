"""What a pipeline's own check has against the arguments of a call, asked without its models: sizes, lengths of text.

The pipeline is made of the configurations of its components alone, which is all that such a check looks at. Where a
class needs more, nothing is refused; a trial picture decides then. Imports Diffusers when called, unless the verdict is
kept on disk.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from teststrip.diffusion import tasks
from teststrip.diffusion.models import Model, read_json
from teststrip.diffusion.pipelines import PipelineClass
from teststrip.diffusion.source import function
from teststrip.diffusion.unheeded import wants_both
from teststrip.diffusion.verdicts import VERDICTS
from teststrip.errors import first_line
from teststrip.records import Value, plain
from teststrip.weights.loading import quietly

SIDE: Final = 512
"""Stands for a width or height that is the model's own; divisible by the grid of every model."""

FILES: Final = ("config.json", "scheduler_config.json", "tokenizer_config.json", "preprocessor_config.json")
UNCHECKED: Final = frozenset({"prompt", "negative_prompt", "seed", *tasks.NAMES})
"""Settings that differ from shot to shot, and that no check refuses as texts and numbers."""

SIDES: Final = frozenset({"width", "height"})


class Described:
    """A component of a pipeline that has a configuration and nothing to compute with.

    Args:
        config: as its file says.
    """

    def __init__(self, config: Mapping[str, object]) -> None:
        from diffusers.configuration_utils import FrozenDict

        self.config = FrozenDict(config)
        self.model_max_length = config.get("model_max_length")


def objection(pipeline: PipelineClass, model: Model, settings: Mapping[str, Value]) -> str:
    """What the pipeline's own check has against these settings; "" where it has nothing, or cannot be asked.

    Args:
        pipeline: as its source describes it.
        model: as found; a single file has no configurations, so nothing is known of it.
        settings: of a shot.
    """
    check = function(pipeline.tree, "check_inputs")
    home = None if model.file else model.home
    names = {argument.arg for argument in (*check.args.args, *check.args.kwonlyargs)} if check else set()
    given = {name: value for name in sorted(names - UNCHECKED) if (value := settings.get(name)) is not None}
    if not given.keys() >= SIDES and wants_both(pipeline):
        given = {name: value for name, value in given.items() if name not in SIDES}
    if home is None or not given:
        return ""
    return _remembered(pipeline.name, home, tuple(given.items()))


@cache
def _remembered(pipeline: str, home: Path, given: tuple[tuple[str, Value], ...]) -> str:
    parts = configs(home)
    asked = [version("diffusers"), pipeline, plain(parts), dict(given)]
    return VERDICTS.of(asked, lambda: _refused(pipeline, parts, dict(given)))


@cache
def configs(home: Path) -> dict[str, Any]:
    """model_index.json of a folder, with the configuration in the place of each component."""
    index = read_json(home / "model_index.json")
    return {name: _config(home / name) if isinstance(entry, list) and all(entry) else
            None if isinstance(entry, list) else entry for name, entry in index.items()}  # fmt: skip


def _config(part: Path) -> dict[str, Any]:
    found = next((part / name for name in FILES if (part / name).is_file()), None)
    return {} if found is None else dict(read_json(found))


def _refused(pipeline: str, parts: Mapping[str, Any], given: Mapping[str, Value]) -> str:
    import diffusers

    with quietly("diffusers", "transformers"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kind = getattr(diffusers, pipeline)  # its module loads whatever the pipeline knows of Transformers
        try:
            pipe = _without_models(kind, parts)
            _check(kind, pipe, {})
        except Exception:  # the class needs more than configurations, so that nothing is known
            return ""
        try:
            _check(kind, pipe, given)
        except ValueError as error:
            alone = [name for name in given if first_line(error).find(name) >= 0]
            return f"{alone[0]}: {first_line(error)}" if len(alone) == 1 else first_line(error)
        except Exception:  # the check needs more than configurations
            return ""
    return ""


def _without_models(kind: Any, parts: Mapping[str, Any]) -> Any:
    """A pipeline of configurations."""
    accepted = inspect.signature(kind.__init__).parameters
    pipe = object.__new__(kind)
    kind.__init__(
        pipe,
        **{
            name: Described(part) if isinstance(part, dict) else part
            for name, part in parts.items()
            if name in accepted
        },
    )
    return pipe


def _check(kind: Any, pipe: Any, given: Mapping[str, Value]) -> None:
    """Let a pipeline check the arguments of a call, of which all that are not given have their defaults."""
    defaults = {name: one.default for name, one in inspect.signature(kind.__call__).parameters.items()}
    sides = dict.fromkeys(SIDES, SIDE)
    arguments = {**defaults, "prompt": "an owl", **sides, **given}
    asked = inspect.signature(pipe.check_inputs).parameters
    pipe.check_inputs(
        **{
            name: arguments.get(name)
            for name, one in asked.items()
            if name in arguments or one.default is inspect.Parameter.empty
        }
    )
