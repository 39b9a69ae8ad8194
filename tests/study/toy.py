"""An engine of settings that `pattern` has not: optional ones, without a default, and options that change a picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import pytest
from tests import installing

from teststrip.errors import StudyError
from teststrip.records import Failure, Fingerprint, Render, Seeds, Setting, Shot, Value


class ToyEngine:
    options: ClassVar[Mapping[str, Setting]] = {
        "dtype": Setting("dtype", "str", "auto"),
        "device": Setting("device", "str", "auto"),
        "variant": Setting("variant", "str", optional=True),
        "quality": Setting("quality", "str", optional=True, choices=("q4", "q8")),
    }
    operation: ClassVar[frozenset[str]] = frozenset({"device"})
    seeds: ClassVar[Seeds] = "exact"
    asked: ClassVar[list[Mapping[str, Value]]] = []

    settings: Mapping[str, Setting] = {
        "prompt": Setting("prompt", "str"),
        "seed": Setting("seed", "int"),
        "model": Setting("model", "str", "emoji"),
        "scheduler": Setting("scheduler", "str", optional=True),
        "adapter": Setting("adapter", "str", optional=True, is_name=True),
        "guidance_scale": Setting("guidance_scale", "float", optional=True),
        "num_inference_steps": Setting("num_inference_steps", "int", 50, low=1),
        "vae_tiling": Setting("vae_tiling", "bool", optional=True),
        "decay": Setting("decay", "float", optional=True, tells_none=True),
        # Sorted after "seed" and after "prompt": the places where an id's text is cut.
        "zoom": Setting("zoom", "float", 1.0),
        "quiet": Setting("quiet", "bool", default=False),
    }

    def __init__(self, **options: Value) -> None:
        self.given = options

    def check(self, settings: Mapping[str, Value]) -> None:
        if settings.get("scheduler") == "Slow" and int(settings["num_inference_steps"] or 0) < 10:
            raise StudyError("scheduler: 'Slow' needs 10 steps or more")

    def calls(self, settings: Mapping[str, Value]) -> int:
        self.asked.append(dict(settings))
        # As PNDM does: one more than asked.
        return int(settings["num_inference_steps"] or 0) + (settings.get("scheduler") == "PNDMScheduler")

    def fingerprint(self, shot: Shot) -> Fingerprint:
        return Fingerprint({"engine": "toy"})

    def render(self, shots: Iterable[Shot]) -> Iterator[Render | Failure]:
        for shot in shots:
            yield Failure(shot, "error", "a toy makes no pictures")

    def close(self) -> None:
        pass


def install(site: Path, monkeypatch: pytest.MonkeyPatch, **others: str) -> type[ToyEngine]:
    """Install the toy the way a plug-in is installed: by the metadata of a distribution.

    `others`: further engines of the same distribution, name to "module:class".
    """
    installing.distribution(site, "toy", {"engines": {"toy": "tests.study.toy:ToyEngine", **others}})
    installing.reach(site, monkeypatch)
    ToyEngine.asked.clear()
    return ToyEngine
