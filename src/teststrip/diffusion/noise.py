"""Which pictures take noise from the global generator, read from the sources of their pipeline and scheduler.

A pipeline hands its generator to the scheduler, or it does not; a scheduler draws noise in its steps, or it does not.
Nothing is imported and nothing runs, so that a fingerprint is known before anything is loaded.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

from teststrip.diffusion.pipelines import PipelineClass
from teststrip.diffusion.schedulers import SOURCES
from teststrip.diffusion.source import function, parsed_class
from teststrip.records import Value

RECIPES: Final[Mapping[int, str]] = MappingProxyType(
    {
        2: "the noise that their scheduler adds had the seed of their starting noise and could be that noise again,"
        " and has a seed of its own now"
    }
)
"""Why pictures of an earlier recipe are made again, by the recipe that is new."""

DRAWS: Final = frozenset({"randn_tensor", "randn_like", "multinomial", "uniform_", "BrownianTreeNoiseSampler"})
"""The functions by which a scheduler draws noise."""


def recipe(
    pipeline: PipelineClass | None, own: str, config: Mapping[str, object], settings: Mapping[str, Value]
) -> dict[str, object]:
    """The fact `recipe` of a fingerprint: none for pictures that are made today as they were in the first version.

    Args:
        pipeline: as its source describes it; None without Diffusers.
        own: class of the model's own scheduler; "" = the pipeline has none.
        config: of the model's own scheduler.
        settings: of the shot.
    """
    scheduler = str(settings.get("scheduler") or own)
    return {"recipe": 2} if pipeline and from_global(pipeline, scheduler, config, settings) else {}


def from_global(
    pipeline: PipelineClass, scheduler: str, config: Mapping[str, object], settings: Mapping[str, Value]
) -> bool:
    """Whether pictures of a pipeline take noise from the global generator while they are being made.

    Args:
        pipeline: as its source describes it.
        scheduler: class that takes the steps; "" = the pipeline has none.
        config: the configuration that the scheduler is made from.
        settings: of the shot.
    """
    steps = _source(scheduler)
    if steps is None or (_hands_over(pipeline.tree) and _takes_generator(steps)):
        return False
    if "BrownianTreeNoiseSampler" in ast.unparse(steps) and config.get("noise_sampler_seed") is not None:
        return False
    known = {**_defaults(steps), **config}
    eta = settings.get("eta", pipeline.knobs["eta"].default) if "eta" in pipeline.knobs else None
    return any(all(_may_hold(test, known, eta) for test in tests) for tests in _conditions(steps))


def _source(scheduler: str) -> ast.ClassDef | None:
    return parsed_class(scheduler, SOURCES) if scheduler else None


@cache
def _hands_over(pipeline: ast.ClassDef) -> bool:
    """Whether a pipeline's scheduler gets the call's generator; a class that leaves the steps to others hands it on."""
    calls = [
        node
        for node in ast.walk(pipeline)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "step"
    ]
    collected = re.search(r"""\["generator"\] = |"generator": """, ast.unparse(pipeline).replace("'", '"')) is not None
    names = [{keyword.arg for keyword in call.keywords} for call in calls]
    return all("generator" in given or (None in given and collected) for given in names)


@cache
def _takes_generator(scheduler: ast.ClassDef) -> bool:
    step = function(scheduler, "step")
    return step is not None and "generator" in {argument.arg for argument in [*step.args.args, *step.args.kwonlyargs]}


@cache
def _defaults(scheduler: ast.ClassDef) -> dict[str, object]:
    """The configuration of a class made without arguments, as far as it is plain values."""
    made = function(scheduler, "__init__")
    if made is None:
        return {}
    given = zip(made.args.args[::-1], made.args.defaults[::-1], strict=False)
    return {argument.arg: default.value for argument, default in given if isinstance(default, ast.Constant)}


@cache
def _conditions(scheduler: ast.ClassDef) -> tuple[tuple[str, ...], ...]:
    """For each place at which a step draws noise, the tests under which it does."""
    methods = [node for node in scheduler.body if isinstance(node, ast.FunctionDef) and node.name != "add_noise"]
    return tuple(tests for method in methods for tests in _draws_in(method, ()))


def _draws_in(node: ast.AST, tests: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(node, ast.Call):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called in DRAWS:
            yield tests
    for child in ast.iter_child_nodes(node):
        inner = (ast.unparse(node.test),) if isinstance(node, ast.If) and child in node.body else ()
        yield from _draws_in(child, tests + inner)


def _may_hold(test: str, config: Mapping[str, object], eta: Value) -> bool:
    """Whether a test in a step can be true; one that is not understood can."""
    if test == "gamma > 0":  # by `s_churn` alone, which no pipeline passes
        return False
    if test == "eta > 0":
        return not isinstance(eta, int | float) or eta > 0
    if match := re.match(r"self\.config\.(\w+) (?:==|in) (\[.*?\]|'.*?')", test):
        return repr(config.get(match[1])) in match[2]
    if match := re.fullmatch(r"self\.config\.(\w+)", test):
        return bool(config.get(match[1]))
    return True
