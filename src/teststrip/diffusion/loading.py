"""Loads a pipeline onto a device, safely and silently. Imports torch and diffusers when called.

Safetensors only, no code from outside, no progress bars. Knows models and devices; nothing of shots.
"""

from __future__ import annotations

import gc
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from teststrip.batching import out_of_memory
from teststrip.diffusion import additions, part_loading, pipelines, precision
from teststrip.diffusion.additions import Additions
from teststrip.diffusion.failures import MOST, CannotLoad
from teststrip.diffusion.heard import Ear
from teststrip.diffusion.loras import Lora
from teststrip.diffusion.models import Model, fetch
from teststrip.diffusion.parts import AS_IT_IS, Parts, find
from teststrip.diffusion.source import function
from teststrip.diffusion.whole import only_variant
from teststrip.errors import EngineError, StudyError, first_line
from teststrip.records import Reading, Value
from teststrip.weights.loading import devices, quietly
from teststrip.weights.loading import resolved_device as device_of

HALF = {"unet": "float16", "transformer": "bfloat16"}
"""What "auto" means off the CPU: U-Nets were trained in float16; other denoisers overflow in it."""


NOTHING_ADDED = Additions()


@dataclass(slots=True)
class Loaded:
    """A pipeline in memory.

    Attributes:
        pipe: the Diffusers pipeline.
        model: what the pipeline was made of.
        device: as resolved: "cuda".
        dtype: as resolved: "float16".
        parts: what was changed about the model while it was loaded.
        adapters: LoRA file to the name of the adapter that it was loaded as, the one used last standing last.
        loras: LoRAs that were loaded so far.
        adapted: the LoRAs that are on now, each with its scale.
        inversions: the textual inversions that are on now.
        before: what they replaced, by text encoder.
        encoded: the embeddings of weighted prompts, by the texts and what adapted the encoders.
        said: warnings that came with loading the model, and those that came with each LoRA file.
        readings: what the model reads of a prompt, by the text, the length and the weighting that were asked for.
    """

    pipe: Any
    model: Model
    device: str
    dtype: str
    parts: Parts = AS_IT_IS
    adapters: dict[str, str] = field(default_factory=dict)
    loras: int = 0
    adapted: tuple[Lora, ...] = ()
    inversions: tuple[object, ...] = ()
    before: dict[str, Any] = field(default_factory=dict)
    encoded: dict[object, dict[str, Any]] = field(default_factory=dict)
    said: dict[str | None, tuple[str, ...]] = field(default_factory=dict)
    readings: dict[tuple[str, Value, Value], Reading | None] = field(default_factory=dict)

    @property
    def saying(self) -> tuple[str, ...]:
        """Warnings that came with all that is loaded now: the model, and the LoRAs that are on."""
        return (*self.said.get(None, ()), *(said for lora in self.adapted for said in self.said.get(lora.file, ())))


def installed() -> bool:
    """Whether what loads pipelines is installed."""
    return all(importlib.util.find_spec(name) for name in ("torch", "diffusers", "transformers"))


def foreseen_device(asked: str) -> str:
    """The device that the engine's option stands for, whether or not it is here.

    A study is read and planned on one machine, and its pictures may be made on another: only where they are made must
    the device be there.
    """
    return device_of(asked)


def resolved_device(asked: str) -> str:
    """The device that the engine's option stands for, where pictures are made.

    Raises:
        EngineError: the device asked for is not there.
    """
    if asked not in ("auto", "cpu") and asked not in devices():
        raise EngineError(
            f"[engine] device = {asked!r}: this PyTorch ({version('torch')}) sees no such device."
            f" There is: {', '.join(devices())}"
        )
    return device_of(asked)


def resolved_dtype(asked: str, device: str, model: Model, quantization: str | None = None) -> str:
    """The number format that "auto" stands for: float32 on a CPU, half elsewhere, or what a quantization takes."""
    if asked != "auto":
        return asked
    half = HALF["unet" if _has_unet(model) else "transformer"]
    return precision.dtype_of(quantization, "float32" if device == "cpu" else half)


def _has_unet(model: Model) -> bool:
    """Whether the denoiser is a U-Net: by the model's list of parts, or by what the class of a single file takes."""
    if model.index:
        return "unet" in model.index
    pipeline = pipelines.find(model.pipeline)
    made = function(pipeline.tree, "__init__") if pipeline else None
    return made is None or any(argument.arg == "unet" for argument in made.args.args)


