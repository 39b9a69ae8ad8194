"""Loads what stands in the place of a model's own components: other weights, quantized weights, another attention.

Imports torch and diffusers when called. Single files are loaded with the configuration of the component that they
replace. Knows components; nothing of pipelines' calls or shots.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from teststrip.diffusion import attention, precision, whole
from teststrip.diffusion.models import Model
from teststrip.diffusion.parts import GGUF, Part, Parts, denoisers, tensors
from teststrip.diffusion.safety import read_header
from teststrip.errors import EngineError, first_line
from teststrip.weights import hub

SCALED: Final = ("scale_weight", "scale_input", "weight_scale", "weight_scale_2", "input_scale", "comfy_quant")
"""Last words in the names of tensors beside weights of 8 bits and fewer, without which these say nothing."""


def fetch(part: Part) -> None:
    """Download the files of a component of the Hub at its commit, where they are missing.

    Raises:
        EngineError: the Hub cannot be reached, or the files are not there.
    """
    if part.here:
        return
    from huggingface_hub import hf_hub_download, snapshot_download

    inside = f"{part.inside}/" if part.inside else ""
    try:
        # By its branch, where that is still the commit: the branch is then known without a network, too.
        revision = "main" if hub.ask(part.repo, "main") == part.commit else part.commit
        if part.is_file:
            hf_hub_download(part.repo, part.inside, revision=revision)
        else:
            patterns = [f"{inside}*.json", f"{inside}*.safetensors"]
            snapshot_download(part.repo, revision=revision, allow_patterns=patterns)
    except hub.troubles() as error:
        raise EngineError(
            f"{part.option}: {part.written!r} is not on this disk and cannot be fetched:"
            f" {first_line(error).rstrip('.')}. {hub.remedy(part.repo, part.commit)}"
        ) from None


def load(
    model: Model, folder: Path | None, parts: Parts, found: Mapping[str, Part], *, dtype: str, variant: str | None
) -> dict[str, Any]:
    """The components that a pipeline is given when it is loaded, by name.

    Args:
        model: as found.
        folder: with the configuration of its components.
        parts: what is wanted.
        found: the components in it.
        dtype: as resolved.
        variant: of the weight files that are wanted.

    Raises:
        EngineError: files are missing, damaged, or do not fit.
    """
    made = {}
    for name, part in found.items():
        fetch(part)
        made[name] = _replaced(part, folder, parts, dtype=dtype, variant=variant)
    if parts.quantization:
        for name, kind in denoisers(model).items():
            if name not in made:
                made[name] = _own(
                    model, folder, name, kind, quantization=parts.quantization, dtype=dtype, variant=variant
                )
    return made


def put_attention(pipe: Any, model: Model, parts: Parts) -> None:
    """Let the denoisers of a loaded pipeline compute their attention as it is wanted."""
    if parts.attention:
        for name in denoisers(model):
            attention.put_on(getattr(pipe, name), parts.attention)


def _replaced(part: Part, folder: Path | None, parts: Parts, *, dtype: str, variant: str | None) -> Any:
    import diffusers
    import transformers

    kind = getattr(diffusers if part.library == "diffusers" else transformers, part.kind)
    options: dict[str, Any] = {"torch_dtype": _torch(dtype), "local_files_only": True}
    if parts.quantization and part.option in ("unet", "transformer"):
        options["quantization_config"] = precision.config(parts.quantization, dtype)
    if not part.is_file:
        _sound(part)
        kept = whole.variant_of(part.place, variant)
        return kind.from_pretrained(str(part.place), **options, variant=kept, use_safetensors=True).eval()
    if part.library != "diffusers":
        return _encoder(part, kind, folder, dtype)
    if part.place.suffix == GGUF:
        made: Any = diffusers.GGUFQuantizationConfig
        options["quantization_config"] = made(compute_dtype=_torch(dtype))
    tensors(part.place)
    return _single_file(part.option, part.written, kind, part.place, folder, options)


def _own(
    model: Model, folder: Path | None, name: str, kind: str, *, quantization: str, dtype: str, variant: str | None
) -> Any:
    """A model's own denoiser, quantized while it is loaded."""
    import diffusers

    assert folder is not None
    options: dict[str, Any] = {
        "torch_dtype": _torch(dtype),
        "local_files_only": True,
        "quantization_config": precision.config(quantization, dtype),
    }
    made = getattr(diffusers, kind)
    if model.file:
        return _single_file("quantization", model.name, made, model.file, folder, options, name)
    kept = whole.variant_of(folder / name, variant)
    return made.from_pretrained(str(folder), subfolder=name, variant=kept, use_safetensors=True, **options).eval()


