"""Which calls cannot be merged at the denoiser, read from a pipeline's source before anything is loaded.

`teststrip plan` asks; in a run `teststrip.batching` decides by what a call does. Knows the few ways that Diffusers' own
pipelines have.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache

from teststrip.batching import DENOISERS
from teststrip.diffusion.parts import AS_IT_IS, Parts
from teststrip.diffusion.pipelines import PipelineClass, find
from teststrip.diffusion.source import files, function, text
from teststrip.records import Value


def why_alone(pipeline: PipelineClass, settings: Mapping[str, Value], offload: str, parts: Parts = AS_IT_IS) -> str:
    """Why shots with these settings are made one after another; "" when they share forwards.

    Args:
        pipeline: as its source describes it.
        settings: of a shot.
        offload: the engine's option.
        parts: what is changed about the model.
    """
    if parts.why_alone:
        return parts.why_alone
    if offload != "none":
        return f"offload = {offload!r} moves the model at each call"
    denoisers, swaps = _ways(pipeline.name)
    if not denoisers:
        return f"{pipeline.name} calls no unet or transformer"
    if _chooses_experts(pipeline.name):
        return f"the denoiser of {pipeline.name} chooses experts for each token, and rounding would choose others"
    default = pipeline.knobs["pag_scale"].default if "pag_scale" in pipeline.knobs else 1.0
    if swaps and float(settings.get("pag_scale", default) or 0) > 0:
        return f"{pipeline.name} changes the denoiser's attention for the length of a call"
    return ""


def calls_a_step(pipeline: PipelineClass) -> int:
    """How often the source of a pipeline's call calls its denoisers; with guidance on, it may do so in one step."""
    return _ways(pipeline.name)[0]


@cache
def _ways(name: str) -> tuple[int, bool]:
    """In how many places a class's call calls a denoiser, and whether it touches attention processors.

    A class that inherits its call shows nothing here, so it is taken for one that calls a denoiser once.
    """
    pipeline = find(name)
    call = function(pipeline.tree, "__call__") if pipeline else None
    if call is None:
        return 1, False
    denoisers = sum(_of_self(node.func) in DENOISERS for node in _calls(call))
    return denoisers, any(
        isinstance(node.func, ast.Attribute) and "attn_proc" in node.func.attr for node in _calls(call)
    )


@cache
def _chooses_experts(name: str) -> bool:
    """Whether the source of a class's denoiser takes the best few of several (`topk`), as mixtures of experts do."""
    pipeline = find(name)
    made = function(pipeline.tree, "__init__") if pipeline else None
    arguments = [one for one in made.args.args if one.arg in DENOISERS and one.annotation] if made else []
    kinds = {kind for one in arguments if one.annotation for kind in re.findall(r"\w+", ast.unparse(one.annotation))}
    return any(
        "topk(" in text(path) and any(f"class {kind}(" in text(path) for kind in kinds)
        for path in (files("models/transformers/*.py") if kinds else ())
    )


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _of_self(node: ast.expr) -> str:
    match node:
        case ast.Attribute(value=ast.Name(id="self"), attr=name):
            return name
    return ""
