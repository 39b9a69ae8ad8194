"""A model's folder: whether all files are there and fit together, known from config.json and headers. Loads nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from teststrip.dalle_mini import sizes, text
from teststrip.errors import EngineError, StudyError

PARTS: Final = ("encoder", "decoder", "detokenizer")
CONFIG, VOCAB, MERGES = "config.json", "vocab.json", "merges.txt"
FILES: Final = (CONFIG, VOCAB, MERGES, *(f"{part}.safetensors" for part in PARTS))
KINDS: Final = ("F32", "F16", "BF16")
"""Number formats of tensors, as safetensors spells them."""
GUIDE: Final = "How to convert a model: docs/craiyon.md"
MOST_BYTES: Final = 2**26
"""Of a file that is read whole; the published vocabularies have about 1 MB."""

Headers = Callable[[Path], Mapping[str, object]]
"""Reads the header of a safetensors file."""


@dataclass(frozen=True)
class Folder:
    """A model on this disk.

    Attributes:
        place: the folder.
        sizes: that config.json says.
    """

    place: Path
    sizes: sizes.Sizes

    @cached_property
    def tokenizer(self) -> text.Tokenizer:
        """Made from vocab.json and merges.txt.

        Raises:
            EngineError: one of them is damaged, or does not belong to the model.
        """
        vocab, merges = self.place / VOCAB, self.place / MERGES
        return text.tokenizer(vocab, merges, most=self.sizes.text_tokens, known=self.sizes.text_vocab)

    def weights(self, part: str) -> Path:
        """The file of a part's tensors."""
        return self.place / f"{part}.safetensors"


def find(name: str, header: Headers) -> Folder:
    """Find a model, and check that its files are whole and fit each other.

    Args:
        name: the folder as the user wrote it; a relative path starts at the working folder.
        header: reads the header of a safetensors file, and raises EngineError where it is none.

    Raises:
        StudyError: there is no such folder, or a file is not in it.
        EngineError: a file is damaged, or is not one of this model.
    """
    place = Path(name).expanduser()
    if not place.is_dir():
        raise StudyError(f"model: there is no folder {name!r}. Name a folder with {', '.join(FILES)}. {GUIDE}")
    if lacking := [file for file in FILES if not (place / file).is_file()]:
        pickled = " What ends with .pt is never loaded." if any(place.glob("**/*.pt")) else ""
        raise StudyError(f"model: {name!r} holds no {lacking[0]}.{pickled} {GUIDE}")
    if large := [file for file in (CONFIG, VOCAB, MERGES) if (place / file).stat().st_size > MOST_BYTES]:
        raise EngineError(f"{place / large[0]}: it is larger than {MOST_BYTES:,} bytes, so it is none of this model")
    found = Folder(place, _sizes(place / CONFIG))
    wanted = sizes.tensors(found.sizes)
    for part in PARTS:
        if why := _misfit(header(found.weights(part)), wanted[part]):
            raise EngineError(f"{found.weights(part)}: {why}. {GUIDE}")
    assert found.tokenizer
    return found


def _sizes(file: Path) -> sizes.Sizes:
    try:
        return sizes.of(json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, RecursionError):
        raise EngineError(f"{file}: it is no JSON. {GUIDE}") from None
    except EngineError as error:
        raise EngineError(f"{file}: {error}") from None


def _misfit(header: Mapping[str, object], wanted: sizes.Tensors) -> str:
    """Why the tensors of a file are not those of a part, in words; "" where they are."""
    there = {name: entry for name, entry in header.items() if name != "__metadata__"}
    if lacking := sorted(wanted.keys() - there.keys()):
        return f"{len(lacking)} of {len(wanted)} tensors are missing ({lacking[0]}, ...)"
    if unknown := sorted(there.keys() - wanted.keys()):
        return f"{len(unknown)} of {len(there)} tensors are none of this model ({unknown[0]}, ...)"
    for name, shape in wanted.items():
        entry = there[name]
        said = entry.get("shape") if isinstance(entry, dict) else None
        if said != list(shape):
            return f"{name} has the shape {said}, and by config.json it has {list(shape)}"
        kind = entry.get("dtype") if isinstance(entry, dict) else None
        if kind not in KINDS:
            return f"{name} is of the kind {kind}, and not one of {', '.join(KINDS)}"
    return ""
