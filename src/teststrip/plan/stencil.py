"""Ids without shots: the JSON that an id is the hash of, spelled once a cell and cut where prompt and seed go.

Equal to `records.Shot.id`, which a property test proves. Hashing a shot from scratch sorts and spells the same settings
again and again: 9 µs; this way 0.8 µs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from teststrip.records import EngineRef, Value, canonical_json


@dataclass(frozen=True, slots=True)
class Stencil:
    """What all ids of a cell have in common.

    Attributes:
        before, between, after: JSON up to the prompt, from there to the seed, and the rest.
        words: what fills the places of the prompts in this cell.
    """

    before: bytes
    between: bytes
    after: bytes
    words: Mapping[str, str]

    def id(self, prompt: bytes, seed: bytes) -> str:
        """The id of the shot with this prompt (as JSON) and seed (as digits)."""
        return hashlib.sha256(b"%b%b%b%b%b" % (self.before, prompt, self.between, seed, self.after)).hexdigest()


class Stencils:
    """Makes stencils, spelling each engine and each setting's value once."""

    def __init__(self) -> None:
        self._heads: dict[str, str] = {}
        self._spelled: dict[tuple[str, type, Value], str] = {}
        self._orders: dict[tuple[str, ...], tuple[list[str], int, int]] = {}

    def make(self, alias: str, ref: EngineRef, settings: Mapping[str, Value], words: Mapping[str, str]) -> Stencil:
        """The stencil of a cell.

        Args:
            alias: of the engine in its study. ref: the engine.
            settings: all of the cell's, without prompt and seed.
            words: see `Stencil`.
        """
        names = tuple(settings)
        if names not in self._orders:
            self._orders[names] = _order(names)
        order, first, second = self._orders[names]
        spelled = [self._pair(name, settings[name]) for name in order]
        if alias not in self._heads:
            name, options = canonical_json(ref.name), canonical_json(dict(ref.options))
            self._heads[alias] = f'{{"engine":{name},"options":{options},"settings":{{'
        before = ",".join([*spelled[:first], '"prompt":'])
        between = ",".join(["", *spelled[first:second], '"seed":'])
        after = ",".join(["", *spelled[second:]]) + "}}"
        return Stencil(utf8(self._heads[alias] + before), utf8(between), utf8(after), words)

    def _pair(self, name: str, value: Value) -> str:
        key = (name, type(value), value)
        if key not in self._spelled:
            self._spelled[key] = f"{canonical_json(name)}:{canonical_json(value)}"
        return self._spelled[key]


def _order(names: tuple[str, ...]) -> tuple[list[str], int, int]:
    """The names as canonical JSON sorts them, and how many of them precede "prompt" and "seed"."""
    return sorted(names), sum(name < "prompt" for name in names), sum(name < "seed" for name in names)


def utf8(text: str) -> bytes:
    """Bytes as `records.digest_of` makes them."""
    return text.encode("utf-8", "surrogatepass")