def _single_file(
    option: str, written: str, kind: Any, file: Path, folder: Path | None, options: dict[str, Any], name: str = ""
) -> Any:
    try:
        made = kind.from_single_file(str(file), config=str(folder), subfolder=name or option, **options)
    except (KeyError, IndexError, AttributeError, ValueError) as error:  # so the conversions answer foreign files
        raise EngineError(
            f"{option}: {written!r} cannot be read as a {kind.__name__} ({type(error).__name__}: {first_line(error)})"
        ) from error
    if missing := [name for name, value in made.named_parameters() if value.is_meta]:
        raise EngineError(f"{option}: {written!r} lacks {len(missing):,} tensors of the {kind.__name__}: {missing[0]}")
    return made


def _encoder(part: Part, kind: Any, folder: Path | None, dtype: str) -> Any:
    """A text encoder from one file, in the names that Transformers itself writes."""
    from safetensors.torch import load_file
    from transformers import AutoConfig

    read_header(part.place)
    config = AutoConfig.from_pretrained(str(folder), subfolder=part.option, local_files_only=True)
    made, report = kind.from_pretrained(
        None, config=config, state_dict=load_file(part.place), dtype=_torch(dtype), output_loading_info=True
    )
    if missing := sorted(report["missing_keys"]):
        raise EngineError(
            f"{part.option}: {part.written!r} lacks {len(missing):,} tensors of a {part.kind} ({missing[0]})."
            " Name one that was made for this kind of model"
        )
    return made.eval()


def _sound(part: Part) -> None:
    for file in part.place.glob("*.safetensors"):
        read_header(file)


def _torch(dtype: str) -> Any:
    import torch

    return getattr(torch, dtype)


def misfit(part: Part, folder: Path | None) -> str:
    """Why the tensors of a single file cannot fill the component, found without reading them; "" where they can.

    Diffusers' own conversion runs on tensors that have shapes and no content, into the component as its configuration
    describes it.

    Args:
        part: a file; a folder has a configuration of its own, which was checked.
        folder: with the configuration of the model's components.
    """
    if not part.is_file or not part.here or part.library != "diffusers" or folder is None:
        return ""
    import diffusers
    import torch
    from diffusers.loaders.single_file_model import SINGLE_FILE_LOADABLE_CLASSES

    kind = getattr(diffusers, part.kind)
    if part.kind not in SINGLE_FILE_LOADABLE_CLASSES:
        return f"{part.option}: Diffusers reads no single file of a {part.kind}. Name a folder with config.json"
    config = kind.load_config(str(folder), subfolder=part.option, local_files_only=True)
    with torch.device("meta"):
        empty = kind.from_config(config)
    wanted = {name: tuple(tensor.shape) for name, tensor in empty.named_parameters()}
    given = {name: torch.empty(shape, device="meta") for name, shape in tensors(part.place).items()}
    scaled = [name for name in given if name.rpartition(".")[2] in SCALED]
    ways: Any = SINGLE_FILE_LOADABLE_CLASSES[part.kind]
    convert = ways["checkpoint_mapping_fn"]
    try:
        same = set(empty.state_dict()) == set(given)
        converted = given if same else convert(config=config, checkpoint=dict(given))
    except (NotImplementedError, RuntimeError):
        return ""  # this conversion looks at numbers, which are not there
    except Exception:  # each conversion has its own way to stumble over tensors of another family
        converted = {}
    why = next(_differences(wanted, {name: tuple(tensor.shape) for name, tensor in converted.items()}), "")
    if scaled:
        why = f"it holds weights with scales beside them ({scaled[0]}), which Diffusers would leave out"
    return f"{part.option}: {part.written!r} does not fit: {why}. Name one that was made for this model" if why else ""


def _differences(wanted: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]) -> Iterator[str]:
    if not set(wanted) & set(found):
        yield "it holds none of the tensors that are needed"
    for name in sorted(set(wanted) - set(found)):
        yield f"it lacks {name}"
    for name, shape in wanted.items():
        if found[name] != shape:
            yield f"{name} is {list(found[name])} in it and {list(shape)} in the model"
