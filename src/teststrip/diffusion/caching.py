"""Caches that leave out a part of a denoiser's work, because it changes little from step to step: Diffusers' own.

A cache is put on for the length of one plain call and taken off again, so that no state of a picture reaches another.
What the installed Diffusers can do is read from its source. Knows pipelines' sources; nothing of studies. To add a
cache: a line in `CACHES`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from teststrip.batching import DENOISERS
from teststrip.diffusion.pipelines import PipelineClass
from teststrip.diffusion.source import files, function, parsed_class, text
from teststrip.errors import StudyError, among

BLOCKS: Final = re.compile(r"(\w+_)?(blocks|layers)")
"""Names of the lists in which transformers keep the blocks that a cache may leave out."""


@dataclass(frozen=True, slots=True)
class Number:
    """One number after the name of a cache.

    Attributes:
        name: the argument of the configuration; "name.0" and "name.1" are the two of a pair.
        low, high: inclusive bounds.
        whole: whether it is a whole number.
        default: where it differs from that of Diffusers, or is one of a pair.
    """

    name: str
    low: float
    high: float
    whole: bool = False
    default: float | None = None


@dataclass(frozen=True, slots=True)
class Cache:
    """One way to cache.

    Attributes:
        config: Diffusers' class for it.
        numbers: what may follow the name, in this order; Diffusers' own where it is left out.
        known_blocks: whether Diffusers must know the class of the blocks.
        context: whether the pipeline must say which of its calls is which; without, one state serves them all.
        only: the denoisers that it was measured for; empty = any.
    """

    config: str
    numbers: tuple[Number, ...]
    known_blocks: bool = False
    context: bool = False
    only: tuple[str, ...] = ()


def _attention(low: float, high: float) -> tuple[Number, ...]:
    """How often attention is computed, and between which times it may be left out, for images: spatial attention."""
    times = "spatial_attention_timestep_skip_range"
    return (
        Number("spatial_attention_block_skip_range", 2, 100, whole=True, default=2),
        Number(f"{times}.0", -1, 1000, whole=True, default=low),
        Number(f"{times}.1", -1, 1000, whole=True, default=high),
    )


CACHES: Final[Mapping[str, Cache]] = MappingProxyType(
    {
        "first_block": Cache("FirstBlockCacheConfig", (Number("threshold", 0, 10),), known_blocks=True, context=True),
        "pab": Cache("PyramidAttentionBroadcastConfig", _attention(100, 800)),
        "faster_cache": Cache("FasterCacheConfig", _attention(-1, 681)),
        "taylorseer": Cache(
            "TaylorSeerCacheConfig",
            (
                Number("cache_interval", 1, 100, whole=True),
                Number("disable_cache_before_step", 0, 1000, whole=True),
                Number("max_order", 0, 5, whole=True),
            ),
            context=True,
        ),
        "magcache": Cache(
            "MagCacheConfig",
            (
                Number("threshold", 0, 10),
                Number("max_skip_steps", 1, 100, whole=True),
                Number("retention_ratio", 0, 1),
            ),
            known_blocks=True,
            context=True,
            only=("FluxTransformer2DModel",),  # Diffusers brings the ratios of Flux alone
        ),
    }
)
"""By name. SeaCache is left out because Diffusers has it for video, and the cache of text keys for one model alone."""


def read(written: str) -> tuple[str, dict[str, Any]]:
    """The name of a cache and the arguments of its configuration, from what a study wrote.

    >>> read("first_block 0.08")
    ('first_block', {'threshold': 0.08})
    >>> read("pab 3")[1]
    {'spatial_attention_block_skip_range': 3, 'spatial_attention_timestep_skip_range': (100, 800)}

    Raises:
        StudyError: there is no such cache, or a number that it does not take.
    """
    name, *words = written.split() or [""]
    if name not in CACHES:
        raise StudyError(f"cache: there is no {name!r}{among(name, CACHES, 'There are')}")
    numbers = CACHES[name].numbers
    if len(words) > len(numbers):
        names = ", ".join(number.name for number in numbers)
        raise StudyError(f"cache: {name!r} takes at most {len(numbers)} numbers ({names}), not {len(words)}")
    given: dict[str, Any] = {}
    for number, word in zip(numbers, [*words, *[None] * (len(numbers) - len(words))], strict=True):
        value = number.default if word is None else _value(name, number, word)
        if value is None:
            continue
        argument, pair, _ = number.name.partition(".")
        value = int(value) if number.whole else value
        given[argument] = (*given.get(argument, ()), value) if pair else value
    return name, given


def _value(name: str, number: Number, word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        raise StudyError(f"cache: {word!r} is no number. {_usage(name)}") from None
    if not number.low <= value <= number.high or (number.whole and value != int(value)):
        kind = "a whole number" if number.whole else "a number"
        raise StudyError(
            f"cache: {number.name} of {name!r} is {kind} from {number.low:g} to {number.high:g}, not {word}."
            f" {_usage(name)}"
        )
    return value


def _usage(name: str) -> str:
    words = " ".join(f"[{number.name.partition('.')[0]}]" for number in CACHES[name].numbers)
    return f'Write cache = "{name} {words}"'


def check(written: str, pipeline: PipelineClass, denoiser: str, *, calls: int, guided: bool) -> None:
    """Check that a cache can be put on the denoiser of a pipeline.

    Args:
        written: as the study wrote it.
        pipeline: as its source describes it.
        denoiser: its class; "" where it is not known.
        calls: how often the pipeline's source calls the denoiser in a step.
        guided: whether guidance is on.

    Raises:
        StudyError: there is no such cache in this Diffusers, or it cannot work with this pipeline.
    """
    name, _ = read(written)
    one = CACHES[name]
    if not parsed_class(one.config, "hooks/*.py"):
        raise StudyError(f"cache: this Diffusers has no {name!r}. Run: pip install -U diffusers")
    if why := _why_not(one, pipeline, denoiser, calls=calls, guided=guided):
        raise StudyError(f"cache: {name!r} cannot be used with {pipeline.name}: {why}")


def _why_not(one: Cache, pipeline: PipelineClass, denoiser: str, *, calls: int, guided: bool) -> str:
    tree = parsed_class(denoiser, "models/**/*.py")
    if tree is None or "CacheMixin" not in map(ast.unparse, tree.bases):
        return f"its denoiser {denoiser or 'is unknown and'} takes no cache. Leave cache out"
    if one.only and denoiser not in one.only:
        return f"it needs ratios that were measured for the model, and Diffusers has those of {', '.join(one.only)}"
    if one.known_blocks and not _blocks(tree) <= _known_blocks():
        return f"Diffusers does not know the blocks of {denoiser} ({', '.join(sorted(_blocks(tree)))}). Write another"
    source = ast.unparse(pipeline.tree)
    if one.context and "cache_context" not in source:
        return "its call does not say which row it computes (cache_context). Write another"
    if not one.context and "current_timestep" not in source:
        return "its call does not say at which time it is (current_timestep). Write another"
    if not one.context and guided and calls > 1:
        return "it keeps one state, and guidance calls the denoiser twice a step. Turn guidance off, or write another"
    return ""


def _blocks(tree: ast.ClassDef) -> set[str]:
    """The classes of the blocks that a denoiser's constructor puts into lists."""
    made = function(tree, "__init__")
    return {
        call.func.id
        for node in ast.walk(made or tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute)
        if BLOCKS.fullmatch(node.targets[0].attr)
        for call in ast.walk(node.value)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id[:1].isupper()
    }


