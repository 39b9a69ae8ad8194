"""Backends stand where the model stood: the same pictures, by other means."""

from __future__ import annotations

import shutil

import pytest
import torch
from tests import tiny_pipelines
from tests.batching import further, oracle

from teststrip.batching import Batcher
from teststrip.diffusion import backends
from teststrip.engines.diffusers import DiffusersEngine
from teststrip.errors import StudyError
from teststrip.pictures import decode
from teststrip.records import EngineRef, Shot

CALLS = [
    oracle.call("sd15", guidance, steps, 0, 5, sampler)
    for guidance, steps in ((5.0, 3), (1.0, 4))
    for sampler in (None, "EulerAncestralDiscreteScheduler")
]


def test_auto_is_pytorch_wherever_openvino_would_make_other_pictures_or_cannot_run():
    assert backends.resolved("auto", device="cuda", dtype="float16") == "torch"
    assert backends.resolved("auto", device="cpu", dtype="bfloat16") == "torch"
    assert backends.resolved("compile", device="cuda", dtype="float16") == "compile"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"device": "cpu", "dtype": "float32", "plain": True}, "batch = 1"),
        ({"device": "cuda", "dtype": "float16", "plain": False}, "needs device = 'cpu'"),
    ],
)
def test_a_backend_that_cannot_work_is_told_before_anything_is_loaded(given, told):
    with pytest.raises(StudyError, match=told):
        backends.check("openvino", **given)
    backends.check("torch", **given)


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """The folder of the cache, with the tiny model in it."""
    pytest.importorskip("openvino")
    return tmp_path_factory.mktemp("openvino")


def by_openvino(folder, precision, calls):
    pipe = oracle.pipeline("sd15")
    forward = backends.OpenVino(pipe.unet, precision=precision, identity={"weights": "tiny"}, folder=folder)
    return oracle.made(Batcher(pipe, rows=6, forwards={"unet": forward}), calls)


def test_openvino_in_single_precision_makes_the_pictures_of_pytorch(converted):
    pictures = by_openvino(converted, "f32", CALLS)
    for call in CALLS:
        assert oracle.levels(pictures[call.key], oracle.remembered(call)) <= 1
    again = by_openvino(converted, "f32", CALLS[::-1][:2])
    assert all(torch.equal(picture, pictures[key]) for key, picture in again.items())


def test_a_model_is_converted_once_for_all_schedulers_and_runs(converted):
    by_openvino(converted, "f32", CALLS)
    files = {file: file.stat().st_mtime_ns for file in converted.iterdir()}
    assert sorted(file.suffix for file in files) == [".bin", ".xml"]
    by_openvino(converted, "f32", CALLS)
    assert {file: file.stat().st_mtime_ns for file in converted.iterdir()} == files


def test_openvino_in_half_precision_makes_pictures_of_its_own(converted):
    pictures = by_openvino(converted, "bf16", CALLS[:1])
    assert all(picture.isfinite().all() for picture in pictures.values())


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on CPUs")
@pytest.mark.filterwarnings("ignore")
def test_compiled_pytorch_makes_the_pictures_of_pytorch():
    pipe = oracle.pipeline("sd15")
    forwards = backends.forwards("compile", pipe, {})
    pictures = oracle.made(Batcher(pipe, rows=6, forwards=forwards), CALLS)
    for call in CALLS:
        assert oracle.levels(pictures[call.key], oracle.remembered(call)) <= 1


def test_a_model_that_takes_lists_is_converted_too(converted):
    pipe = further.build("qwen")
    calls = [further.call("qwen", 1.0, 2, 0, 1)]
    expected = oracle.made(Batcher(pipe, rows=2), calls)
    forward = backends.OpenVino(pipe.transformer, precision="f32", identity={"weights": "lists"}, folder=converted)
    pictures = oracle.made(Batcher(pipe, rows=2, forwards={"transformer": forward}, fallback=False), calls)
    assert all(oracle.levels(picture, expected[key]) <= 1 for key, picture in pictures.items())


def test_several_lanes_may_ask_openvino_at_a_time(converted):
    pipe = oracle.pipeline("sd15")
    forward = backends.OpenVino(pipe.unet, precision="f32", identity={"weights": "tiny"}, folder=converted)
    calls = [oracle.call("sd15", 5.0, steps, 0, seed) for seed, steps in enumerate((3, 5, 4, 6, 3, 5))]
    in_lanes = oracle.made(Batcher(pipe, rows=4, forwards={"unet": forward}, threads=3), calls)
    one_lane = oracle.made(Batcher(pipe, rows=4, forwards={"unet": forward}), calls)
    assert all(torch.equal(in_lanes[call.key], one_lane[call.key]) for call in calls)


def test_auto_is_openvino_where_its_pictures_are_those_of_pytorch_and_its_facts_say_it(tmp_path, monkeypatch):
    pytest.importorskip("openvino")
    monkeypatch.setenv("TESTSTRIP_CACHE", str(tmp_path / "cache"))
    folder = str(tiny_pipelines.save("sd15", tmp_path / "model"))
    settings = {"model": folder, "prompt": "an owl", "num_inference_steps": 3, "guidance_scale": 5.0}
    shots = [Shot(EngineRef("diffusers"), {**settings, "seed": seed}) for seed in range(3)]
    made = {}
    for name in ("auto", "torch"):
        engine = DiffusersEngine(device="cpu", dtype="float32", batch=4, backend=name)
        made[name] = {answer.shot.id: answer for answer in engine.render(iter(shots))}
        engine.close()
    assert {answer.facts["backend"] for answer in made["auto"].values()} == {"openvino"}
    for key, answer in made["auto"].items():
        one, two = (decode(each.data).astype(int) for each in (answer, made["torch"][key]))
        assert abs(one - two).max() <= 1
