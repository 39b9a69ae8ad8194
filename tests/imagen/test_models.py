"""What is said of a model of imagen-pytorch before anything is loaded: configurations and headers, without torch."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
from tests.tiny_imagen import CONFIG, UNET, looks_like_one, safetensors

from teststrip.engines.imagen import ImagenEngine
from teststrip.errors import EngineError, StudyError
from teststrip.imagen import checkpoints, models


def test_a_whole_folder_says_what_its_model_does_by_itself(tmp_path: Path) -> None:
    found = models.read(str(looks_like_one(tmp_path / "model")))
    assert found.own.sizes == (16, 32)
    assert found.own.timesteps == (4, 3)
    assert found.own.dynamic_thresholding == (True, True)
    assert found.own.dynamic_thresholding_percentile == 0.95
    assert found.config["text_embed_dim"] == 32
    assert found.weights.name == "model.safetensors"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"type": "elucidated"}, "only Imagen itself is run, not ElucidatedImagen"),
        ({"video": True}, "it makes videos"),
        ({"channels": 1}, "not in red, green and blue"),
        ({"condition_on_text": False}, "it does not read prompts"),
        ({"timestep": 5}, "no argument 'timestep'. Did you mean 'timesteps'?"),
        ({"timesteps": [4, 0]}, "no value for each of 2 stages"),
        ({"timesteps": True}, "no value for each of 2 stages"),
        ({"dynamic_thresholding_percentile": 95}, "no number from 0 to 1"),
        ({"image_sizes": [16]}, "no list of 2 sides"),
        ({"image_sizes": [16, "32"]}, "no list of 2 sides"),
        ({"unets": {}}, "no list of tables"),
        ({"unets": [UNET], "image_sizes": [16], "timesteps": 4}, "it has 1 stages, the weights have 2"),
        ({"unets": [UNET, {"is_null": True}]}, "stage 2 is empty"),
        ({"unets": [UNET, {**UNET, "dims": 8}]}, "no argument 'dims'. Did you mean 'dim'?"),
        ({"unets": [UNET, {**UNET, "cond_images_channels": 3}]}, "stage 2 needs a picture beside the prompt"),
        ({"text_embed_dim": 768}, "text_embed_dim is 768, but the weights take 32"),
    ],
)
def test_a_configuration_that_cannot_work_is_an_error_with_its_place(
    tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    folder = looks_like_one(tmp_path / "model", {**CONFIG, **changed})
    with pytest.raises(StudyError) as caught:
        models.read(str(folder))
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"model: {folder / 'config.json'}: ")


def test_a_text_encoder_of_another_width_is_told_with_both_widths(tmp_path: Path) -> None:
    folder = looks_like_one(tmp_path / "model")
    other = looks_like_one(tmp_path / "other", width=64) / "text_encoder"
    with pytest.raises(StudyError, match="this T5 gives 64 numbers a token, the model takes 32"):
        models.read(str(folder), str(other))
    (other / "config.json").write_text('{"model_type": "clip", "d_model": 32}')
    with pytest.raises(StudyError, match="texts are read by a T5"):
        models.read(str(folder), str(other))
    with pytest.raises(StudyError, match=r"\[engine\] text_encoder"):
        models.read(str(folder), str(tmp_path / "nowhere"))


@pytest.mark.parametrize("name", ["model.safetensors", "text_encoder/model.safetensors"])
@pytest.mark.parametrize("damage", ["pickle", "cut", "gone"])
def test_damaged_weights_are_told_before_they_are_loaded(tmp_path: Path, name: str, damage: str) -> None:
    file = looks_like_one(tmp_path / "model") / name
    whole = file.read_bytes()
    file.unlink() if damage == "gone" else file.write_bytes(b"PK\3\4" + whole if damage == "pickle" else whole[:-9])
    with pytest.raises(
        StudyError, match=r"no safetensors file|its header|its end is missing|no folder with|there is no"
    ):
        models.read(str(tmp_path / "model"))


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, "\xff"])
def test_a_damaged_configuration_is_one_sentence(tmp_path: Path, text: str) -> None:
    folder = looks_like_one(tmp_path / "model")
    (folder / "config.json").write_text(text, encoding="latin-1")
    with pytest.raises(StudyError, match=r"it is no JSON|it holds no table"):
        models.read(str(folder))


def test_weights_without_a_word_on_text_are_told(tmp_path: Path) -> None:
    folder = looks_like_one(tmp_path / "model")
    safetensors(folder / "model.safetensors", {"unets.0.a.b": [1, 1], "unets.1.a.b": [1, 1]})
    with pytest.raises(StudyError, match="do not read prompts"):
        models.read(str(folder))


def test_a_study_must_name_a_model_that_is_here() -> None:
    engine = ImagenEngine()
    with pytest.raises(StudyError, match="model: engine 'imagen' has no model of its own"):
        engine.check({"prompt": "an owl"})
    with pytest.raises(StudyError, match=r"model: '/no/such' is no folder with model.safetensors or model.pt"):
        engine.check({"prompt": "an owl", "model": "/no/such"})


def archive(file: Path, content: bytes) -> Path:
    with zipfile.ZipFile(file, "w") as whole:
        whole.writestr("model/data.pkl", content)
    return file


class Bomb:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.file}",)


def test_a_checkpoint_that_would_run_code_is_refused_and_runs_none(tmp_path: Path) -> None:
    content = pickle.dumps({"model": Bomb(tmp_path / "exploded")})
    with pytest.raises(
        EngineError, match=r"refused, because only plain data and tensors are loaded: it names posix.system"
    ):
        checkpoints.read(archive(tmp_path / "model.pt", content))
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (pickle.dumps([1]), "it holds no 'model'"),
        (pickle.dumps({"model": {"unets.0.x": 5}}), "it holds no 'model'"),
        (pickle.dumps({"model": {}})[:-4], "refused"),
        (b"\x80\x04.", "refused"),
    ],
)
def test_a_damaged_checkpoint_is_one_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(EngineError, match=said):
        checkpoints.read(archive(tmp_path / "model.pt", content))


def test_a_file_that_is_no_archive_is_no_checkpoint(tmp_path: Path) -> None:
    for content in (pickle.dumps({"model": {}}), b"", io.BytesIO(b"PK").getvalue()):
        (tmp_path / "model.pt").write_bytes(content)
        with pytest.raises(EngineError, match=r"no file of torch\.save"):
            checkpoints.read(tmp_path / "model.pt")


def test_a_trainers_checkpoint_without_a_configuration_asks_for_one(tmp_path: Path) -> None:
    folder = looks_like_one(tmp_path / "model")
    (folder / "model.safetensors").unlink()
    (folder / "config.json").unlink()
    archive(folder / "model.pt", pickle.dumps({"model": {}}))
    with pytest.raises(StudyError, match=r"there is no config.json, and the weights do not say"):
        models.read(str(folder))
    (folder / "config.json").write_text(json.dumps(CONFIG))
    with pytest.raises(StudyError, match="it has 2 stages, the weights have 0"):
        models.read(str(folder))
