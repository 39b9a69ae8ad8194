"""Weights in prompts: the pictures of a Diffusers call that is given compel's embeddings, alone and in batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from tests import tiny_pipelines as tiny
from tests.shots import answers, ask

from teststrip.diffusion import weighting
from teststrip.engines.diffusers import DiffusersEngine
from teststrip.errors import StudyError
from teststrip.records import Failure, Render, Shot
from teststrip.testing.engine_contract import pixels_of

compel = pytest.importorskip("compel")

LONG = "an owl, " * 60
FAMILIES = ("sd15", "sdxl", "flux")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("weights")
    return {family: tiny.save(family, root / family) for family in FAMILIES}


def shot(folder: Path, prompt: str, *, weighted: bool = True, **more: Any) -> Shot:
    side = tiny.SIDE[folder.name]
    on = {"prompt_weighting": "compel"} if weighted else {}
    return ask(folder, prompt=prompt, width=side, height=side, **on, **more)


def difference(one: Any, other: Any) -> int:
    pictures = [pixels_of(each) if isinstance(each, Render) else each for each in (one, other)]
    return int(np.abs(pictures[0].astype(int) - pictures[1].astype(int)).max())


def by_hand(folder: Path, prompt: str, negative: str | None, pooled: str = "") -> np.ndarray:
    """The picture of the pipeline itself, given what compel makes of a prompt in compel's own language."""
    pipe = DiffusionPipeline.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    pipe.set_progress_bar_config(disable=True)
    side = tiny.SIDE[folder.name]
    with torch.no_grad():
        two = folder.name == "sdxl"
        found = (compel.CompelForSDXL if two else compel.CompelForSD)(pipe)(prompt, negative_prompt=negative)
        given: dict[str, Any] = {"prompt_embeds": found.embeds, "negative_prompt_embeds": found.negative_embeds}
        if two:
            given["pooled_prompt_embeds"] = pipe.encode_prompt(pooled)[2]
            given["negative_prompt_embeds"] = found.negative_embeds
            given["negative_pooled_prompt_embeds"] = found.negative_pooled_embeds
    noise = torch.Generator("cpu").manual_seed(11)
    call = {"num_inference_steps": 2, "guidance_scale": 5.0, "width": side, "height": side, "generator": noise}
    return np.asarray(pipe(**given, **call).images[0])


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
@pytest.mark.parametrize(("prompt", "compels"), [("an (red:1.4) owl, [dark]", "an (red)1.4 owl, (dark)0.9091")])
def test_a_picture_is_the_one_of_compels_embeddings(folders, family, prompt, compels) -> None:
    asked = shot(folders[family], prompt, negative_prompt="ugly")
    DiffusersEngine(device="cpu").check(asked.settings)
    (answer,) = answers([asked], batch=1).values()
    assert isinstance(answer, Render), answer
    expected = by_hand(folders[family], compels, "ugly", pooled="an red owl, dark")
    assert np.array_equal(pixels_of(answer), expected)
    assert answer.facts["weighted"] == compels
    assert "compel" in answer.fingerprint.facts["prompt_weighting"]
    others = [shot(folders[family], text, negative_prompt="ugly") for text in ("an owl", LONG, "an (red:0.5) owl")]
    together = answers([asked, *others], batch=4)
    assert difference(together[asked.id], expected) <= 1
    alone = answers(others, batch=1)
    assert all(difference(together[one.id], alone[one.id]) <= 1 for one in others)


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
@pytest.mark.parametrize("negative", [{}, {"negative_prompt": "ugly"}, {"negative_prompt": ""}], ids=str)
def test_a_prompt_without_weights_gives_the_picture_that_it_gives_without_compel(folders, family, negative) -> None:
    both = [shot(folders[family], "an owl, red", weighted=on, **negative) for on in (True, False)]
    found = answers(both, batch=1)
    assert all(isinstance(one, Render) for one in found.values()), found
    assert difference(*found.values()) == 0


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_a_long_prompt_is_read_to_its_end(folders, family) -> None:
    texts = [f"{LONG} {end}" for end in ("red", "blue")]
    shots = [shot(folders[family], text, weighted=on) for on in (True, False) for text in texts]
    red, blue, cut, same = answers(shots, batch=1).values()
    assert red.facts["pixels"] != blue.facts["pixels"]
    assert cut.facts["pixels"] == same.facts["pixels"]
    assert "lost" in cut.facts
    assert "lost" not in red.facts
    read = DiffusersEngine(device="cpu").read(shots[0].settings, texts)
    assert not any(one.lost for one in read)
    assert read[0].digest == red.facts["read"]


