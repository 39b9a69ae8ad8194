"""Nothing that came with a model ever runs: pickles by any name, foreign classes and bombs are refused unread."""

from __future__ import annotations

import contextlib
import json
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teststrip.diffusion.safety import MOST_HEADER_BYTES, check_folder, check_index, read_header, weight_files
from teststrip.errors import EngineError


class Canary:
    """Writes a file when unpickled."""

    def __init__(self, sign: Path) -> None:
        self.sign = sign

    def __reduce__(self):
        return (Path.touch, (self.sign,))


def safetensors(path, tensors=None, body=b""):
    header = json.dumps(tensors if tensors is not None else {}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + body)
    return path


def model_folder(root, **entries):
    """The smallest folder that looks like a model."""
    (root / "unet").mkdir(parents=True)
    index = {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"]} | entries
    (root / "model_index.json").write_text(json.dumps(index))
    safetensors(root / "unet" / "diffusion_pytorch_model.safetensors")
    return root


def test_a_sound_header_is_read(tmp_path):
    table = {"weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    assert read_header(safetensors(tmp_path / "a.safetensors", table, b"\0" * 4)) == table


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_named_safetensors_is_refused_and_never_opened(tmp_path, protocol):
    sign = tmp_path / "ran"
    file = tmp_path / "model.safetensors"
    file.write_bytes(pickle.dumps(Canary(sign), protocol=protocol))
    with pytest.raises(EngineError, match="no safetensors file, whatever its name says"):
        read_header(file)
    assert not sign.exists()


def test_an_archive_named_safetensors_is_refused(tmp_path):
    file = tmp_path / "model.safetensors"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", b"x" * 100)
    with pytest.raises(EngineError, match="a pickle or an archive"):
        read_header(file)


@pytest.mark.parametrize("length", [0, MOST_HEADER_BYTES + 1, 2**63])
def test_a_header_of_an_absurd_length_is_refused_unread(tmp_path, length):
    file = tmp_path / "model.safetensors"
    file.write_bytes(length.to_bytes(8, "little") + b"{}" * 40)
    with pytest.raises(EngineError):
        read_header(file)


def test_a_cut_off_download_is_refused(tmp_path):
    file = safetensors(tmp_path / "a.safetensors", {"weight": {"dtype": "F32"}})
    file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(EngineError, match="Fetch the file again"):
        read_header(file)


@given(data=st.binary(max_size=300))
def test_any_bytes_are_either_a_table_or_an_error(tmp_path_factory, data):
    file = tmp_path_factory.getbasetemp() / "fuzz.safetensors"
    file.write_bytes(data)
    with contextlib.suppress(EngineError):
        assert isinstance(read_header(file), dict)


def test_pickled_weights_without_safetensors_are_refused(tmp_path):
    folder = model_folder(tmp_path / "m", vae=["diffusers", "AutoencoderKL"])
    (folder / "vae").mkdir()
    (folder / "vae" / "diffusion_pytorch_model.bin").write_bytes(b"\x80\x02")
    with pytest.raises(EngineError, match="pickled weights can run code and are never read"):
        check_folder(folder)


def test_pickled_weights_beside_safetensors_are_left_alone(tmp_path):
    folder = model_folder(tmp_path / "m")
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"\x80\x02")
    check_folder(folder)
    assert not [path for path in weight_files(folder) if path.suffix == ".bin"]


@pytest.mark.parametrize(
    "entry",
    [
        ["my_module", "Evil"],
        ["os", "system"],
        ["../evil", "UNet2DConditionModel"],
        ["unet.my_unet", "MyUNet"],
        ["diffusers", "x; import os"],
        ["diffusers"],
        ["diffusers", 3],
    ],
)
def test_a_class_from_elsewhere_is_refused(tmp_path, entry):
    with pytest.raises(EngineError):
        check_index({"_class_name": "StableDiffusionPipeline", "unet": entry}, tmp_path / "model_index.json")


@pytest.mark.parametrize("name", [["pipeline", "MyPipeline"], None, 3])
def test_a_pipeline_of_ones_own_is_refused(tmp_path, name):
    with pytest.raises(EngineError, match="code of its own"):
        check_index({"_class_name": name}, tmp_path / "model_index.json")


def test_parts_that_are_left_out_and_parts_of_diffusers_pipelines_are_fine(tmp_path):
    check_index(
        {
            "_class_name": "StableDiffusionPipeline",
            "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
            "image_encoder": [None, None],
            "text_encoder": ["transformers", "CLIPTextModel"],
            "requires_safety_checker": True,
        },
        tmp_path / "model_index.json",
    )


def test_the_files_of_a_variant_take_the_place_of_the_plain_ones(tmp_path):
    folder = model_folder(tmp_path / "m")
    safetensors(folder / "unet" / "diffusion_pytorch_model.fp16.safetensors")
    plain = [path.name for path in weight_files(folder) if path.suffix == ".safetensors"]
    half = [path.name for path in weight_files(folder, "fp16") if path.suffix == ".safetensors"]
    assert plain == ["diffusion_pytorch_model.safetensors"]
    assert half == ["diffusion_pytorch_model.fp16.safetensors"]


def test_poisoned_models_run_nothing_under_an_audit_hook(tmp_path):
    """A process that watches every exec, spawn and unpickling meets one model of each kind."""
    sign = tmp_path / "ran"
    renamed = model_folder(tmp_path / "renamed")
    (renamed / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(pickle.dumps(Canary(sign)))
    binary = model_folder(tmp_path / "binary", vae=["diffusers", "AutoencoderKL"])
    (binary / "vae").mkdir()
    (binary / "vae" / "diffusion_pytorch_model.bin").write_bytes(pickle.dumps(Canary(sign)))
    model_folder(tmp_path / "foreign", unet=["evil", "Evil"])
    (tmp_path / "foreign" / "evil.py").write_text(f"open({str(sign)!r}, 'w')")
    model_folder(tmp_path / "custom", _class_name=["pipeline", "Evil"])
    (tmp_path / "custom" / "pipeline.py").write_text(f"open({str(sign)!r}, 'w')")
    (tmp_path / "model.ckpt").write_bytes(pickle.dumps(Canary(sign)))
    (tmp_path / "single.safetensors").write_bytes(pickle.dumps(Canary(sign)))
    code = """
import sys
from teststrip.engines.diffusers import DiffusersEngine
from teststrip.records import EngineRef, Failure, Shot
import teststrip.diffusion.loading, teststrip.plugins
seen = []
def watch(event, arguments):
    if event in ("os.system", "subprocess.Popen", "pickle.find_class", "os.exec", "os.spawn"):
        seen.append(event)
sys.addaudithook(watch)
refused = 0
for model in sys.argv[1:]:
    engine = DiffusersEngine(device="cpu")
    (answer,) = engine.render([Shot(EngineRef("diffusers"), {"model": model, "prompt": "an owl", "seed": 1})])
    refused += isinstance(answer, Failure) and answer.retryable
    assert "torch" not in sys.modules, model
print(refused, seen)
"""
    models = ["renamed", "binary", "foreign", "custom", "model.ckpt", "single.safetensors"]
    out = subprocess.run(
        [sys.executable, "-c", code, *(str(tmp_path / name) for name in models)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert out.stdout.split("\n")[0] == "6 []", out.stdout + out.stderr
    assert not sign.exists()