@cache
def _known_blocks() -> set[str]:
    return {name for path in files("hooks/_helpers.py") for name in re.findall(r"model_class=(\w+)", text(path))}


@contextmanager
def enabled(pipe: Any, written: str | None, steps: int) -> Iterator[None]:
    """Inside, the denoiser of a pipeline caches.

    Args:
        pipe: the pipeline that is called inside; the cache asks it for the time.
        written: as the study wrote it; None = no cache.
        steps: of the picture.
    """
    if written is None:
        yield
        return
    denoiser = next(model for name in DENOISERS if (model := getattr(pipe, name, None)) is not None)
    denoiser.enable_cache(_config(written, pipe, steps))
    try:
        yield
    finally:
        denoiser.disable_cache()


def _config(written: str, pipe: Any, steps: int) -> Any:
    import diffusers

    name, given = read(written)
    more: dict[str, Any] = {}
    if name in ("pab", "faster_cache"):
        more["current_timestep_callback"] = lambda: pipe.current_timestep
    if name == "faster_cache":  # it reuses attention; leaving out whole rows of guidance is made for video
        more |= {"is_guidance_distilled": True, "tensor_format": "BCHW"}
    if name == "magcache":
        from diffusers.hooks.mag_cache import FLUX_MAG_RATIOS

        more |= {"num_inference_steps": steps, "mag_ratios": FLUX_MAG_RATIOS}
    return getattr(diffusers.hooks, CACHES[name].config)(**given, **more)
