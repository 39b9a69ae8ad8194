"""The LoRAs that settings ask for, and whether each can be put on a model, from the headers of both: no weights.

A LoRA of another family either does nothing or ends its load in a message about shapes. Only what is certain is
refused: a LoRA whose names this file does not read (some trainers have their own) is left to the loader.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from teststrip.batching import DENOISERS
from teststrip.diffusion.models import Model
from teststrip.diffusion.pipelines import find
from teststrip.diffusion.safety import read_header
from teststrip.diffusion.source import function
from teststrip.errors import StudyError
from teststrip.records import Value
from teststrip.stacks import LORA, read
from teststrip.weights.digests import Digests

DOWN: Final = re.compile(r"^(?P<module>.+?)\.(?:lora_A|lora_down|lora\.down)(?:\.\w+)?\.weight$")
"""The first of the two matrices of a layer: its second dimension is the layer's input."""

ADAPTS: Final = re.compile(r"lora|hada_|lokr_|oft_|dora_scale|\.alpha$|\.diff(_b)?$|\.(w_norm|b_norm)$", re.I)
"""Some tensor of every kind of adapter is named so."""

KOHYA: Final = "lora_unet_"
"""How one widely used trainer begins the names of a denoiser's layers, with "_" in the place of each "."."""

BLOCKS: Final = {
    "unet": re.compile(rf"^{KOHYA}(?:down_blocks|mid_block|up_blocks|input_blocks|middle_block|output_blocks)_"),
    "transformer": re.compile(rf"^{KOHYA}(?:double|single|joint)_blocks_"),
}
"""How the names of layers go on in files of that trainer, by the denoiser that has such blocks."""


SCALE: Final = "lora_scale"
MOST_LORAS: Final = 4
"""LoRAs that stay on a pipeline at a time, on or off, unless a stack has more; the one used longest ago goes first."""


@dataclass(frozen=True, slots=True)
class Lora:
    """A LoRA that is on.

    Attributes:
        file: its path as the study wrote it.
        scale: how strongly it adapts; 1 = as trained.
    """

    file: str
    scale: float = 1.0


def asked(settings: Mapping[str, Value]) -> tuple[Lora, ...]:
    """The LoRAs that settings put on, in the order in which they go on.

    >>> asked({"lora": "a.safetensors", "lora_scale": 0.5}), asked({"lora": "a 1 + b 0.25"}), asked({})
    ((Lora(file='a.safetensors', scale=0.5),), (Lora(file='a', scale=1.0), Lora(file='b', scale=0.25)), ())
    """
    word, scale = settings.get(LORA), settings.get(SCALE)
    default = 1.0 if scale is None else float(scale)
    parts = read(LORA, str(word)) if word else ()
    return tuple(Lora(part.file, default if part.scale is None else part.scale) for part in parts)


def described(settings: Mapping[str, Value], digests: Digests) -> object:
    """What a fingerprint says of the LoRAs: None, the digest of one file, or digest and scale of each of a stack."""
    parts = read(LORA, str(settings[LORA])) if settings.get(LORA) else ()
    found = [digests.of(Path(part.file).expanduser()) for part in parts]
    if len(parts) == 1 and parts[0].scale is None:
        return found[0]
    return [{"file": d, "scale": lora.scale} for d, lora in zip(found, asked(settings), strict=True)] or None


def check_stack(settings: Mapping[str, Value]) -> None:
    """Raise StudyError for a file that is there twice, and for a scale beside a stack that has scales of its own."""
    parts = read(LORA, str(settings[LORA])) if settings.get(LORA) else ()
    places: dict[Path, str] = {}
    for part in parts:
        place = Path(part.file).expanduser().resolve()
        if place in places:
            raise StudyError(f"lora: {part.file!r} and {places[place]!r} are one file. Write it once")
        places[place] = part.file
    scaled = len(parts) > 1 or any(part.scale is not None for part in parts)
    if scaled and settings.get(SCALE) is not None:
        raise StudyError(f"{SCALE}: the LoRAs of {str(settings[LORA])!r} have scales of their own. Write them there")


