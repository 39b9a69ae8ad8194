"""Textual inversions: the pictures of a Diffusers call that loads them, and nothing left when they are off again."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from tests import tiny_pipelines as tiny
from tests.shots import answers, ask

from teststrip.diffusion import inversions, loading, reading
from teststrip.diffusion.inversions import Inversion
from teststrip.diffusion.models import find
from teststrip.engines.diffusers import DiffusersEngine
from teststrip.errors import StudyError
from teststrip.records import Render
from teststrip.testing.engine_contract import pixels_of
from teststrip.verbs import forecast

PROMPT = "an owl <cat> of style"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two model folders, and files of vectors as Diffusers, A1111 and trainers of SDXL write them."""
    root = tmp_path_factory.mktemp("inversions")
    for family in ("sd15", "sdxl"):
        tiny.save(family, root / family)
    drawn = torch.Generator().manual_seed(7)

    def vectors(rows: int) -> torch.Tensor:
        return torch.randn(rows, tiny.WIDTH, generator=drawn)

    save_file({"<cat>": vectors(1)[0]}, root / "one.safetensors")
    save_file({"<cat>": vectors(3)}, root / "three.safetensors")
    save_file({"emb_params": vectors(2)}, root / "style.safetensors")
    save_file({"clip_l": vectors(2), "clip_g": vectors(2)}, root / "two.safetensors")
    save_file({"<cat>": torch.randn(1, 48)}, root / "wide.safetensors")
    return root


def by_hand(place: Path, family: str, file: str, token: str) -> np.ndarray:
    """The picture of the pipeline itself, as the documentation of Diffusers loads the file."""
    pipe = DiffusionPipeline.from_pretrained(place / family, local_files_only=True, use_safetensors=True)
    pipe.set_progress_bar_config(disable=True)
    if family == "sdxl":
        tensors = load_file(place / file)
        for key, end in (("clip_l", ""), ("clip_g", "_2")):
            given = {name: getattr(pipe, f"{name}{end}") for name in ("text_encoder", "tokenizer")}
            pipe.load_textual_inversion(tensors[key], token=token, **given)
    else:
        pipe.load_textual_inversion(str(place), weight_name=file, token=token, local_files_only=True)
    call = {"num_inference_steps": 2, "guidance_scale": 5.0, "generator": torch.Generator("cpu").manual_seed(11)}
    side = {"height": 32, "width": 32} if family == "sdxl" else {}
    return np.asarray(pipe(PROMPT, **call, **side).images[0])


def settings(place: Path, file: str, family: str = "sd15", **more: Any) -> Any:
    side = {"height": 32, "width": 32} if family == "sdxl" else {}
    return ask(place / family, prompt=PROMPT, textual_inversion=str(place / file), **side, **more)


@pytest.mark.parametrize(
    ("family", "file", "token"),
    [
        ("sd15", "three.safetensors", "<cat>"),
        ("sd15", "style.safetensors", "style"),
        ("sdxl", "two.safetensors", "two"),
    ],
)
def test_a_picture_is_the_one_that_diffusers_makes_with_the_file(place, family, file, token) -> None:
    word = f"{file} as {'<cat>' if family == 'sdxl' else token}"
    shot = settings(place, word, family)
    DiffusersEngine(device="cpu").check(shot.settings)
    (answer,) = answers([shot], batch=1).values()
    assert isinstance(answer, Render), answer
    expected = by_hand(place, family, file, word.rpartition(" ")[2])
    assert np.array_equal(pixels_of(answer), expected)
    together = answers([shot, settings(place, word, family, seed=12)], batch=4)[shot.id]
    assert np.abs(pixels_of(together).astype(int) - expected.astype(int)).max() <= 1


def test_cells_in_any_order_are_those_of_a_fresh_engine(place) -> None:
    both = f"three.safetensors + {place / 'style.safetensors'}"
    files = (None, "one.safetensors", "three.safetensors", "style.safetensors", both)
    shots = [settings(place, file) if file else ask(place / "sd15", prompt=PROMPT) for file in files]
    fresh = [next(iter(answers([shot], batch=1).values())).facts["pixels"] for shot in shots]
    assert len(set(fresh)) == len(fresh)
    engine = DiffusersEngine(device="cpu", batch=1)
    for seed in range(3):
        order = Random(seed).sample(range(len(shots)), len(shots))
        assert [next(engine.render([shots[i]])).facts["pixels"] for i in order] == [fresh[i] for i in order]