def test_texts_that_differ_by_a_weight_are_told_apart(folders) -> None:
    texts = ["an (owl:1.2)", "an (owl:1.4)", "an (owl:1.20)"]
    one, two, three = DiffusersEngine(device="cpu").read(shot(folders["sd15"], texts[0]).settings, texts)
    assert one.digest != two.digest
    assert one.digest == three.digest


def test_compels_own_language_is_read_by_compel_and_what_it_cannot_read_ends_its_own_shot(folders) -> None:
    folder = folders["sd15"]
    texts = ['("an owl", "a boat").blend(0.7, 0.3)', "an (owl)++", '("an owl", "a boat").and()']
    swapped = shot(folder, "an owl.swap(cat)")
    for batch in (1, 4):
        found = answers([*(shot(folder, text) for text in texts), swapped], batch=batch)
        *made, failed = [found[one.id] for one in (*(shot(folder, text) for text in texts), swapped)]
        assert all(isinstance(one, Render) for one in made), made
        assert isinstance(failed, Failure)
        assert ".swap()" in failed.text
        assert not failed.retryable


def test_a_textual_inversion_may_be_weighted(folders, tmp_path) -> None:
    file = tmp_path / "cat.safetensors"
    save_file({"<cat>": torch.randn(2, tiny.WIDTH, generator=torch.Generator().manual_seed(3))}, file)
    more = {"textual_inversion": str(file)}
    made = [shot(folders["sd15"], text, **more) for text in ("an <cat>", "an (<cat>:1.3)")]
    plain = shot(folders["sd15"], "an <cat>", weighted=False, **more)
    none, some, without = answers([*made, plain], batch=1).values()
    assert none.facts["pixels"] != some.facts["pixels"]
    assert difference(none, without) <= 1


@pytest.mark.parametrize(
    ("family", "options", "more", "said"),
    [
        ("flux", {}, {}, "Stable Diffusion 1, 2 and XL here, and not to FluxPipeline"),
        ("sd15", {}, {"clip_skip": 1}, "clip_skip: not with prompt_weighting"),
        ("sd15", {"offload": "model"}, {}, "prompt_weighting: not with offload = 'model'"),
    ],
)
def test_weights_that_nothing_computes_are_refused(folders, family, options, more, said) -> None:
    with pytest.raises(StudyError) as caught:
        DiffusersEngine(device="cpu", **options).check(shot(folders[family], "an owl", **more).settings)
    assert said in str(caught.value)


@given(st.text("ab ,.:()[]\\1", max_size=24))
def test_the_words_of_a_prompt_are_the_text_without_the_signs(text: str) -> None:
    pieces = weighting.fragments(text)
    assert "".join(piece for piece, _ in pieces) == weighting.plain(text) or weighting.OWN.search(text)
    left = [letter for letter in weighting.plain(text) if letter in "ab"]
    assert left == [letter for letter in text if letter in "ab"]


@given(st.text("ab ,.-+'!?", max_size=24))
def test_a_text_without_brackets_is_one_piece_as_it_stands(text: str) -> None:
    assert weighting.fragments(text) == ((text, 1.0),)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("a (b:1.5) c", (("a ", 1.0), ("b", 1.5), (" c", 1.0))),
        ("((a))", (("a", 1.21),)),
        ("[a]", (("a", 0.9091),)),
        ("(a [b])", (("a ", 1.1), ("b", 1.0))),
        (r"a \(b\)", (("a (b)", 1.0),)),
        ("(unbalanced", (("unbalanced", 1.1),)),
        ("a)", (("a)", 1.0),)),
        ("at 12:30", (("at 12:30", 1.0),)),
    ],
)
def test_weights_are_read_as_a1111_reads_them(text, pieces) -> None:
    assert weighting.fragments(text) == pieces
