"""Refuses model files that could run code: pickles by any name, classes from outside, oversized headers.

A model folder may come from anywhere. Only safetensors are read, and only after their header was checked; the folder
may name only classes that Diffusers and Transformers bring. Knows nothing of pictures or pipelines' arguments.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from teststrip.diffusion.source import package
from teststrip.errors import EngineError

WEIGHTS: Final = ".safetensors"
PICKLES: Final = frozenset({".bin", ".ckpt", ".pt", ".pth", ".pkl", ".pickle"})
MOST_HEADER_BYTES: Final = 16 * 2**20
MOST_TENSORS: Final = 100_000
LIBRARIES: Final = frozenset({"diffusers", "transformers"})
REMEDY: Final = "Convert it to safetensors, or use a model that has them"


def read_header(file: Path) -> Mapping[str, object]:
    """The header of a safetensors file: tensor names to type, shape and place.

    Raises:
        EngineError: the file is no safetensors file (a renamed pickle, a cut-off download), or its header is too large.
    """
    with file.open("rb") as stream:
        start = stream.read(9)
        length = int.from_bytes(start[:8], "little")
        if len(start) < 9 or start[8:] != b"{":
            kind = (
                "a pickle or an archive" if start[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"PK") else "damaged"
            )
            raise EngineError(f"{file}: this is no safetensors file, whatever its name says ({kind}). {REMEDY}")
        if length > MOST_HEADER_BYTES or length + 8 > file.stat().st_size:
            raise EngineError(f"{file}: its header of {length:,} bytes cannot be right. Fetch the file again")
        try:
            header = json.loads(b"{" + stream.read(length - 1))
        except (ValueError, RecursionError):
            raise EngineError(f"{file}: its header cannot be read. Fetch the file again") from None
    if isinstance(header, dict) and _end(header) > file.stat().st_size - length - 8:
        raise EngineError(f"{file}: its end is missing, as of a download that was broken off. Fetch the file again")
    if not isinstance(header, dict) or len(header) > MOST_TENSORS:
        raise EngineError(f"{file}: its header is no table of at most {MOST_TENSORS:,} tensors. {REMEDY}")
    return header


def _end(header: Mapping[str, object]) -> int:
    """Where the last tensor ends, in bytes after the header."""
    entries = [entry.get("data_offsets") for entry in header.values() if isinstance(entry, dict)]
    pairs = [entry for entry in entries if isinstance(entry, list) and len(entry) == 2]
    return max((end for _, end in pairs if isinstance(end, int)), default=0)


def check_index(index: Mapping[str, object], place: Path) -> None:
    """Raise EngineError unless all classes in a model_index.json are of Diffusers or Transformers."""
    if not isinstance(index.get("_class_name"), str):
        raise EngineError(f"{place}: its pipeline class is code of its own, which is never run. Use a stock pipeline")
    for name, entry in index.items():
        if name.startswith("_") or not isinstance(entry, list):
            continue
        if len(entry) != 2 or not all(part is None or isinstance(part, str) for part in entry):
            raise EngineError(f"{place}: {name!r} does not name a library and a class")
        library, kind = entry
        if library is None or kind is None:
            continue
        if not _known(library) or not kind.isidentifier():
            raise EngineError(
                f"{place}: {name!r} is {library}.{kind}, which neither Diffusers nor Transformers brings."
                " Code that comes with a model is never run"
            )


def components(index: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Name and class of each component that a model_index.json makes its pipeline load."""
    for name, entry in index.items():
        if not name.startswith("_") and isinstance(entry, list) and len(entry) == 2 and all(entry):
            yield name, str(entry[1])


def check_folder(folder: Path) -> None:
    """Raise EngineError unless all weights that a pipeline loads are sound safetensors.

    A training folder has more in it, checkpoints, states of optimizers and logs, which are never opened.
    """
    for part in (folder, *_parts(folder)):
        there = [path for path in sorted(part.iterdir()) if path.is_file()]
        sound = [path for path in there if path.suffix == WEIGHTS]
        pickles = [path for path in there if path.suffix in PICKLES and path.name != "training_args.bin"]
        if pickles and not sound and part != folder:
            raise EngineError(f"{pickles[0]}: pickled weights can run code and are never read. {REMEDY}")
        for path in sound:
            read_header(path)


def weight_files(folder: Path, variant: str | None = None) -> Iterator[Path]:
    """The files that decide what a model answers: weights of one variant, configuration, vocabularies; sorted.

    Args:
        folder: with a model_index.json.
        variant: "fp16" and the like; a component without files of that variant gives its plain files.
    """
    yield folder / "model_index.json"
    for part in _parts(folder):
        yield from part_files(part, variant)


def part_files(part: Path, variant: str | None = None) -> Iterator[Path]:
    """The files of one component's folder that decide what it answers; arguments as in `weight_files`."""
    files = [path for path in sorted(part.iterdir()) if path.is_file()]
    weights = [path for path in files if path.suffix == WEIGHTS]
    chosen = [path for path in weights if variant and f".{variant}" in path.name]
    plain = [path for path in weights if path.name.count(".") == 1]
    yield from chosen or plain or weights
    yield from (path for path in files if path.suffix in (".json", ".txt", ".model"))


def _parts(folder: Path) -> list[Path]:
    """The folders of the components, sorted; all folders where the index cannot be read."""
    there = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    try:
        index = json.loads((folder / "model_index.json").read_text("utf-8"))
        named = {name for name, _ in components(index)}
    except (OSError, ValueError, AttributeError, RecursionError):
        return there
    return [path for path in there if path.name in named]


def _known(library: str) -> bool:
    """Whether it is a library of the list, or a folder of Diffusers' pipelines, where safety checkers are."""
    root = package()
    return library in LIBRARIES or (
        library.isidentifier() and root is not None and (root / "pipelines" / library).is_dir()
    )
