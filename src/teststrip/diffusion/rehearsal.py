"""Whether a scheduler can take the steps that a pipeline will ask for: asked of the scheduler itself, without a model.

A scheduler is made from the configuration of the model's own one, given its times as the pipeline's source gives them,
and led through the steps of an empty picture. What it refuses here it refuses in a run. Imports torch and Diffusers
when called, unless the verdict is kept on disk. Where a source is not understood nothing is refused; a trial picture
decides then.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from types import MappingProxyType
from typing import Any, Final

from teststrip.diffusion import scheduler_options, schedulers
from teststrip.diffusion.pipelines import PipelineClass, arguments_of, find
from teststrip.diffusion.schedulers import NEEDS
from teststrip.diffusion.source import function
from teststrip.diffusion.step_lists import Steps
from teststrip.diffusion.verdicts import VERDICTS
from teststrip.errors import first_line
from teststrip.records import Value
from teststrip.vocabulary import options_written
from teststrip.weights.loading import quietly

Options = Mapping[str, Value]
NO_OPTIONS: Final[Options] = MappingProxyType({})

FEW_STEPS: Final = 30
FIRST: Final = 5
"""So many steps are rehearsed to their end; of more only the first, because all of a study's numbers are rehearsed."""

NEAR: Final = 60
"""How far from a refused number of steps another one is looked for."""

SHAPE: Final = (1, 4, 8, 8)
"""Of the empty picture. Schedulers work on each number by itself, so that its size does not matter."""

KNOWN: Final = frozenset({"scheduler", "num_inference_steps", "device", "timesteps", "sigmas"})
"""Parameters of `retrieve_timesteps`, which most pipelines have a copy of; any other one goes to the scheduler."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How a pipeline asks its scheduler for times.

    Attributes:
        sigmas: whether it gives noise levels of its own.
        timesteps: whether it gives times of its own.
        unless_flow: whether it gives no levels to a scheduler with `use_flow_sigmas`.
        shift: "" = it gives no `mu`, "always", or "dynamic" = to a scheduler with `use_dynamic_shifting`.
        more: further arguments, by name.
    """

    sigmas: bool = False
    timesteps: bool = False
    unless_flow: bool = False
    shift: str = ""
    more: tuple[tuple[str, Value], ...] = ()


@cache
def asking(pipeline: str) -> Asking | None:
    """How a pipeline class asks for times, read from its source; None where that is not understood."""
    found = find(pipeline)
    call = function(found.tree, "__call__") if found else None
    if call is None:
        return None
    nodes = [node for node in ast.walk(call) if isinstance(node, ast.Call) and _asks(node)]
    if len(nodes) != 1:
        return None
    (node,) = nodes
    if isinstance(node.func, ast.Attribute):  # self.scheduler.set_timesteps(num_inference_steps, device=device)
        plain = len(node.args) == 1 and {keyword.arg for keyword in node.keywords} <= {"device"}
        return Asking() if plain and ast.unparse(node.args[0]) == "num_inference_steps" else None
    given = dict(zip(("scheduler", "num_inference_steps", "device", "timesteps", "sigmas"), node.args, strict=False))
    kwargs = [keyword for keyword in node.keywords if keyword.arg is None]
    given |= {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg is not None}
    if "num_inference_steps" not in given:
        return None
    defaults = {name: default for name, _, default in arguments_of(call)}
    more: list[tuple[str, Value]] = []
    for name in sorted(given.keys() - KNOWN - {"mu"}):
        value = given[name]
        default = defaults.get(value.id, ...) if isinstance(value, ast.Name) else ...
        if not (default is None or isinstance(default, str | int | float)):
            return None
        more.append((name, default))
    return Asking(
        sigmas=_assigned(call, "sigmas") and not _is_none(given.get("sigmas")),
        timesteps=_assigned(call, "timesteps", before=node.lineno) and not _is_none(given.get("timesteps")),
        unless_flow="use_flow_sigmas" in ast.unparse(call),
        shift=_shift(call, given, kwargs),
        more=tuple(more),
    )


def _asks(node: ast.Call) -> bool:
    """Whether a call asks the pipeline's one scheduler for its times."""
    if isinstance(node.func, ast.Name) and node.func.id == "retrieve_timesteps":
        return bool(node.args) and ast.unparse(node.args[0]) == "self.scheduler"
    return ast.unparse(node.func) == "self.scheduler.set_timesteps"


