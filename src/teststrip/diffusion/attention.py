"""Which code computes the attention of a denoiser: Diffusers' attention backends, read from its source.

A backend is put on one model, and Diffusers' own default for all models is put back at once, because Diffusers would
use the backend for every other model of the process, too. Kernels that Diffusers fetches as code are refused. Knows
sources and packages; nothing of shots.
"""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from typing import Any, Final

from teststrip.diffusion.precision import ELSEWHERE
from teststrip.diffusion.source import files, text
from teststrip.errors import StudyError, among

SOURCE: Final = "models/attention_dispatch.py"
NAMES: Final = re.compile(r"^class AttentionBackendName\(.*?^(?=\S)", re.M | re.S)
NAME: Final = re.compile(r'^    [A-Z_0-9]+ = "(\w+)"', re.M)
TAKES: Final = re.compile(r"\bdispatch_attention_fn\b")
"""What an attention processor calls that takes a backend."""

PACKAGES: Final = {
    "flash-attn": "flash_attn",
    "flash-attn-3": "flash_attn_interface",
    "sageattention": "sageattention",
    "xformers": "xformers",
    "torch_npu": "torch_npu",
    "torch_xla": "torch_xla",
}
"""Packages that backends need, and the module that each brings."""

NEEDS: Final = (
    ("flash", "flash-attn"),
    ("_flash", "flash-attn-3"),
    ("sage", "sageattention"),
    ("_sage", "sageattention"),
    ("xformers", "xformers"),
    ("_native_npu", "torch_npu"),
    ("_native_xla", "torch_xla"),
)
"""What the names of backends begin with, and the package that they need."""

ON_CUDA: Final = ("flash", "_flash", "sage", "_sage", "xformers", "_native_cudnn", "_native_efficient")
"""What the names of backends begin with that compute on an NVIDIA GPU only."""

HALF: Final = ("flash", "_flash", "sage", "_sage", "_native_cudnn")
"""What the names of backends begin with that take numbers of 16 bits only."""


@cache
def names() -> tuple[str, ...]:
    """The names of the backends of the installed Diffusers, sorted; empty where it is missing or has none."""
    listed = [NAMES.search(text(path)) for path in files(SOURCE)]
    return tuple(sorted(name for found in listed if found for name in NAME.findall(found[0])))


def usable() -> tuple[str, ...]:
    """The names of the backends that run no code from outside, sorted."""
    return tuple(name for name in names() if not name.endswith("_hub"))


def check(name: str, denoiser: str, *, device: str, dtype: str) -> None:
    """Check that a backend can compute the attention of a denoiser here.

    Args:
        name: as the study wrote it.
        denoiser: the class of the denoiser; "" where it is not known.
        device: as resolved.
        dtype: as resolved.

    Raises:
        StudyError: there is no such backend, it needs a package, another device or another dtype, it is code from
            outside, or the denoiser takes none.
    """
    if not names():
        raise StudyError("attention: this Diffusers has no attention backends. Run: pip install -U diffusers")
    if name not in names():
        raise StudyError(f"attention: there is no {name!r}{among(name, usable(), 'There are')}")
    if name.endswith("_hub"):
        raise StudyError(f"attention: {name!r} fetches code from the Hub, which is never run. Write another")
    if denoiser and not takes_backends(denoiser):
        raise StudyError(
            f"attention: {denoiser} computes its attention in a way of its own, which no backend changes."
            " Leave attention out"
        )
    package = package_of(name)
    if package and importlib.util.find_spec(PACKAGES[package]) is None:
        raise StudyError(f"attention: {name!r} needs {package}. Run: pip install {package}")
    if name.startswith(ON_CUDA) and device != "cuda":
        raise StudyError(
            f"attention: {name!r} needs an NVIDIA GPU, and device is {device!r}. Write another, {ELSEWHERE}"
        )
    if name.startswith(HALF) and dtype == "float32":
        raise StudyError(f"attention: {name!r} needs dtype = 'bfloat16' or 'float16', not {dtype!r}")


def package_of(name: str) -> str:
    """The package that a backend needs in addition to PyTorch; "" where it needs none."""
    return next((package for start, package in NEEDS if name.startswith(start)), "")


@cache
def takes_backends(denoiser: str) -> bool:
    """Whether the source of a denoiser's class, or the file that it takes its attention from, asks for a backend."""
    places = [path for path in files("models/**/*.py") if re.search(rf"^class {denoiser}\b", text(path), re.M)]
    sources = [text(path) for path in places]
    for path in places:
        for module in re.findall(
            r"^from \.(\w+) import [^\n]*Attn|^from \.(\w+) import [^\n]*Attention", text(path), re.M
        ):
            beside = path.with_name(f"{''.join(module)}.py")
            sources += [text(beside)] if beside.is_file() else []
    return any(TAKES.search(source) for source in sources)


def put_on(model: Any, name: str) -> None:
    """Let a backend compute the attention of one model, and leave the default of all others as it was."""
    from diffusers.models import attention_dispatch

    registry: Any = attention_dispatch._AttentionBackendRegistry
    before, _ = registry.get_active_backend()
    try:
        model.set_attention_backend(name)
    finally:
        registry.set_active_backend(before)
