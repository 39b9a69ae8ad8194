"""Engine `tinted`: the pattern with options that change its pictures, and weights whose instances are counted.

Weights are loaded by the first picture and go with `close`, as those of an engine with a real model do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import pytest

from tests import installing
from teststrip import pictures
from teststrip.engines.pattern import PatternEngine
from teststrip.errors import StudyError
from teststrip.records import Failure, Fingerprint, Render, Setting, Shot, Value


class TintedEngine(PatternEngine):
    """The pattern with a tint."""

    options: ClassVar[Mapping[str, Setting]] = MappingProxyType(
        {
            **PatternEngine.options,
            "tint": Setting("tint", "int", 0, low=0, high=255, doc="Is added to the red of each pixel."),
            "gain": Setting("gain", "float", 1.0, low=0, high=4, doc="Contrast."),
            "mirror": Setting("mirror", "bool", default=False, doc="Whether left is right."),
            "tone": Setting("tone", "str", "warm", choices=("warm", "cold", "dark"), doc="Which colours."),
            "grain": Setting("grain", "float", low=0, high=1, optional=True, doc="Noise."),
        }
    )
    loaded: ClassVar[list[Mapping[str, Value]]] = []
    """The options of each instance that has weights in memory."""
    history: ClassVar[list[tuple[Mapping[str, Value], ...]]] = []
    """What was in memory after each time that weights were loaded."""

    def __init__(
        self,
        *,
        tint: int = 0,
        gain: float = 1.0,
        mirror: bool = False,
        tone: str = "warm",
        grain: float | None = None,
        **operation: Any,
    ) -> None:
        super().__init__(**operation)
        if tone == "dark" and mirror:
            raise StudyError("tone: 'dark' cannot be mirrored")
        self._own = {"tint": tint, "gain": gain, "mirror": mirror, "tone": tone, "grain": grain}

    def check(self, settings: Mapping[str, Value]) -> None:
        super().check(settings)
        if self._own["tone"] == "cold" and settings.get("eta") == 1:
            raise StudyError("tone: 'cold' takes no eta of 1")
        if self._own["gain"] == 4:
            raise StudyError("gain: 4 is more than this machine can")

    def calls(self, settings: Mapping[str, Value]) -> int:
        return super().calls(settings) * (2 if self._own["mirror"] else 1)

    def fingerprint(self, shot: Shot) -> Fingerprint:
        return Fingerprint({"engine": "tinted", **self._own})

    def attempt(self, shots: Iterable[Shot]) -> Iterator[Render | Failure]:
        return self.render(shots)

    def render(self, shots: Iterable[Shot]) -> Iterator[Render | Failure]:
        for answer in super().render(shots):
            if not any(one is self._own for one in self.loaded):
                self.loaded.append(self._own)
                self.history.append(tuple(self.loaded))
            yield self._tinted(answer) if isinstance(answer, Render) else answer

    def close(self) -> None:
        self.loaded[:] = [one for one in self.loaded if one is not self._own]

    def _tinted(self, answer: Render) -> Render:
        pixels = pictures.decode(answer.data).astype(np.float64) * float(self._own["gain"] or 0)
        pixels[..., 0] += int(self._own["tint"] or 0)
        drawn = np.clip(pixels[:, ::-1] if self._own["mirror"] else pixels, 0, 255).astype(np.uint8)
        facts = {**answer.facts, "pixels": pictures.digest_of_pixels(drawn)}
        return replace(answer, data=pictures.encode_png(drawn), small=pictures.small(drawn), facts=facts)


def install(site: Path, monkeypatch: pytest.MonkeyPatch) -> type[TintedEngine]:
    """Install the engine as a plug-in is installed; no weights are in memory."""
    installing.distribution(site, "tinted", {"engines": {"tinted": "tests.tinted:TintedEngine"}})
    installing.reach(site, monkeypatch)
    TintedEngine.loaded.clear()
    TintedEngine.history.clear()
    return TintedEngine
