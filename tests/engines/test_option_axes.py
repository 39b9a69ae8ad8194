"""The number format of the embedded model as an axis: a real run over it, beside a run for each."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from diffusers import UNet2DConditionModel
from tests import installing
from tests import tiny_pipelines as tiny
from tests.shots import ask

import teststrip
from teststrip.engines.diffusers import DiffusersEngine
from teststrip.pictures import decode
from teststrip.records import EngineRef, Failure, Render, Shot

FORMATS = ("float32", "bfloat16")
KEYS: dict[str, Any] = {
    "name": "formats",
    "prompts": ["an owl"],
    "settings": {"num_inference_steps": 2},
}


def weights() -> list[Any]:
    """A weight of each U-Net in the memory of this process; copies for a batch share theirs and count once.

    Types are asked, since some objects of PyTorch warn at `isinstance`.
    """
    models = [one for one in gc.get_objects() if issubclass(type(one), UNet2DConditionModel)]
    return list({id(first): first for first in (next(model.parameters()) for model in models)}.values())


class Watched(DiffusersEngine):
    """Notes the number formats of the U-Nets that are in memory with each second picture."""

    alive: ClassVar[list[list[str]]] = []

    there: ClassVar[set[int]] = set()
    """Weights that other tests left behind, by address."""

    def render(self, shots: Iterable[Shot]) -> Iterator[Render | Failure]:
        for number, answer in enumerate(super().render(shots)):
            if number % 2 == 0:
                self.alive.append(sorted(str(one.dtype) for one in weights() if id(one) not in self.there))
            yield answer


@pytest.fixture
def _watched(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path_factory.mktemp("site")
    installing.distribution(site, "watched", {"engines": {"watched": f"{__name__}:Watched"}})
    installing.reach(site, monkeypatch)
    Watched.alive.clear()


def pictures(folder: Path, **keys: Any) -> dict[str, bytes]:
    """The pixels of each picture by the id of its shot."""
    with teststrip.run(teststrip.Study(**{**KEYS, **keys}), folder, trackers=()) as result:
        return {
            row.planned.shot.id: decode(result.store.read(row.image)).tobytes() for row in result.rows() if row.image
        }


@pytest.mark.usefixtures("_watched")
def test_pictures_over_a_number_format_are_those_of_a_study_for_each(tmp_path: Path) -> None:
    gc.collect()
    left = weights()  # kept to the end, so that no other weight takes an address
    Watched.there = {id(one) for one in left}
    axes = {"guidance_scale": [1.5, 4]}
    engine = {"name": "watched", "device": "cpu"}
    varied = pictures(tmp_path / "varied", engine=engine, axes={"dtype": list(FORMATS), **axes})
    assert {tuple(alive) for alive in Watched.alive} == {("torch.float32",), ("torch.bfloat16",)}
    apart = [pictures(tmp_path / kind, engine={**engine, "dtype": kind}, axes=axes) for kind in FORMATS]
    assert varied == apart[0] | apart[1]
    assert len(varied) == 4
    assert not set(apart[0].values()) & set(apart[1].values())


@pytest.mark.parametrize("batch", [1, 4])
def test_weights_are_gone_when_the_engine_is_closed_and_the_same_picture_comes_again(
    tmp_path: Path, batch: int
) -> None:
    folder = str(tiny.save("sd15", tmp_path / "sd15"))
    engine = DiffusersEngine(device="cpu", batch=batch)
    shot = Shot(EngineRef("diffusers"), dict(ask(folder).settings))
    gc.collect()
    before = set(map(id, weights()))
    (first,) = engine.render([shot])
    (weight,) = (weakref.ref(one) for one in weights() if id(one) not in before)
    assert weight() is not None
    engine.close()
    assert weight() is None
    (again,) = engine.render([shot])
    engine.close()
    assert isinstance(first, Render)
    assert isinstance(again, Render)
    assert decode(first.data).tobytes() == decode(again.data).tobytes()
