"""Quantizations of a denoiser's weights: their names, the package and machine that each needs, and their making.

A quantization is put on while Diffusers loads the weights. Knows Diffusers' configurations; nothing of models or shots.
To add one: a line in `QUANTIZATIONS`, and where its package is new a case in `config`.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from teststrip.errors import StudyError, among
from teststrip.plugins import version_of

EVERY_DTYPE: Final = ("float32", "float16", "bfloat16")
BY_ALL_ROWS: Final = "chooses the columns that stay in 16 bits by the largest value of all rows together"
BY_NAME: Final = frozenset({"FluxLoraLoaderMixin"})
"""Loaders of LoRAs that look the denoiser's weights up by name; optimum-quanto names weights in its own way."""
UNPACKS: Final = "unpacks weights in a way that torch.inference_mode refuses, in which batches are computed"


@dataclass(frozen=True, slots=True)
class Quantization:
    """One way to keep weights in fewer bits.

    Attributes:
        name: as a study writes it.
        package: on PyPI, without which Diffusers refuses it.
        module: that the package brings.
        gpu: whether Diffusers quantizes on a GPU only.
        dtypes: of the layers that stay as they are; the first one is taken where dtype is "auto" and its choice is not
            among them.
        no_lora: classes of Diffusers that load LoRAs, and fail on such weights.
        alone: why pictures cannot be made in batches, as the end of a sentence; "" where they can.
    """

    name: str
    package: str
    module: str
    gpu: bool = False
    dtypes: tuple[str, ...] = EVERY_DTYPE
    no_lora: frozenset[str] = frozenset()
    alone: str = ""


QUANTIZATIONS: Final[Mapping[str, Quantization]] = MappingProxyType(
    {
        one.name: one
        for one in (
            Quantization("bnb-int8", "bitsandbytes", "bitsandbytes", gpu=True, alone=BY_ALL_ROWS),
            Quantization("bnb-nf4", "bitsandbytes", "bitsandbytes", gpu=True),
            Quantization("bnb-fp4", "bitsandbytes", "bitsandbytes", gpu=True),
            # Diffusers warns at other formats that integers of torchao are made for bfloat16.
            Quantization("torchao-int8", "torchao", "torchao", dtypes=("bfloat16",)),
            Quantization("torchao-fp8", "torchao", "torchao"),
            Quantization("quanto-int8", "optimum-quanto", "optimum.quanto", no_lora=BY_NAME),
            Quantization("quanto-int4", "optimum-quanto", "optimum.quanto", no_lora=BY_NAME, alone=UNPACKS),
            Quantization("quanto-fp8", "optimum-quanto", "optimum.quanto", no_lora=BY_NAME),
        )
    }
)
"""By name. torchao's int4 is left out: it needs mslk, a package of GPU kernels, and was never seen to run here."""

NAMES: Final = tuple(QUANTIZATIONS)

SMALLER: Final = {"cuda": ("bnb-nf4", "torchao-fp8"), "mps": ("quanto-int8",), "cpu": ("quanto-int8",)}
"""What to advise where memory runs out, by device; the first one that is installed."""


ELSEWHERE: Final = "or device = 'cuda', where a machine with a GPU makes the pictures"
"""What to write where a device is missing here alone."""


def check(name: str, *, device: str, dtype: str, offload: str) -> None:
    """Check that a quantization can be put on here.

    Args:
        name: as the study wrote it.
        device: as resolved.
        dtype: as resolved.
        offload: the engine's option.

    Raises:
        StudyError: there is no such quantization, its package or a GPU is missing, or another option does not go with
            it.
    """
    if name not in QUANTIZATIONS:
        raise StudyError(f"quantization: there is no {name!r}{among(name, NAMES, 'There are')}")
    one = QUANTIZATIONS[name]
    if not _installed(one.module):
        raise StudyError(f"quantization: {name!r} needs {one.package}. Run: pip install {one.package}")
    if one.gpu and device != "cuda":
        raise StudyError(
            f"quantization: {name!r} needs an NVIDIA GPU, and device is {device!r}. Write one that runs here:"
            f" {', '.join(other.name for other in QUANTIZATIONS.values() if not other.gpu)}; {ELSEWHERE}"
        )
    if dtype not in one.dtypes:
        raise StudyError(
            f"quantization: {name!r} takes dtype = {' or '.join(map(repr, one.dtypes))}, not {dtype!r}."
            " Write that, or leave dtype out"
        )
    if offload == "sequential":
        raise StudyError(
            f"quantization: offload = 'sequential' moves single weights, which {name!r} has packed."
            " Write offload = 'model'"
        )


def check_packed(place: str, config: Mapping[str, object]) -> None:
    """Check that the package is installed that reads a component which was saved quantized.

    Args:
        place: where the study names the component.
        config: of the component.

    Raises:
        StudyError: the package is missing.
    """
    packed = config.get("quantization_config")
    method = str(packed.get("quant_method") or "") if isinstance(packed, dict) else ""
    one = next((one for one in QUANTIZATIONS.values() if method and one.package.endswith(method)), None)
    if one and not _installed(one.module):
        raise StudyError(f"{place}: its weights are quantized with {one.package}. Run: pip install {one.package}")


def dtype_of(name: str | None, usual: str) -> str:
    """The number format that dtype = "auto" stands for under a quantization.

    >>> dtype_of("torchao-int8", "float32"), dtype_of("quanto-int8", "float32"), dtype_of(None, "float32")
    ('bfloat16', 'float32', 'float32')
    """
    known = QUANTIZATIONS.get(name or "")
    return usual if known is None or usual in known.dtypes else known.dtypes[0]


def described(name: str) -> dict[str, object]:
    """A quantization for a fingerprint: its name, and the package with its version."""
    package = QUANTIZATIONS[name].package
    return {"name": name, "package": f"{package} {version_of(package)}"}


def smaller(device: str) -> str:
    """A quantization that is installed and takes less memory on this device; "" where there is none."""
    there = (name for name in SMALLER.get(device, ()) if _installed(QUANTIZATIONS[name].module))
    return next(there, "")


def config(name: str, dtype: str) -> Any:
    """What Diffusers' `from_pretrained` takes as `quantization_config`.

    Args:
        name: one of `NAMES`.
        dtype: in which layers of 4 bits compute.

    Raises:
        ModuleNotFoundError: a package is missing.
    """
    import torch

    diffusers: Any = importlib.import_module("diffusers")
    match name.split("-"):
        case ["bnb", "int8"]:
            return diffusers.BitsAndBytesConfig(load_in_8bit=True)
        case ["bnb", kind]:
            return diffusers.BitsAndBytesConfig(
                load_in_4bit=True, bnb_4bit_quant_type=kind, bnb_4bit_compute_dtype=getattr(torch, dtype)
            )
        case ["torchao", kind]:
            quantization: Any = importlib.import_module("torchao.quantization")
            made = {"int8": quantization.Int8WeightOnlyConfig, "fp8": quantization.Float8WeightOnlyConfig}[kind]
            return diffusers.TorchAoConfig(made())
        case ["quanto", kind]:
            return diffusers.QuantoConfig(weights_dtype={"fp8": "float8"}.get(kind, kind))
    raise AssertionError(name)


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package that a dotted module lies in is missing
        return False
