"""What goes wrong in a pipeline ends one shot with a reason, or is mended and said; both ways of running alike."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
from tests import tiny_pipelines as tiny
from tests.shots import answers, ask
from transformers import CLIPConfig, CLIPImageProcessor

from teststrip.diffusion import failures
from teststrip.engines.diffusers import DiffusersEngine
from teststrip.errors import EngineError, StudyError
from teststrip.records import Cell, Failure, Image, Planned, Prompt, Render, Row
from teststrip.rows.dead import dead_axes
from teststrip.testing.engine_contract import pixels_of

WAYS = [pytest.param(1, id="plain"), pytest.param(4, id="batched")]


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return tiny.save("sdxl", tmp_path_factory.mktemp("sound"))


def changed(folder, change, family="sdxl"):
    """A model folder in which something is wrong."""
    pipe = tiny.build(family)
    with torch.no_grad():
        change(pipe)
    pipe.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("batch", WAYS)
def test_a_picture_that_is_not_finite_is_a_failure_and_no_black_square(tmp_path, batch):
    model = changed(tmp_path / "nan", lambda pipe: pipe.vae.decoder.conv_out.bias.fill_(float("nan")))
    shot = ask(model)
    answer = answers([shot], batch=batch)[shot.id]
    assert isinstance(answer, Failure)
    assert (answer.reason, answer.retryable) == ("nan", False)


@pytest.mark.parametrize("batch", WAYS)
def test_a_decoder_that_overflows_in_half_precision_is_run_in_float32_and_that_is_recorded(tmp_path, batch):
    def overflow(pipe):
        # The weights fit into float16 and what they give does not; the group norm that follows takes the size away.
        pipe.vae.decoder.conv_in.weight.mul_(2e5)

    model = changed(tmp_path / "large", overflow, "flux")
    shot = ask(model)
    answer = answers([shot], batch=batch, dtype="float16")[shot.id]
    assert isinstance(answer, Render), answer
    assert answer.facts["vae_dtype"] == "float32"
    assert answer.facts["retried"] == "nan"
    assert np.unique(pixels_of(answer)).size > 50


@pytest.mark.parametrize("batch", WAYS)
def test_a_picture_of_one_colour_is_blank(tmp_path, batch):
    def flat(pipe):
        pipe.vae.decoder.conv_out.weight.zero_()
        pipe.vae.decoder.conv_out.bias.fill_(0.3)

    shot = ask(changed(tmp_path / "flat", flat))
    answer = answers([shot], batch=batch)[shot.id]
    assert isinstance(answer, Failure)
    assert answer.reason == "blank"


@pytest.fixture(scope="module")
def censored(tmp_path_factory):
    """A model whose real safety checker finds everything unsafe."""
    config = CLIPConfig(
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 32,
            "patch_size": 16,
            "projection_dim": 8,
        },
        projection_dim=8,
    )
    checker = StableDiffusionSafetyChecker(config)
    with torch.no_grad():
        checker.concept_embeds_weights.fill_(-10.0)
        checker.special_care_embeds_weights.fill_(-10.0)
    pipe = tiny.build("sd15")
    pipe.register_modules(
        safety_checker=checker,
        feature_extractor=CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}),
    )
    folder = tmp_path_factory.mktemp("censored")
    pipe.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("batch", WAYS)
def test_a_picture_that_the_safety_checker_blackened_is_refused(censored, batch):
    shot = ask(censored)
    answer = answers([shot], batch=batch)[shot.id]
    assert isinstance(answer, Failure)
    assert (answer.reason, answer.retryable) == ("refused", False)


def test_a_safety_checker_can_be_left_out(censored):
    shot = ask(censored)
    assert isinstance(answers([shot], safety_checker=False, batch=1)[shot.id], Render)


@pytest.mark.parametrize("batch", WAYS)
def test_memory_that_is_not_there_fails_one_shot_and_is_worth_another_try(sound, batch):
    # 8 million pixels a side: terabytes, which no allocator grants.
    large, small = ask(sound, width=8_000_000, height=8_000_000), ask(sound)
    found = answers([large, small], batch=batch)
    assert isinstance(found[small.id], Render)
    answer = found[large.id]
    assert isinstance(answer, Failure)
    assert (answer.reason, answer.retryable) == ("oom", True)


@pytest.mark.parametrize("batch", WAYS)
def test_arguments_that_the_pipeline_refuses_fail_one_shot_as_invalid(sound, batch):
    odd, fine = ask(sound, width=33), ask(sound)
    found = answers([odd, fine], batch=batch)
    assert isinstance(found[fine.id], Render)
    assert isinstance(found[odd.id], Failure)
    assert (found[odd.id].reason, found[odd.id].retryable) == ("invalid", False)
    assert "divisible by 8" in found[odd.id].text


def test_a_value_that_the_pipeline_ignores_is_a_dead_axis(sound):
    places = [(scheduler, eta) for scheduler in ("DDIMScheduler", "EulerDiscreteScheduler") for eta in (0.0, 1.0)]
    shots = [ask(sound, scheduler=scheduler, eta=eta) for scheduler, eta in places]
    found = answers(shots, batch=1)
    rows = []
    for (scheduler, eta), shot in zip(places, shots, strict=True):
        cell = Cell((("scheduler", scheduler), ("eta", str(eta))))
        image = Image(shot.id, "0" * 64, "", 32, 32, 1, 0.0, "f", found[shot.id].facts)
        rows.append(Row(Planned(shot, cell, Prompt("owl", "an owl"), 0), image))
    (dead,) = dead_axes(rows)
    assert dead.sentence.startswith("eta changes nothing with scheduler EulerDiscreteScheduler")


def test_a_loaded_model_is_what_its_shot_asked_for_when_the_model_is_an_axis(sound, tmp_path):
    other = tiny.save("sdxl", tmp_path / "other", seed=1)
    shots = [ask(model, seed=seed) for seed in (1, 2) for model in (sound, other)]
    together = answers(shots, batch=1, keep=1)
    assert len({answer.facts["pixels"] for answer in together.values()}) == 4
    alone = answers([shots[1]], batch=1)
    assert alone[shots[1].id].facts["pixels"] == together[shots[1].id].facts["pixels"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "no-such-model"}, "model: 'no-such-model' is no folder, no file and no hub name"),
        ({"scheduler": "EulerDiscretScheduler"}, "Did you mean 'EulerDiscreteScheduler'?"),
        ({"scheduler": "FlowMatchEulerDiscreteScheduler"}, "cannot stand in for"),
        ({"max_sequence_length": 77}, "max_sequence_length: StableDiffusionXLPipeline has no such setting"),
        ({"lora": "none.safetensors"}, "lora: 'none.safetensors' is no .safetensors file"),
        ({"scheduler": "LCMScheduler", "num_inference_steps": 60}, "LCMScheduler takes at most 50 steps, not 60"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_anything_is_loaded(sound, settings, message):
    with pytest.raises(StudyError) as error:
        DiffusersEngine(device="cpu").check({"model": str(sound), "prompt": "an owl"} | settings)
    assert message in str(error.value)


def test_a_device_that_is_not_there_is_refused_with_those_that_are(sound):
    with pytest.raises(EngineError, match="There is: cpu"):
        list(DiffusersEngine(device="cuda").render([ask(sound)]))


def test_a_class_that_this_diffusers_does_not_have_is_named(tmp_path, sound):
    folder = tmp_path / "newer"
    folder.mkdir()
    (folder / "model_index.json").write_text('{"_class_name": "Flux9Pipeline"}')
    with pytest.raises(StudyError, match=r"Flux9Pipeline, which Diffusers .* does not have"):
        DiffusersEngine(device="cpu").check({"model": str(folder)})


def test_the_fingerprint_says_what_answered_and_changes_with_it(tmp_path, sound):
    engine = DiffusersEngine(device="cpu")
    shot = ask(sound)
    facts = engine.fingerprint(shot).facts
    assert facts["pipeline"] == "StableDiffusionXLPipeline"
    assert facts["device"] == "cpu"
    assert facts["dtype"] == "float32"
    assert facts["scheduler"]["class"] == "EulerDiscreteScheduler"
    assert len(facts["weights"]["files"]["unet/diffusion_pytorch_model.safetensors"]) == 64
    assert facts["versions"]["torch"] == torch.__version__
    others = [
        DiffusersEngine(device="cpu").fingerprint(ask(sound, scheduler="DDIMScheduler")),
        DiffusersEngine(device="cpu", dtype="float16").fingerprint(shot),
        DiffusersEngine(device="cpu").fingerprint(ask(tiny.save("sdxl", tmp_path / "other", seed=1))),
    ]
    assert len({fingerprint.id for fingerprint in [engine.fingerprint(shot), *others]}) == 4


def test_a_model_folder_that_changes_has_another_fingerprint(tmp_path):
    folder = tiny.save("flux", tmp_path / "m")
    before = DiffusersEngine(device="cpu").fingerprint(ask(folder))
    tiny.save("flux", folder, seed=1)
    assert DiffusersEngine(device="cpu").fingerprint(ask(folder)).id != before.id


@contextmanager
def little_memory() -> Iterator[None]:
    """This process gets half a gibibyte more than it has, and no more."""
    import resource  # Windows has none

    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**29, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="limits memory as Linux does")
def test_a_model_that_does_not_fit_into_memory_fails_its_own_shots_with_a_remedy(sound, tmp_path):
    large = tmp_path / "large"
    shutil.copytree(sound, large)
    weights = large / "unet/diffusion_pytorch_model.safetensors"
    size = 2**33
    header = json.dumps({"large": {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}}).encode()
    with weights.open("wb") as stream:
        stream.write(len(header).to_bytes(8, "little") + header)
        stream.truncate(8 + len(header) + size)  # a hole: it takes no space on the disk
    answers([ask(sound)], batch=1)  # all libraries are loaded, and all threads begun
    shots = [ask(large), ask(sound), ask(large, seed=12)]
    with little_memory():
        found = answers(shots, batch=1)
    first, small, last = (found[shot.id] for shot in shots)
    assert isinstance(small, Render), "the other model is made"
    for failure in (first, last):
        assert isinstance(failure, Failure)
        assert (failure.reason, failure.retryable) == ("oom", True), failure.text
        assert failure.text.startswith(f"model: '{large}' as float32 does not fit into the memory of cpu")
        assert failure.text.endswith("name a smaller model")


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
        RuntimeError("MPS backend out of memory (MPS allocated: 17.86 GB, other allocations: 384.00 KB)"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:114] . DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        OSError(12, "Cannot allocate memory"),
        MemoryError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_memory_that_runs_out_on_any_device_is_a_failure_with_a_remedy(sound, error):
    answer = failures.of(ask(sound), error)
    assert (answer.reason, answer.retryable) == ("oom", True)
    assert answer.text.endswith(failures.LESS_MEMORY)
    assert "offload" in answer.text
