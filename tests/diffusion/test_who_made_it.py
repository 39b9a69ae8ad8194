"""The facts of an image say what computed it: the backend that was asked for, or PyTorch in its place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from diffusers import UNet2DConditionModel
from tests import tiny_pipelines as tiny
from tests.command import command
from tests.shots import answers, ask

from teststrip.diffusion import backends
from teststrip.engines.diffusers import DiffusersEngine
from teststrip.errors import StudyError
from teststrip.records import Failure, Render


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny.save("sd15", tmp_path_factory.mktemp("models") / "sd15")


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("TESTSTRIP_CACHE", str(tmp_path))


@contextmanager
def raising_where(wrong, error) -> Iterator[None]:
    """Every module raises when `wrong` says so of it and its arguments."""

    def check(module, args):
        if wrong(module, args):
            raise error

    hook = torch.nn.modules.module.register_module_forward_pre_hook(check)
    try:
        yield
    finally:
        hook.remove()


def unconvertible():
    """No model can be converted; PyTorch runs all of them."""
    pytest.importorskip("openvino")
    return raising_where(lambda *_: torch.jit.is_tracing(), RuntimeError("no such operation\nsomewhere"))


def test_a_shot_that_openvino_cannot_compute_says_that_pytorch_did(model):
    with unconvertible():
        (answer,) = answers([ask(model)], batch=4, backend="openvino").values()
    assert isinstance(answer, Render), answer
    assert answer.facts["backend"] == "torch"
    assert answer.facts["alone"] == "a shared forward raised RuntimeError"
    assert answer.fingerprint.facts["backend"] == backends.described("openvino")
    assert answer.fingerprint.facts["backend"].endswith(", else torch")


@pytest.mark.slow
def test_one_that_it_can_compute_says_so(model):
    pytest.importorskip("openvino")
    (answer,) = answers([ask(model)], batch=4, backend="openvino").values()
    assert answer.facts["backend"] == "openvino"


def test_nothing_else_makes_a_picture_in_the_name_of_a_backend_with_pictures_of_its_own(model):
    with unconvertible():
        found = answers([ask(model, seed=seed) for seed in (1, 2)], batch=4, backend="openvino-bf16").values()
    assert [(type(answer), answer.reason) for answer in found] == [(Failure, "error")] * 2
    for answer in found:
        assert "backend 'openvino-bf16' cannot make this (write backend = 'torch')" in answer.text
        assert "a shared forward raised RuntimeError: no such operation" in answer.text
    assert "else" not in backends.described("openvino-bf16")


def test_such_a_backend_is_refused_beforehand_where_shots_cannot_be_batched(model):
    engine = DiffusersEngine(device="cpu", offload="model", backend="openvino-bf16")
    with pytest.raises(StudyError, match="'openvino-bf16' works on batches, and offload = 'model' moves the model"):
        engine.check(ask(model).settings)
    DiffusersEngine(device="cpu", offload="model", backend="openvino").check(ask(model).settings)


def test_plain_calls_are_made_by_pytorch(model):
    (answer,) = answers([ask(model)], batch=1).values()
    assert answer.facts["backend"] == "torch"


def test_images_say_that_memory_ran_out_and_the_rows_were_halved(model):
    def narrow(module, args):
        return isinstance(module, UNet2DConditionModel) and len(args[0]) > 6

    with raising_where(narrow, torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")):
        found = answers([ask(model, seed=seed) for seed in range(6)], batch=12).values()
    assert len(found) == 6
    for answer in found:
        assert isinstance(answer, Render), answer
        assert answer.facts["halved"] == "unet 4x8x8: out of memory at 12 rows, 6 from here on"
        assert answer.facts["rows"] == 6


def test_plan_says_how_many_settings_are_made_alone_and_why(model, tmp_path):
    (tmp_path / "study.toml").write_text(
        f"""
name = "alone"
prompts = ["an owl"]
[engine]
name = "diffusers"
device = "cpu"
offload = "model"
[settings]
model = '{model}'
[axes]
guidance_scale = [3, 5]
""",
        encoding="utf-8",
    )
    said = command("plan", "study.toml", "--no-calibrate", cwd=tmp_path).stdout
    why = "offload = 'model' moves the model at each call"
    assert f"2 of 2 settings made one after another, not in batches: {why}" in " ".join(said.split())
