"""What the engine holds in memory while it goes from one model to the next."""

import gc
import weakref

import pytest
from tests import tiny_pipelines as tiny
from tests.shots import ask

from teststrip.engines.diffusers import DiffusersEngine
from teststrip.records import Render


class Watched(DiffusersEngine):
    """Looks, before it loads a model, whether the models before it are gone once the cache has let them go."""

    def __init__(self, **options):
        super().__init__(**options)
        self.pipes = []
        self.held = []

    def _load(self, shot):
        self._loaded.clear()
        gc.collect()
        self.held.append(sum(pipe() is not None for pipe in self.pipes))
        loaded = super()._load(shot)
        self.pipes.append(weakref.ref(loaded.pipe))
        return loaded


@pytest.mark.parametrize("batch", [1, 4])
def test_a_model_that_the_cache_let_go_is_out_of_memory_before_the_next_is_loaded(tmp_path, batch):
    folders = [tiny.save("flux", tmp_path / name, seed) for seed, name in enumerate(("one", "two"))]
    engine = Watched(device="cpu", keep=1, batch=batch)
    shots = [ask(folder, num_inference_steps=2, width=32, height=32) for folder in folders]
    assert all(isinstance(answer, Render) for answer in engine.render(shots))
    assert engine.held == [0, 0]