def test_what_is_taken_off_leaves_the_matrix_and_the_tokenizers_as_they_were(place) -> None:
    for family, file in (("sd15", "three.safetensors"), ("sdxl", "two.safetensors")):
        loaded = loading.load(
            find(str(place / family)), device="cpu", dtype="float32", variant=None, offload="none", safety_checker=True
        )
        pipe = loaded.pipe
        parts = [part for part in ("text_encoder", "text_encoder_2") if hasattr(pipe, part)]
        before = {
            part: (
                getattr(pipe, part.replace("text_encoder", "tokenizer")),
                {name: value.clone() for name, value in getattr(pipe, part).state_dict().items()},
                getattr(pipe, part).config.to_dict(),
            )
            for part in parts
        }
        vocabularies = [dict(tokenizer.get_vocab()) for tokenizer, _, _ in before.values()]
        inversions.put_on(loaded, [Inversion(str(place / file), "<cat>")])
        for part in parts:
            assert getattr(pipe, part).get_input_embeddings().weight.shape[0] > before[part][2]["vocab_size"]
        inversions.put_on(loaded, [])
        for part, words in zip(parts, vocabularies, strict=True):
            tokenizer, numbers, config = before[part]
            assert getattr(pipe, part.replace("text_encoder", "tokenizer")) is tokenizer
            assert tokenizer.get_vocab() == words
            now = getattr(pipe, part).state_dict()
            assert now.keys() == numbers.keys()
            assert all(torch.equal(now[name], value) for name, value in numbers.items())
            assert getattr(pipe, part).config.to_dict() == config
            embedding = getattr(pipe, part).get_input_embeddings()
            assert embedding.num_embeddings == embedding.weight.shape[0] == config["vocab_size"]


def test_a_reading_counts_the_tokens_that_a_word_stands_for(place) -> None:
    shot = settings(place, "three.safetensors")
    (answer,) = answers([shot], batch=1).values()
    (told,) = DiffusersEngine(device="cpu").read(shot.settings, [PROMPT])
    assert told.digest == answer.facts["read"]
    (plain,) = reading_without(place)
    assert told.digest != plain.digest
    long = "<cat> " * 30
    (cut,) = DiffusersEngine(device="cpu").read(shot.settings, [long])
    assert cut.encoders[0].tokens == 3 * 30 + 2
    assert cut.lost


def reading_without(place: Path) -> list[reading.Reading]:
    engine = DiffusersEngine(device="cpu")
    return list(engine.read(ask(place / "sd15").settings, [PROMPT, PROMPT]))[:1]


def test_a_fingerprint_holds_the_digest_and_the_word_of_each(place) -> None:
    engine = DiffusersEngine(device="cpu")
    (found,) = engine.fingerprint(settings(place, "style.safetensors")).facts["textual_inversions"]
    assert found["token"] == "style"
    assert len(found["file"]) == 64
    assert "textual_inversions" not in engine.fingerprint(ask(place / "sd15")).facts


@pytest.mark.parametrize(
    ("family", "file", "said"),
    [
        ("sd15", "wide.safetensors", "have 48 numbers, and the model's have 32"),
        ("sd15", "two.safetensors", "it has vectors for text_encoder_2, which the model lacks"),
        ("sdxl", "one.safetensors", "it has no vectors for text_encoder_2"),
        ("sd15", "nowhere.safetensors", "is no .safetensors file"),
        ("sd15", "sd15/unet/diffusion_pytorch_model.safetensors", "tensors, and one was expected"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_before_anything_is_loaded(place, family, file, said) -> None:
    with pytest.raises(StudyError, match=r"^textual_inversion: ") as caught:
        DiffusersEngine(device="cpu").check(settings(place, file, family).settings)
    assert said in str(caught.value)


def test_a_plan_says_when_no_prompt_holds_the_word(place, tmp_path) -> None:
    text = f'name = "d"\nprompts = ["an owl", "a PROMPT"]\n[engine]\nmodel = "{place / "sd15"}"\n[axes]\n'
    text += f'textual_inversion = ["none", "cat"]\n[textual_inversions.cat]\nfile = "{place / "one.safetensors"}"\n'
    study = tmp_path / "study.toml"
    study.write_text(text, encoding="utf-8")
    said = "No prompt holds <cat>, so its textual inversion changes nothing. Write <cat> in a prompt."
    assert said in forecast.of(study, None).warnings
    study.write_text(text.replace("PROMPT", "<cat>"), encoding="utf-8")
    assert said not in forecast.of(study, None).warnings


def test_a_lora_of_the_text_encoder_goes_on_and_off_beside_a_textual_inversion(place, tmp_path) -> None:
    pipe = tiny.build("sd15")
    pipe.text_encoder.add_adapter(LoraConfig(r=4, target_modules=["q_proj"], init_lora_weights=False))
    layers = convert_state_dict_to_diffusers(get_peft_model_state_dict(pipe.text_encoder))
    type(pipe).save_lora_weights(tmp_path, weight_name="text.safetensors", text_encoder_lora_layers=layers)
    word, lora = {"textual_inversion": str(place / "three.safetensors")}, {"lora": str(tmp_path / "text.safetensors")}
    cells = [word, {**word, **lora}, lora, {}]
    shots = [ask(place / "sd15", prompt=PROMPT, **cell) for cell in cells]
    fresh = [next(iter(answers([shot], batch=1).values())).facts["pixels"] for shot in shots]
    assert len(set(fresh)) == len(fresh)
    engine = DiffusersEngine(device="cpu", batch=1)
    order = (0, 1, 2, 0, 3, 1, 0)
    assert [next(engine.render([shots[i]])).facts["pixels"] for i in order] == [fresh[i] for i in order]