def load(
    model: Model,
    *,
    device: str,
    dtype: str,
    variant: str | None,
    offload: str,
    safety_checker: bool,
    parts: Parts = AS_IT_IS,
    added: Additions = NOTHING_ADDED,
) -> Loaded:
    """The pipeline of a model, ready to be called.

    Args:
        model: as found; a hub model is downloaded at its commit.
        device, dtype: resolved, not "auto".
        variant: of the weight files, for example "fp16"; None = the plain ones, or the only ones that
            are there.
        offload: "none", "model" or "sequential": what waits in main memory while it is not needed.
        safety_checker: False leaves the checker that came with the model out.
        parts: what is changed about the model.
        added: a ControlNet, an IP-Adapter.

    Raises:
        CannotLoad: the weights cannot be fetched or loaded, could run code, or do not fit into memory.
    """
    try:
        if model.repo:
            folder: Path | None = fetch(model, variant)  # which checks it
        else:
            model.check()
            folder = model.folder
        found = {name: find(name, written, model, variant) for name, written in parts.components}
    except (StudyError, EngineError) as error:
        raise CannotLoad(str(error)) from error
    import diffusers
    import torch

    options: dict[str, Any] = {
        # Diffusers renamed it between 0.38 and 0.42, and warns at the old name.
        "dtype" if '"dtype"' in inspect.getsource(diffusers.DiffusionPipeline.from_pretrained) else "torch_dtype": (
            getattr(torch, dtype)
        ),
        "use_safetensors": True,
    }
    if not safety_checker and "safety_checker" in (model.index or {}):
        options |= {"safety_checker": None, "requires_safety_checker": False}
    ear = Ear()
    with listening(ear):
        try:
            options |= part_loading.load(model, folder, parts, found, dtype=dtype, variant=variant)
            options |= additions.components(added, getattr(torch, dtype))
            pipe = _from_file(model, folder, options) if model.file else _from_folder(folder, model, variant, options)
            additions.put_on(pipe, added)
            pipe.set_progress_bar_config(disable=True)
            _name_text_models(pipe)
            part_loading.put_attention(pipe, model, parts)
            _place(pipe, device, offload)
        except ModuleNotFoundError:
            raise  # a package is missing, which no other level can do without
        except EngineError as error:
            raise CannotLoad(str(error)) from error
        except Exception as error:  # whatever files of unknown origin bring about, they end their own shots
            raise _cannot_load(model, error, device=device, dtype=dtype, offload=offload, parts=parts) from error
    return Loaded(pipe, model, device, dtype, parts, said={None: ear.take()})


def _name_text_models(pipe: Any) -> None:
    """Let `clip_skip` find the last norm of CLIP: Diffusers looks in `text_model`, which transformers 5 took away."""
    for encoder in _text_encoders(pipe):
        if hasattr(encoder, "final_layer_norm") and not hasattr(encoder, "text_model"):
            object.__setattr__(encoder, "text_model", encoder)  # past torch, which would take it for a part of itself


@contextmanager
def as_transformers_has_them(pipe: Any) -> Iterator[None]:
    """Inside, text encoders lack the `text_model` of `_name_text_models`, by which a LoRA's layers would be named."""
    for encoder in _text_encoders(pipe):
        if encoder.__dict__.get("text_model") is encoder:
            del encoder.__dict__["text_model"]
    try:
        yield
    finally:
        _name_text_models(pipe)


def _text_encoders(pipe: Any) -> list[Any]:
    return [encoder for name in ("text_encoder", "text_encoder_2") if (encoder := getattr(pipe, name, None))]


def _place(pipe: Any, device: str, offload: str) -> None:
    if offload == "model":
        pipe.enable_model_cpu_offload(device=device)
    elif offload == "sequential":
        pipe.enable_sequential_cpu_offload(device=device)
    else:
        pipe.to(device)


def _cannot_load(model: Model, error: Exception, *, device: str, dtype: str, offload: str, parts: Parts) -> CannotLoad:
    """What went wrong, and where memory ran out what takes less of it."""
    why = f"{type(error).__name__}: {first_line(error).rstrip('.')}"[:MOST]
    if not out_of_memory(error):
        return CannotLoad(f"model: {model.name!r} cannot be loaded ({why})")
    less = {"none": ['offload = "model"'], "model": ['offload = "sequential"'], "sequential": []}[offload]
    less += ['dtype = "bfloat16"'] if dtype == "float32" else []
    fewer_bits = "" if parts.packed else precision.smaller(device)
    less += [f'quantization = "{fewer_bits}"'] if fewer_bits else []
    remedy = f"write [engine] {' or '.join(less)}, or " if less and device != "cpu" else ""
    return CannotLoad(
        f"model: {model.name!r} as {dtype} does not fit into the memory of {device} ({why})."
        f" End what else uses that memory, {remedy}name a smaller model",
        "oom",
    )


def free(device: str) -> None:
    """Give memory that nothing uses back to the device."""
    gc.collect()
    if "torch" in sys.modules and device != "cpu":
        import torch

        getattr(torch, device).empty_cache()


@contextmanager
def listening(ear: Ear) -> Iterator[None]:
    """Within it Diffusers and Transformers draw no bars and print nothing: what they warn of is heard."""
    with quietly("diffusers", "transformers"), ear.listening():
        yield


def _from_folder(folder: Path | None, model: Model, variant: str | None, options: dict[str, Any]) -> Any:
    import diffusers

    assert folder is not None
    variant = variant or only_variant(folder, model.index or {})
    options |= {"variant": variant, "local_files_only": True, "trust_remote_code": False}
    kind = getattr(diffusers, model.pipeline) if model.pictures else diffusers.DiffusionPipeline
    return kind.from_pretrained(str(folder), **options)


def _from_file(model: Model, config: Path | None, options: dict[str, Any]) -> Any:
    import diffusers

    kind = getattr(diffusers, model.pipeline)
    if config:
        options |= {"config": str(config), "local_files_only": True}
    return kind.from_single_file(str(model.file), **options)