def files(settings: Mapping[str, Value]) -> Sequence[str]:
    """The files of the LoRAs that settings put on."""
    return tuple(lora.file for lora in asked(settings))


def check(name: str, model: Model) -> None:
    """Check that a file is a LoRA, and that it may fit a model.

    Args:
        name: of the file, as the study wrote it.
        model: as found.

    Raises:
        StudyError: there is no such file, it is no LoRA, or it is one of another family.
        EngineError: the file is damaged or could run code.
    """
    file = Path(name).expanduser()
    if file.suffix != ".safetensors" or not file.is_file():
        raise StudyError(f"lora: {name!r} is no .safetensors file. Download it and give its path")
    header = read_header(file)
    if not any(ADAPTS.search(tensor) for tensor in header):
        raise StudyError(f"lora: {name!r} holds no LoRA. A whole model belongs under `model`")
    if why := _misfit(header, model):
        raise StudyError(f"lora: {name!r} does not fit {model.name!r}: {why}. Name one that was made for this model")


def _misfit(header: Mapping[str, object], model: Model) -> str:
    """Why the LoRA of this header cannot fit, as the end of a sentence; "" where nothing speaks against it."""
    here = _denoisers(model.pipeline)
    inputs = {match["module"]: _shape(entry)[1] for name, entry in header.items() if (match := DOWN.match(name))}
    parts = {module.partition(".")[0] for module in inputs}
    named = [part for part in DENOISERS if part in parts]
    named += [part for part, blocks in BLOCKS.items() if any(map(blocks.match, inputs))]
    if named and here and not set(named) & set(here):
        return f"it adapts a {named[0]}, and {model.pipeline} has a {here[0]}"
    for part in here:
        layers = _layers(model, part)
        asked = {layer: size for layer, size in _asked(inputs, part) if layer}
        if not layers or not asked:
            continue
        found = {layer: size for layer, size in asked.items() if layer in layers}
        if not found and any(module.startswith(f"{part}.") for module in inputs):
            return f"the {part} has none of its {len(asked):,} layers"
        for layer, size in found.items():
            if size and layers[layer] != size:
                return f"layer {layer} takes {size:,} numbers in the LoRA and {layers[layer]:,} in the model"
    return ""


def _denoisers(pipeline: str) -> list[str]:
    """The denoisers that a pipeline class is made of, as its source says."""
    found = find(pipeline)
    made = function(found.tree, "__init__") if found else None
    return [argument.arg for argument in made.args.args if argument.arg in DENOISERS] if made else []


def _asked(inputs: Mapping[str, int], part: str) -> Iterator[tuple[str, int]]:
    """The layers of a denoiser that a LoRA adapts, spelled with "_", and how many numbers each takes."""
    for module, size in inputs.items():
        if module.startswith(f"{part}."):
            yield module.removeprefix(f"{part}.").replace(".", "_"), size
        elif module.startswith(KOHYA):
            yield module.removeprefix(KOHYA), size


def _layers(model: Model, part: str) -> dict[str, int]:
    """The layers of a model's denoiser, spelled with "_", and how many numbers each takes; empty where not known."""
    layers = {}
    for file in model.weights(part):
        for name, entry in read_header(file).items():
            shape = _shape(entry)
            if name.endswith(".weight") and shape[1]:
                layers[name.removesuffix(".weight").replace(".", "_")] = shape[1]
    return layers


def _shape(entry: object) -> tuple[int, int]:
    """The first two dimensions of a tensor; 0 where there is none."""
    shape = entry.get("shape") if isinstance(entry, dict) else None
    sizes = [size for size in shape if isinstance(size, int)] if isinstance(shape, list) else []
    return (sizes[0], sizes[1]) if len(sizes) > 1 else (0, 0)
