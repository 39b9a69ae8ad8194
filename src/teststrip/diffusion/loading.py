"""Loads a pipeline onto a device, safely and silently. Imports torch and diffusers when called.

Safetensors only, no code from outside, no progress bars. Knows models and devices; nothing of shots.
"""

from __future__ import annotations

import gc
import inspect
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from teststrip.diffusion.models import Model, fetch
from teststrip.errors import EngineError, first_line
from teststrip.weights.loading import devices, quietly
from teststrip.weights.loading import resolved_device as device_of

HALF = {"unet": "float16", "transformer": "bfloat16"}
"""What "auto" means off the CPU: U-Nets were trained in float16; large transformers overflow in it."""


MOST_LORAS = 4
"""LoRAs that stay on a pipeline at a time, on or off; the one used longest ago leaves the memory first."""


@dataclass(slots=True)
class Loaded:
    """A pipeline in memory.

    Attributes:
        pipe: the Diffusers pipeline.
        model: what the pipeline was made of.
        device: as resolved: "cuda".
        dtype: as resolved: "float16".
        adapters: LoRA file to the name of the adapter that it was loaded as, the one used last standing last.
        loras: LoRAs that were loaded so far.
        adapted: the LoRA and scale that are on now, or None.
    """

    pipe: Any
    model: Model
    device: str
    dtype: str
    adapters: dict[str, str] = field(default_factory=dict)
    loras: int = 0
    adapted: tuple[str, float] | None = None


def resolved_device(asked: str) -> str:
    """The device that the engine's option stands for.

    Raises:
        EngineError: the device asked for is not there.
    """
    if asked not in ("auto", "cpu") and asked not in devices():
        raise EngineError(
            f"[engine] device = {asked!r}: this PyTorch ({version('torch')}) sees no such device."
            f" There is: {', '.join(devices())}"
        )
    return device_of(asked)


def resolved_dtype(asked: str, device: str, model: Model) -> str:
    """The number format that "auto" stands for: float32 on a CPU, half elsewhere."""
    if asked != "auto":
        return asked
    return "float32" if device == "cpu" else HALF["transformer" if "transformer" in (model.index or {}) else "unet"]


def load(model: Model, *, device: str, dtype: str, variant: str | None, offload: str, safety_checker: bool) -> Loaded:
    """The pipeline of a model, ready to be called.

    Args:
        model: as found; a hub model is downloaded at its commit.
        device, dtype: resolved, not "auto".
        variant: of the weight files, for example "fp16"; None = the plain ones.
        offload: "none", "model" or "sequential": what waits in main memory while it is not needed.
        safety_checker: False leaves the checker that came with the model out.

    Raises:
        EngineError: the weights cannot be loaded, or could run code.
    """
    model.check()
    folder = fetch(model, variant) if model.repo else model.folder
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
    with silence():
        try:
            pipe = _from_file(model, folder, options) if model.file else _from_folder(folder, variant, options)
        except (OSError, ValueError, TypeError, AttributeError, ImportError, RuntimeError, KeyError) as error:
            why = f"{type(error).__name__}: {first_line(error)}"
            raise EngineError(f"model: {model.name!r} cannot be loaded ({why})") from error
        pipe.set_progress_bar_config(disable=True)
        if offload == "model":
            pipe.enable_model_cpu_offload(device=device)
        elif offload == "sequential":
            pipe.enable_sequential_cpu_offload(device=device)
        else:
            pipe.to(device)
    return Loaded(pipe, model, device, dtype)


def adapt(loaded: Loaded, lora: str | None, scale: float) -> None:
    """Put a LoRA on at a scale, or take the last one off.

    Args:
        loaded: changed in place.
        lora: a .safetensors file; None = no LoRA.
        scale: 1 = as trained.

    Raises:
        EngineError: the LoRA does not fit the model.
    """
    wanted = (lora, scale) if lora else None
    if loaded.adapted == wanted:
        return
    with silence():
        if lora is None:
            loaded.pipe.disable_lora()
        else:
            if lora not in loaded.adapters:
                while len(loaded.adapters) >= MOST_LORAS:
                    loaded.pipe.delete_adapters(loaded.adapters.pop(next(iter(loaded.adapters))))
                name = f"lora{loaded.loras}"
                loaded.loras += 1
                file = Path(lora).expanduser()
                try:
                    loaded.pipe.load_lora_weights(
                        str(file.parent), weight_name=file.name, adapter_name=name, use_safetensors=True
                    )
                except Exception as error:  # whatever a file of unknown origin brings about, there is one remedy
                    why = first_line(error)
                    raise EngineError(f"lora: {lora!r} does not fit {loaded.model.name!r} ({why})") from error
                loaded.adapters[lora] = name
            else:
                loaded.pipe.enable_lora()
            loaded.adapters[lora] = loaded.adapters.pop(lora)
            loaded.pipe.set_adapters([loaded.adapters[lora]], [scale])
    loaded.adapted = wanted


def free(device: str) -> None:
    """Give memory that nothing uses back to the device."""
    gc.collect()
    if "torch" in sys.modules and device != "cpu":
        import torch

        getattr(torch, device).empty_cache()


@contextmanager
def silence() -> Iterator[None]:
    """Within it Diffusers and Transformers draw no bars and warn of nothing: what matters is raised."""
    with quietly("diffusers", "transformers"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _from_folder(folder: Path | None, variant: str | None, options: dict[str, Any]) -> Any:
    from diffusers import DiffusionPipeline

    assert folder is not None
    options |= {"variant": variant, "local_files_only": True, "trust_remote_code": False}
    return DiffusionPipeline.from_pretrained(str(folder), **options)  # type: ignore[no-untyped-call]


def _from_file(model: Model, config: Path | None, options: dict[str, Any]) -> Any:
    import diffusers

    kind = getattr(diffusers, model.pipeline)
    if config:
        options |= {"config": str(config), "local_files_only": True}
    return kind.from_single_file(str(model.file), **options)
