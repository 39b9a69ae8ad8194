"""Several files as one word of a shot: `hyper.safetensors 1 + detail.safetensors 0.5`.

A LoRA may have a number behind it, its scale; a textual inversion may have `as TOKEN`, the word that calls it. A file
whose own name would be read so stands in double quotes. Knows words; no file and no model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

LORA: Final = "lora"
INVERSION: Final = "textual_inversion"
STACKED: Final = (LORA, INVERSION)
"""The settings whose word may name several files."""

NOTHING: Final = "none"
"""The level of an axis that names no file."""

BETWEEN: Final = re.compile(r'"[^"]*"|(?P<plus>\s\+(?=\s))')
NUMBER: Final = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?")
CALLED: Final = "as"


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """One file of a stack.

    Attributes:
        file: its path, or the name that a study gives to it.
        scale: of a LoRA; None where none is written.
        token: that calls a textual inversion; "" where none is written.
    """

    file: str
    scale: float | None = None
    token: str = ""


def read(setting: str, word: str) -> tuple[Part, ...]:
    """The parts of a word, in the order in which they are written; the file of a part that is missing is "".

    >>> read("lora", "hyper.safetensors + my style.safetensors 0.5")
    (Part(file='hyper.safetensors', scale=None, token=''), Part(file='my style.safetensors', scale=0.5, token=''))
    >>> read("textual_inversion", '"a + b.safetensors" as <cat>')
    (Part(file='a + b.safetensors', scale=None, token='<cat>'),)
    """
    return tuple(_part(setting, piece.strip()) for piece in _pieces(word))


def written(setting: str, parts: Iterable[Part]) -> str:
    """The one word of these parts: sorted, because their order changes no picture, with the scale 1 left to itself.

    >>> written("lora", [Part("b", 0.5), Part("a")]), written("lora", [Part("a", 1.0)]), written("lora", [Part("a 2")])
    ('a 1 + b 0.5', 'a', '"a 2"')
    """
    ordered = sorted(parts, key=lambda part: (part.file, part.token))
    alone = len(ordered) == 1
    return " + ".join(_written(setting, part, alone=alone) for part in ordered)


def _pieces(word: str) -> Iterator[str]:
    start = 0
    for match in BETWEEN.finditer(word):
        if match["plus"]:
            yield word[start : match.start()]
            start = match.end()
    yield word[start:]


def _part(setting: str, piece: str) -> Part:
    if (file := _unquoted(piece)) != piece:
        return Part(file)
    words = piece.rsplit(None, 2)
    if setting == INVERSION and len(words) == 3 and words[1] == CALLED:
        return Part(_unquoted(words[0]), token=words[2])
    if setting == LORA and len(words) > 1 and NUMBER.fullmatch(words[-1]):
        return Part(_unquoted(piece[: -len(words[-1])].rstrip()), float(words[-1]) + 0.0)
    return Part(piece)


def _unquoted(text: str) -> str:
    return text[1:-1] if text.count('"') == 2 and text[0] == text[-1] == '"' else text


def _written(setting: str, part: Part, *, alone: bool) -> str:
    plain = read(setting, part.file) == (Part(part.file),)
    file = part.file if plain or '"' in part.file else f'"{part.file}"'
    if setting == INVERSION:
        return f"{file} {CALLED} {part.token}" if part.token else file
    scale = 1.0 if part.scale is None else part.scale
    return file if alone and scale == 1 else f"{file} {int(scale) if scale.is_integer() else repr(scale)}"