def _assigned(call: ast.FunctionDef, name: str, before: int | None = None) -> bool:
    """Whether a call gives a local name a value of its own, and not only None."""
    for node in ast.walk(call):
        if not isinstance(node, ast.Assign) or _is_none(node.value) or (before and node.lineno >= before):
            continue
        if any(isinstance(target, ast.Name) and target.id == name for target in node.targets):
            return True
    return False


def _is_none(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _shift(call: ast.FunctionDef, given: Mapping[str, ast.expr], kwargs: list[ast.keyword]) -> str:
    if "mu" in given:
        return "always"
    if not kwargs:
        return ""
    text = ast.unparse(call)
    return "dynamic" if "use_dynamic_shifting" in text else "always" if "'mu'" in text else ""


def refusal(own: tuple[str, Mapping[str, object]], name: str | None, options: Options) -> str:
    """Why a scheduler cannot be made with these options, as a message that begins with the setting; "" = it can.

    Args:
        own: class and configuration of the model's own scheduler.
        name: the class that is asked for; None = the model's own.
        options: of its constructor, beside the configuration.
    """
    kind = name or own[0]
    if not options or kind not in schedulers.known():
        return ""
    why = _made(own[0], _json(own[1]), kind, _json(options))
    if not why:
        return ""
    guilty = _guilty(options, lambda some: bool(_made(own[0], _json(own[1]), kind, _json(some))))
    return f"{_first(guilty)}: {kind} refuses {options_written(guilty)} ({why})"


def _guilty(options: Options, fails: Callable[[Options], bool]) -> Options:
    """The options without which nothing fails; those that do not matter are left out one by one."""
    for name in options:
        fewer = {other: value for other, value in options.items() if other != name}
        if fails(fewer):
            options = fewer
    return options


def _first(options: Options) -> str:
    """The setting that a message about options begins with."""
    return scheduler_options.PREFIX + next(iter(options), "")


def objection(
    pipeline: PipelineClass,
    own: tuple[str, Mapping[str, object]],
    name: str | None,
    steps: int,
    options: Options = NO_OPTIONS,
    listed: Steps | None = None,
) -> str:
    """Why a scheduler cannot take so many steps in a pipeline, as a message that begins with the setting; "" = it can.

    Args:
        pipeline: as its source describes it.
        own: class and configuration of the model's own scheduler.
        name: the class that is asked for; None = the model's own.
        steps: `num_inference_steps`.
        options: of the scheduler's constructor, beside the configuration.
        listed: the steps as a list, where they are given so.
    """
    how, kind = asking(pipeline.name), name or own[0]
    if how is None or not own[1] or own[0] not in schedulers.known() or kind not in schedulers.known():
        return ""
    if listed:
        why = _remembered(how, own[0], _json(own[1]), kind, steps, _json(options), listed)
        return f"schedule: {kind} in {pipeline.name} cannot take these {listed.argument} ({why})" if why else ""
    why = _why(how, own, kind, steps, options)
    if not why:
        return ""
    near = next((other for other in _near(steps) if not _why(how, own, kind, other, options)), None)
    if near is not None:
        number = f"{steps:,} step{'' if steps == 1 else 's'}"
        guilty = _guilty(options, lambda some: bool(_why(how, own, kind, steps, some)))
        more = f" with {options_written(guilty)}" if guilty else ""
        return f"num_inference_steps: {kind}{more} in {pipeline.name} cannot take {number} ({why}). Take {near:,}"
    if options and not _why(how, own, kind, steps):
        guilty = _guilty(options, lambda some: bool(_why(how, own, kind, steps, some)))
        return f"{_first(guilty)}: {kind} in {pipeline.name} takes no steps with {options_written(guilty)} ({why})"
    fit = [other for other in schedulers.alternatives(own[0]) if not _why(how, own, other, steps)]
    return f"scheduler: {kind} cannot make pictures with {pipeline.name} ({why}). These can: {', '.join(fit) or 'none'}"


def least_steps(
    pipeline: PipelineClass,
    own: tuple[str, Mapping[str, object]],
    name: str | None,
    steps: int,
    options: Options = NO_OPTIONS,
) -> int:
    """The smallest number of steps that this scheduler takes, at most `steps`."""
    return next((n for n in range(1, min(steps, NEAR)) if not objection(pipeline, own, name, n, options)), steps)


def _near(steps: int) -> Iterator[int]:
    """Other numbers of steps, the nearest first."""
    for distance in range(1, NEAR):
        yield from (other for other in (steps + distance, steps - distance) if other > 0)


def _why(
    how: Asking, own: tuple[str, Mapping[str, object]], kind: str, steps: int, options: Options = NO_OPTIONS
) -> str:
    """What the scheduler says against it, in one line; "" = nothing."""
    return _remembered(how, own[0], _json(own[1]), kind, steps, _json(options))


def _json(table: Mapping[str, object]) -> str:
    return json.dumps(dict(table), sort_keys=True)


@cache
def _remembered(
    how: Asking, own: str, config: str, kind: str, steps: int, options: str, listed: Steps | None = None
) -> str:
    more = [options, listed and asdict(listed)] if options != "{}" or listed else []
    return _kept(
        [asdict(how), own, config, kind, steps, *more],
        kind,
        lambda: _rehearsed(how, own, config, kind, steps, options, listed),
    )


@cache
def _made(own: str, config: str, kind: str, options: str) -> str:
    asked = ["made", own, config, kind, options]
    return _kept(asked, kind, lambda: _said(lambda: _scheduler(own, config, kind, options)))


def _kept(asked: Sequence[object], kind: str, find: Callable[[], str]) -> str:
    """A verdict that is kept on disk; it depends on what was asked and on the versions of what answers."""
    needed = NEEDS.get(kind)
    if needed and importlib.util.find_spec(needed) is None:
        return ""  # which is said elsewhere, and no verdict to keep
    versions = {name: version(name) for name in ("diffusers", "torch", "numpy")}
    return VERDICTS.of([versions, *asked], find)


def _rehearsed(how: Asking, own: str, config: str, kind: str, steps: int, options: str, listed: Steps | None) -> str:
    learned = str(json.loads(config).get("variance_type") or "").startswith("learned")
    return _said(
        lambda: _rehearse(
            _scheduler(own, config, kind, options), how, steps, learned=learned, strict=options != "{}", listed=listed
        )
    )


def _scheduler(own: str, config: str, kind: str, options: str) -> Any:
    """A scheduler as a run makes it: from the configuration of the model's own one."""
    import diffusers

    loaded = getattr(diffusers, own, getattr(diffusers, kind)).from_config(json.loads(config))
    return getattr(diffusers, kind).from_config(loaded.config, **json.loads(options))


def _said(trial: Callable[[], object]) -> str:
    """What a scheduler raises in a trial, in one line; "" = nothing."""
    with quietly("diffusers"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            trial()
        except ImportError:
            return ""  # the scheduler needs a package, which is checked elsewhere
        except Exception as error:  # whatever a scheduler raises, it would raise in the run
            return f"{type(error).__name__}: {first_line(error)}"[:200].rstrip(".")
    return ""


def _rehearse(scheduler: Any, how: Asking, steps: int, *, learned: bool, strict: bool, listed: Steps | None) -> None:
    """Ask for the times as the pipeline does, and take all steps.

    Args:
        scheduler: as a run makes it.
        how: the pipeline asks.
        steps: `num_inference_steps`.
        learned: the model answers with a variance, too, so no step is taken here.
        strict: whether numbers that are not finite are an error; some options give them for any answer of a model.
        listed: the steps as a list, where they are given so.
    """
    import numpy as np
    import torch

    accepted = inspect.signature(scheduler.set_timesteps).parameters
    given: dict[str, Any] = dict(how.more)
    if how.shift == "always" or (how.shift == "dynamic" and scheduler.config.get("use_dynamic_shifting")):
        given["mu"] = 1.0
    levels: dict[str, Any] = {}
    if how.timesteps:
        levels["timesteps"] = np.linspace(scheduler.config.num_train_timesteps, 1, steps).astype(np.int64)
    if how.sigmas and not (how.unless_flow and scheduler.config.get("use_flow_sigmas")):
        levels["sigmas"] = np.linspace(1.0, 1 / steps, steps)
    if listed:
        levels = {listed.argument: list(listed.values)}
    if lacking := [name for name in levels if name not in accepted]:
        raise ValueError(f"it takes no {lacking[0]} from the pipeline")
    if levels:
        scheduler.set_timesteps(**levels, device="cpu", **given)
    else:
        scheduler.set_timesteps(steps, device="cpu", **given)
    if learned:
        return
    sample, generator = torch.ones(SHAPE), torch.Generator("cpu").manual_seed(0)
    further = {"generator": generator} if "generator" in inspect.signature(scheduler.step).parameters else {}
    times = scheduler.timesteps
    for time in times[: len(times) if strict or len(times) <= FEW_STEPS else FIRST]:
        if hasattr(scheduler, "scale_model_input"):
            scheduler.scale_model_input(sample, time)
        sample = scheduler.step(torch.zeros(SHAPE), time, sample, return_dict=False, **further)[0]
    if strict and not torch.isfinite(sample).all():
        raise ValueError("its steps give numbers that are not finite")
