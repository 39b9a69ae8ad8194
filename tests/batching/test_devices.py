"""What only an accelerator shows in full, as far as a processor can show it: memory, waiting, half precision."""

import gc
import threading
import time
import weakref

import pytest
import torch
from tests import tiny_pipelines
from tests.batching import oracle

from teststrip.batching import Batcher, out_of_memory
from teststrip.batching.calls import Counts
from teststrip.batching.lanes import Lanes
from teststrip.batching.pending import ProxiedModel
from teststrip.batching.pipeline import SharedPipeline
from teststrip.batching.runner import ModelRunner


@pytest.mark.parametrize(
    "said",
    [
        "CUDA out of memory. Tried to allocate 20.00 MiB",
        "CUDA error: out of memory",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "MPS backend out of memory (MPS allocated: 8.00 GB)",
        "HIP out of memory. Tried to allocate 2.00 GiB",
    ],
)
def test_memory_that_ran_out_is_known_by_what_libraries_say(said):
    assert out_of_memory(RuntimeError(said))


def test_a_forward_that_ran_out_of_memory_holds_nothing_while_the_narrower_one_runs():
    pipe = oracle.pipeline("sd15")
    computed: list[weakref.ref] = []
    alive: list[bool] = []

    def forward(sample, *rest, **named):
        if len(sample) > 2:
            activations = torch.empty(len(sample), 1000)
            computed.append(weakref.ref(activations))
            raise torch.OutOfMemoryError("CUDA out of memory")
        alive.append(any(ref() is not None for ref in computed))
        return pipe.unet(sample, *rest, **named)

    gc.collect()
    gc.disable()
    try:
        calls = [oracle.call("sd15", 5.0, 2, 0, seed) for seed in range(3)]
        oracle.made(Batcher(pipe, rows=4, forwards={"unet": forward}), calls)
    finally:
        gc.enable()
    assert computed
    assert alive
    assert not any(alive)


class Distant(torch.nn.Module):
    """Answers at once and computes afterwards, as a model on an accelerator does."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.thread = threading.Thread()

    def forward(self, sample):
        self.thread = threading.Thread(target=time.sleep, args=(0.05,))
        self.thread.start()
        return sample * self.weight


def test_the_seconds_of_a_forward_are_those_of_computing_it_and_not_of_asking_for_it():
    distant = Distant()
    model = ProxiedModel("unet", distant, "forward")
    (request,) = model.reader.read((torch.ones(2, 4),), {})
    runner = ModelRunner(
        {"unet": model},
        Lanes(1),
        replacements={},
        recording=None,
        counts=Counts(),
        settle=lambda device: distant.thread.join(),
    )
    _, seconds = runner.start(model, [(request, 0, 2)], 2).result()
    assert seconds >= 0.05


@pytest.mark.parametrize(("family", "shared"), [("sd15", True), ("sdxl", False), ("flux", True)])
def test_a_half_precision_decoder_is_shared_unless_its_pipeline_widens_it(family, shared):
    pipe = tiny_pipelines.build(family).to(torch.float16)
    assert pipe.vae.config.force_upcast  # the default of the decoder's class, whatever the pipeline
    assert ("vae" in SharedPipeline(pipe).models) == shared
    assert "vae" in SharedPipeline(tiny_pipelines.build(family)).models
