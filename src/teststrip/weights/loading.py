"""Models of transformers: found by name, folder or hub name, and loaded whole or not at all.

Knows files, hashes and the loader of transformers; nothing of what a model is asked. Only safetensors are read and no
code of a model's repository is run. Weights that are not complete are refused, because transformers would fill the gaps
with random numbers and say so only in a line of its log.
"""

from __future__ import annotations

import hashlib
import importlib.util
import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from teststrip.errors import MissingWeights, first_line
from teststrip.records import Setting
from teststrip.weights import hub, places
from teststrip.weights.digests import Digests

EMBEDDED_SCORER = "emoji-scorer"

WANTED = ["*.json", "*.txt", "*.model", "*.jinja", "*.safetensors"]
UNWANTED = ["*/*", "*.fp16.*", "*.bf16.*", "open_clip*"]
"""Of a hub repository: the standard files at its top, and not the same weights in a second form."""

TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "vocab.txt", "*.model")
PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")


DEVICE: Final = Setting(
    "device",
    "str",
    "auto",
    choices=("auto", "cuda", "mps", "cpu"),
    doc="Where the model runs; auto is cuda, else mps, else cpu.",
)
"""The option of every engine that computes on this machine."""

_DIGESTS = Digests()


@dataclass(frozen=True, slots=True)
class Weights:
    """A model on this disk.

    Attributes:
        model: the name as the user wrote it.
        folder: where the model lies.
        facts: what tells these weights from others: a hub commit, or the hash of the files.
    """

    model: str
    folder: Path
    facts: Mapping[str, object]

    @property
    def embedded(self) -> bool:
        """Whether these weights came with this package."""
        return self.folder.parent == places.MODELS


def find(model: str | None, revision: str | None = None) -> Weights:
    """Find a model: an embedded one, a folder, or a hub name, which is fetched when it is not on this disk yet.

    Args:
        model: as in `places.place`.
        revision: branch, tag or commit of a hub name.

    Raises:
        MissingWeights: there is no such model, or not as safetensors.
    """
    if not model:
        raise MissingWeights("no model is named. Give `model` a folder or a hub id")
    place = places.place(model, "config.json")
    if place.kind == "embedded":
        return Weights(model, place.path, {"model": model, "embedded": True, "files": _hash(place.path)})
    if model == EMBEDDED_SCORER:
        raise MissingWeights("this installation lacks the embedded scorer. Install teststrip again")
    if place.kind == "folder":
        _check_files(model, place.path)
        return Weights(model, place.path, {"model": place.path.resolve().name, "files": _hash(place.path)})
    if place.kind == "hub":
        folder = _fetched(model, revision)
        _check_files(model, folder)
        return Weights(model, folder, {"model": model, "commit": folder.name})
    raise MissingWeights(f"there is no folder {model!r}. Give `model` a folder that exists, or a hub id 'owner/name'")


def load(auto: Any, found: Weights, device: str = "auto", dtype: str = "float32") -> Any:
    """A model in evaluation mode.

    Args:
        auto: the Auto class of transformers that makes the model.
        found: its weights.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        dtype: "auto" (as stored), "float32", "bfloat16", "float16".

    Raises:
        MissingWeights: the files are not of this kind, or lack some tensors.
    """
    from safetensors import SafetensorError

    try:
        with quietly("transformers"):
            model, report = auto.from_pretrained(
                found.folder, dtype=dtype, use_safetensors=True, local_files_only=True, output_loading_info=True
            )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise MissingWeights(f"{found.model!r} cannot be loaded: {first_line(error)}") from error
    gaps = sorted(str(gap) for gap in [*report["missing_keys"], *report["mismatched_keys"]])
    if gaps:
        raise MissingWeights(
            f"{found.model!r} lacks {len(gaps)} of the tensors of a {type(model).__name__} ({gaps[0]}, ...). "
            "Give `model` a complete one"
        )
    return model.eval().to(resolved_device(device))


def read(found: Weights, reader: Callable[[Path], Any], files: Sequence[str]) -> Any:
    """A tokenizer or processor that lies beside the weights.

    Args:
        found: the model.
        reader: makes the tokenizer or processor from the folder.
        files: patterns of the files that `reader` needs. One of them must be there, because some readers make an empty
            tokenizer out of nothing.

    Raises:
        MissingWeights: the files are missing or cannot be read.
    """
    if not any(list(found.folder.glob(pattern)) for pattern in files):
        raise MissingWeights(f"{found.model!r} holds none of {', '.join(files)}. Give `model` a complete folder")
    try:
        return reader(found.folder)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise MissingWeights(f"{found.model!r} has an unusable {files[0]}: {first_line(error)}") from error


def _fetched(model: str, revision: str | None) -> Path:
    """The folder of a hub model. A model that was fetched once is not fetched again, even if its branch has moved."""
    troubles = hub.troubles()
    from huggingface_hub import snapshot_download

    fetch = partial(snapshot_download, model, revision=revision, allow_patterns=WANTED, ignore_patterns=UNWANTED)
    try:
        folder = Path(fetch(local_files_only=True))
        if any(folder.glob("*.safetensors")):
            return folder
    except troubles:
        pass
    if not hub.may_fetch():
        raise MissingWeights(f"{model!r} is not on this disk. `teststrip run` fetches it")
    try:
        return Path(fetch())
    except troubles as error:
        raise MissingWeights(
            f"{model!r} is no folder, and as a hub id it could not be fetched ({first_line(error)}). "
            f"{hub.remedy(model)}"
        ) from error


def _check_files(model: str, folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise MissingWeights(f"{model!r} holds no config.json. Give `model` a folder in the format of transformers")
    if not any(folder.glob("*.safetensors")):
        raise MissingWeights(f"{model!r} holds no .safetensors. Pickled weights are not loaded: convert them first")


def _hash(folder: Path) -> str:
    """SHA-256 over names and contents of the files that can change a vector."""
    files = sorted(path for pattern in WANTED for path in folder.glob(pattern))
    return hashlib.sha256("".join(f"{path.name}\0{_DIGESTS.of(path)}\n" for path in files).encode()).hexdigest()


@contextmanager
def quietly(*libraries: str) -> Iterator[None]:
    """Within it these libraries draw no bars and log errors only: a run has a bar of its own.

    Args:
        libraries: "transformers" or "diffusers", which log by the same functions.
    """
    logs: list[Any] = [import_module(f"{library}.utils.logging") for library in libraries]
    before = [(log, log.get_verbosity(), log.is_progress_bar_enabled()) for log in logs]
    for log in logs:
        log.set_verbosity_error()
        log.disable_progress_bar()
    try:
        yield
    finally:
        for log, level, bar in before:
            log.set_verbosity(level)
            if bar:
                log.enable_progress_bar()


def resolved_device(asked: str) -> str:
    """The device that "auto" stands for: cuda, else mps, else cpu. Any other name comes back as it is.

    Imports torch only where it could find a GPU, so that a study is planned in an instant elsewhere.
    """
    if asked != "auto":
        return asked
    return devices()[0] if _gpu_possible() else "cpu"


def devices() -> tuple[str, ...]:
    """The kinds of device that this PyTorch sees, the fastest first."""
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    return tuple(name for name, found in there.items() if found)


def _gpu_possible() -> bool:
    """Whether importing torch could find a GPU: a build with one inside, or Apple silicon."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    found = importlib.util.find_spec("torch")
    libraries = Path(found.origin).parent / "lib" if found and found.origin else None
    return libraries is not None and any(any(libraries.glob(f"*torch_{kind}*")) for kind in ("cuda", "hip"))
