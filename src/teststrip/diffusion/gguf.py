"""The header of a GGUF file: names, shapes and kinds of its tensors, read without the package `gguf`.

Damage is found before anything is loaded: a cut-off download, another file under this name, a kind of tensor that
Diffusers cannot read. Knows bytes; nothing of models.

Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from teststrip.errors import EngineError

MAGIC: Final = b"GGUF"
VERSIONS: Final = (2, 3)
MOST_BYTES: Final = 2**24
"""Of one text in a header."""

NUMBERS: Final = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""How `struct` reads each kind of number."""
TEXT: Final = 8
LIST: Final = 9
ALIGNMENT: Final = "general.alignment"

BLOCKS: Final = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    20: ("IQ4_NL", 32, 18),
    23: ("IQ4_XS", 256, 136),
    30: ("BF16", 1, 2),
}
"""Each kind of tensor that Diffusers reads: its name, and how many numbers a block holds in how many bytes."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor in a GGUF file.

    Attributes:
        shape: as PyTorch counts it, the last dimension lying together in memory.
        kind: "Q8_0" and the like.
        end: of its data, in bytes after the beginning of all data.
    """

    shape: tuple[int, ...]
    kind: str
    end: int


def read_header(file: Path) -> dict[str, Tensor]:
    """The tensors of a GGUF file by name.

    Raises:
        EngineError: the file is no GGUF file, is cut off, or holds tensors that Diffusers cannot read.
    """
    with file.open("rb") as stream:
        if stream.read(4) != MAGIC:
            raise EngineError(f"{file}: this is no GGUF file, whatever its name says. Fetch the file again")
        try:
            return _tensors(file, stream)
        except (struct.error, UnicodeDecodeError, OverflowError, MemoryError, RecursionError):
            raise EngineError(f"{file}: its header cannot be read. Fetch the file again") from None


def _tensors(file: Path, stream: BinaryIO) -> dict[str, Tensor]:
    version = _number(stream, "I")
    if version not in VERSIONS:
        raise EngineError(f"{file}: GGUF of version {version} is not read. Fetch a newer file")
    tensors, entries = _count(stream), _count(stream)
    values = dict(_entry(stream) for _ in range(entries))
    found = dict(_tensor(file, stream) for _ in range(tensors))
    align = values.get(ALIGNMENT) or 32
    start = math.ceil(stream.tell() / align) * align
    if max((one.end for one in found.values()), default=0) > file.stat().st_size - start:
        raise EngineError(f"{file}: its end is missing, as of a download that was broken off. Fetch the file again")
    return found


def _entry(stream: BinaryIO) -> tuple[str, int]:
    """A name and its value, of which only whole numbers matter here."""
    name = _text(stream)
    return name, next(iter(_values(stream, _number(stream, "I"), 1)), 0)


def _values(stream: BinaryIO, kind: int, count: int) -> list[int]:
    if kind == TEXT:
        return [len(_text(stream)) for _ in range(count)]
    if kind == LIST:
        return [len(_values(stream, _number(stream, "I"), _count(stream))) for _ in range(count)]
    if kind not in NUMBERS:
        raise struct.error
    size = struct.calcsize(NUMBERS[kind])
    return [int(value) for (value,) in struct.iter_unpack(f"<{NUMBERS[kind]}", _bytes(stream, size * count))]


def _tensor(file: Path, stream: BinaryIO) -> tuple[str, Tensor]:
    name, dimensions = _text(stream), _number(stream, "I")
    shape = tuple(reversed([_number(stream, "Q") for _ in range(min(dimensions, 8))]))
    kind, offset = _number(stream, "I"), _number(stream, "Q")
    if kind not in BLOCKS:
        known = ", ".join(word for word, _, _ in BLOCKS.values())
        raise EngineError(f"{file}: {name} is of kind {kind}, which Diffusers does not read. It reads: {known}")
    word, numbers, size = BLOCKS[kind]
    return name, Tensor(shape, word, offset + math.prod(shape) // numbers * size)


def _text(stream: BinaryIO) -> str:
    return _bytes(stream, _number(stream, "Q")).decode("utf-8")


def _count(stream: BinaryIO) -> int:
    count = _number(stream, "Q")
    if count > MOST_BYTES:
        raise struct.error
    return count


def _number(stream: BinaryIO, kind: str) -> int:
    (value,) = struct.unpack(f"<{kind}", _bytes(stream, struct.calcsize(f"<{kind}")))
    return int(value)


def _bytes(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size) if size <= MOST_BYTES else b""
    if len(data) != size:
        raise struct.error
    return data
