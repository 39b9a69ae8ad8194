"""What lies in a checkpoint of imagen-pytorch's trainer, read without torch and without running code of the file.

A checkpoint is a pickle in an archive. Here its pickle is read with a table of the few names that a trainer writes, and
each of them stands for an inert value: a tensor becomes its shape. Any other name is refused before it is looked up.
The weights themselves are read later, by `torch.load(weights_only=True)` in the process that makes the pictures.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from teststrip.errors import EngineError, shortened

MOST_BYTES: Final = 64 * 2**20
"""Of the pickle, which holds names and shapes alone; an optimizer of 10,000 tensors has 5 MB."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint says of itself.

    Attributes:
        shapes: of the tensors under `model`, by their names.
        params: the arguments that the model was made with; None = the file does not say.
        kind: "original", "elucidated", or "" where the file does not say.
    """

    shapes: Mapping[str, tuple[int, ...]]
    params: Mapping[str, Any] | None
    kind: str


@dataclass(frozen=True, slots=True)
class _Tensor:
    shape: tuple[int, ...]


class _Name:
    """A class or a constant of torch, which does nothing where it is called."""

    def __init__(self, *_: object) -> None:
        pass


def _tensor(_storage: object, _offset: object, shape: tuple[int, ...], *_: object) -> _Tensor:
    return _Tensor(tuple(shape))


def _first(value: object, *_: object) -> object:
    return value


INERT: Final[Mapping[tuple[str, str], Callable[..., object]]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "Counter"): dict,
    ("builtins", "set"): set,
    ("torch", "Size"): tuple,
    ("torch", "device"): _Name,
    ("torch.serialization", "_get_layout"): _Name,
    ("torch._utils", "_rebuild_parameter"): _first,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in INERT:
            return INERT[module, name]
        if module == "torch" and (name.endswith("Storage") or name.startswith(("float", "bfloat", "int", "uint"))):
            return _Name
        raise pickle.UnpicklingError(f"it names {module}.{name}, which no trainer writes")

    def persistent_load(self, pid: object) -> object:
        """Numbers of a tensor, which are not read."""
        return None


def _table(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    if entry.file_size > MOST_BYTES:
        raise pickle.UnpicklingError(f"its table has {entry.file_size:,} bytes, which cannot be right")
    return archive.read(entry)


def read(file: Path) -> Checkpoint:
    """Read names and shapes of a checkpoint.

    Raises:
        EngineError: the file is no checkpoint of the trainer, or holds more than data.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            entry = next(one for one in archive.infolist() if one.filename.endswith("/data.pkl"))
            saved = _Reader(io.BytesIO(_table(archive, entry))).load()
    except (zipfile.BadZipFile, StopIteration):
        raise EngineError(
            f"{file}: this is no file of torch.save, or one of before PyTorch 1.6. Save the checkpoint anew"
        ) from None
    except OSError as error:
        raise EngineError(f"{file}: it cannot be read ({error.strerror})") from error
    except Exception as error:  # a damaged pickle raises anything
        raise EngineError(
            f"{file}: this checkpoint is refused, because only plain data and tensors are loaded:"
            f" {shortened(str(error), 120)}. Save the state dict of the model as safetensors"
        ) from None
    model = saved.get("model") if isinstance(saved, dict) else None
    if not isinstance(model, dict) or not all(isinstance(one, _Tensor) for one in model.values()):
        raise EngineError(f"{file}: it holds no 'model', as a checkpoint of ImagenTrainer.save does")
    params, kind = saved.get("imagen_params"), saved.get("imagen_type")
    shapes = {str(name): tensor.shape for name, tensor in model.items()}
    return Checkpoint(shapes, params if isinstance(params, dict) else None, kind if isinstance(kind, str) else "")
