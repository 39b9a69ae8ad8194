"""The engine's options that change a model while it is loaded: quantization, attention, cache, and other components.

Joins what checks each of them (`precision`, `attention`, `caching`, `parts`) with what they say of each other. Loads
nothing. To add a component that can be replaced: its name in `parts.NAMES`, a line here, an argument of the engine.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Final

from teststrip.diffusion import attention, caching, precision
from teststrip.diffusion.merging import calls_a_step
from teststrip.diffusion.models import Model
from teststrip.diffusion.parts import FILE_WITHOUT_CONFIGURATION, Part, Parts, denoisers, packed_already
from teststrip.diffusion.pipelines import PipelineClass
from teststrip.errors import StudyError
from teststrip.plugins import version_of
from teststrip.records import Setting, Value
from teststrip.weights.digests import Digests

WHERE: Final = "a folder, a .safetensors file, or owner/name::folder of the Hub"

OPTIONS: Final = (
    Setting(
        "quantization",
        "str",
        optional=True,
        choices=precision.NAMES,
        doc="Fewer bits for the denoiser's weights, put on while they are loaded; as they are when left out.",
    ),
    Setting(
        "attention",
        "str",
        optional=True,
        is_name=True,
        doc="Attention backend of Diffusers for the denoiser, for example native, flex, sage or xformers.",
    ),
    Setting(
        "cache",
        "str",
        optional=True,
        is_name=True,
        doc="Work left out from step to step: first_block, pab, faster_cache, taylorseer or magcache, and its numbers.",
    ),
    Setting("transformer", "str", optional=True, is_name=True, doc=f"Another transformer: {WHERE}, or a .gguf file."),
    Setting("unet", "str", optional=True, is_name=True, doc=f"Another U-Net: {WHERE}, or a .gguf file."),
    Setting("vae", "str", optional=True, is_name=True, doc=f"Another autoencoder: {WHERE}."),
    Setting("text_encoder", "str", optional=True, is_name=True, doc=f"Another text encoder: {WHERE}."),
    Setting("text_encoder_2", "str", optional=True, is_name=True, doc=f"Another second text encoder: {WHERE}."),
    Setting("text_encoder_3", "str", optional=True, is_name=True, doc=f"Another third text encoder: {WHERE}."),
)


def check(
    parts: Parts,
    found: Mapping[str, Part],
    model: Model,
    pipeline: PipelineClass,
    settings: Mapping[str, Value],
    *,
    device: str,
    dtype: str,
    offload: str,
    backend: str,
) -> None:
    """Check what changes a model against the model, the machine, and the other options.

    Args:
        parts: as the study asks.
        found: its components.
        model: as found.
        pipeline: as its source describes it.
        settings: of a shot.
        device, dtype: as resolved.
        offload, backend: the engine's options.

    Raises:
        StudyError: something is not there, or two things do not go together.
    """
    kinds = {name: found[name].kind if name in found else kind for name, kind in denoisers(model).items()}
    denoiser = next(iter(kinds.values()), "")
    if parts.quantization:
        precision.check(parts.quantization, device=device, dtype=dtype, offload=offload)
        if not kinds:
            raise StudyError(_without_denoiser("quantization", model))
        loaders = set(map(ast.unparse, pipeline.tree.bases))
        if settings.get("lora") and loaders & precision.QUANTIZATIONS[parts.quantization].no_lora:
            raise StudyError(
                f"quantization: Diffusers puts no lora on a {denoiser} under {parts.quantization!r}."
                " Write another quantization, for example 'torchao-int8', or leave lora out"
            )
        if name := packed_already(model, found):
            raise StudyError(f"quantization: the {name} is quantized already. Leave quantization out, or replace that")
    if parts.attention:
        attention.check(parts.attention, denoiser, device=device, dtype=dtype)
        if not kinds:
            raise StudyError(_without_denoiser("attention", model))
    if parts.cache:
        guided = pipeline.guided(settings, model.config)
        caching.check(parts.cache, pipeline, denoiser, calls=calls_a_step(pipeline), guided=guided)
    if (why := parts.packed or parts.why_alone) and backend not in ("auto", "torch"):
        computes = "computes with plain weights" if parts.packed else "works on batches"
        raise StudyError(f"backend: {backend!r} {computes}, and {why}. Leave backend out")


def _without_denoiser(option: str, model: Model) -> str:
    if model.index is None:
        return FILE_WITHOUT_CONFIGURATION.format(option=option, model=model.name)
    return f"{option}: {model.pipeline} has neither unet nor transformer. Leave {option} out"


def identity(parts: Parts, found: Mapping[str, Part], digests: Digests, variant: str | None) -> dict[str, object]:
    """What is changed about a model, for a fingerprint; nothing where it is loaded as it is."""
    changed: dict[str, object] = {}
    if parts.quantization:
        changed["quantization"] = precision.described(parts.quantization)
    if found:
        changed["parts"] = {name: part.identity(digests, variant) for name, part in found.items()}
    if parts.attention:
        package = attention.package_of(parts.attention)
        changed["attention"] = f"{parts.attention} {version_of(package)}" if package else parts.attention
    if parts.cache:
        name, numbers = caching.read(parts.cache)
        changed["cache"] = {"name": name, **{key: _plain(value) for key, value in numbers.items()}}
    return changed


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
