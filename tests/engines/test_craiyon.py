"""DALL·E mini as an engine: pictures of its settings alone, and errors before anything is loaded."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests import tiny_dalle

import teststrip
from teststrip.dalle_mini import sampling, sizes
from teststrip.dalle_mini.detokenizer import Detokenizer
from teststrip.dalle_mini.transformer import Decoder, Encoder
from teststrip.engines.craiyon import CraiyonEngine
from teststrip.errors import EngineError, StudyError
from teststrip.records import EngineRef, Failure, Render, Shot
from teststrip.testing.engine_contract import EngineContract, pixels_of

REF = EngineRef("craiyon")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_dalle.save(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def engine():
    engine = CraiyonEngine(device="cpu")
    yield engine
    engine.close()


def ask(model: Path, **settings: Any) -> Shot:
    given = {"prompt": "an owl", "seed": 11, "model": str(model), "supercondition_factor": 4.0, "temperature": 2.0}
    return Shot(REF, given | settings)


def pixels(engine: CraiyonEngine, *shots: Shot) -> list[np.ndarray]:
    found = []
    for answer in engine.render(shots):
        assert isinstance(answer, Render), answer
        found.append(pixels_of(answer))
    return found


class TestCraiyonKeepsTheContract(EngineContract):
    @pytest.fixture
    def ref(self):
        return REF

    @pytest.fixture
    def knobs(self, model):
        return {"model": str(model), "temperature": 2.0, "supercondition_factor": 4.0}


def test_every_setting_changes_the_picture(engine, model, tmp_path):
    other = tiny_dalle.save(tmp_path / "other", given={"encoder": changed("encoder", "final_ln.bias")})
    changes = {
        "prompt": "a red rose",
        "seed": 12,
        "temperature": 1.0,
        "top_k": 3,
        "supercondition_factor": 1.5,
        "model": str(other),
    }
    assert set(changes) == set(engine.settings)
    (plain,) = pixels(engine, ask(model))
    for name, value in changes.items():
        assert not np.array_equal(*pixels(engine, ask(**{"model": model, name: value})), plain), name


def test_pictures_in_any_order_are_those_of_a_fresh_engine(engine, model, tmp_path):
    other = tiny_dalle.save(tmp_path / "other", replace(tiny_dalle.TINY, layers=1))
    shots = [ask(place, supercondition_factor=factor) for place in (model, other) for factor in (0.0, 1.0, 4.0)]
    fresh = [pixels(CraiyonEngine(device="cpu"), shot)[0] for shot in shots]
    mixed = shots[::2] + shots[1::2][::-1]
    for shot, picture in zip(mixed, pixels(engine, *mixed), strict=True):
        assert np.array_equal(picture, fresh[shots.index(shot)])


def test_nothing_of_the_process_is_changed(engine, model):
    before = torch.get_rng_state(), torch.is_grad_enabled(), torch.get_num_threads(), torch.get_default_dtype()
    pixels(engine, ask(model))
    after = torch.get_rng_state(), torch.is_grad_enabled(), torch.get_num_threads(), torch.get_default_dtype()
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


def test_the_rows_that_the_decoder_is_given_are_the_calls(engine, model):
    pixels(engine, ask(model))
    assert engine._loaded is not None
    rows: list[int] = []
    hook = engine._loaded[1].decoder.register_forward_pre_hook(lambda _, given: rows.append(len(given[0])))
    for factor, each in ((0.0, 1), (1.0, 1), (4.0, 2)):
        rows.clear()
        pixels(engine, ask(model, supercondition_factor=factor))
        assert sum(rows) == engine.calls(ask(model, supercondition_factor=factor).settings) == 16 * each
    hook.remove()


def test_one_text_alone_is_what_both_would_give(engine, model):
    def near(factor):
        return pixels(engine, ask(model, supercondition_factor=factor, top_k=1))[0]

    assert np.array_equal(near(1.0), near(1.0 + 1e-9))
    assert np.array_equal(near(0.0), near(1e-9))
    assert np.array_equal(near(0.0), pixels(engine, ask(model, prompt="", supercondition_factor=4.0, top_k=1))[0])


def test_settings_without_effect_are_remarked_and_have_none(engine, model):
    deaf = ask(model, supercondition_factor=0.0)
    assert "do not heed the prompt" in engine.remark(deaf.settings)
    assert np.array_equal(*pixels(engine, deaf, ask(model, supercondition_factor=0.0, prompt="a rose")))
    greedy = ask(model, top_k=1)
    assert "do not heed seed and temperature" in engine.remark(greedy.settings)
    assert np.array_equal(*pixels(engine, greedy, ask(model, top_k=1, seed=5, temperature=9.0)))
    assert engine.remark(ask(model).settings) == ""


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_makes_pictures_and_another_fingerprint(model, dtype):
    half = CraiyonEngine(device="cpu", dtype=dtype)
    (picture,) = pixels(half, ask(model))
    assert picture.shape == (8, 8, 3)
    assert half.fingerprint(ask(model)).id != CraiyonEngine(device="cpu").fingerprint(ask(model)).id


def test_a_fingerprint_is_of_bytes_and_not_of_names(model, tmp_path):
    same = tiny_dalle.save(tmp_path / "same")
    other = tiny_dalle.save(tmp_path / "other", given={"decoder": changed("decoder", "final_ln.bias")})
    ids = [CraiyonEngine(device="cpu").fingerprint(ask(place)).id for place in (model, same, other)]
    assert ids[0] == ids[1] != ids[2]


def test_tokens_are_drawn_by_their_probability():
    logits = torch.tensor([0.0, 1.0, 2.0, -1.0, 2.0], dtype=torch.float64)
    many = 5_000
    for temperature, top_k in ((1.0, 5), (2.0, 5), (1.0, 3)):
        draw = sampling.Draw(0, temperature, top_k, 1.0)
        generator = torch.Generator().manual_seed(3)
        counted = np.bincount([sampling.chosen(logits, draw, generator) for _ in range(many)], minlength=5)
        weights = (logits / temperature).exp() * (logits >= logits.sort(descending=True).values[top_k - 1])
        expected = (weights / weights.sum()).numpy() * many
        assert (counted[expected == 0] == 0).all()
        kept = expected > 0
        # The 0.1 % point of chi-square with 4 degrees of freedom.
        assert ((counted - expected)[kept] ** 2 / expected[kept]).sum() < 18.5


def test_tokens_as_likely_as_the_last_one_kept_are_kept_too():
    draw = sampling.Draw(0, 1.0, 1, 1.0)
    generator = torch.Generator().manual_seed(0)
    logits = torch.tensor([0.0, 2.0, 2.0], dtype=torch.float64)
    assert {sampling.chosen(logits, draw, generator) for _ in range(100)} == {1, 2}


def test_a_seed_keeps_its_noise_when_a_setting_moves_a_little():
    logits = torch.randn(200, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def drawn(temperature, seed):
        generator = torch.Generator().manual_seed(seed)
        return [sampling.chosen(row, sampling.Draw(seed, temperature, 64, 1.0), generator) for row in logits]

    plain, warmer, other = drawn(1.0, 7), drawn(1.1, 7), drawn(1.0, 8)
    same, chance = (np.mean([a == b for a, b in zip(plain, x, strict=True)]) for x in (warmer, other))
    assert same > 0.85 > 0.3 > chance


def test_a_prompt_that_gives_no_numbers_fails_alone(engine, tmp_path):
    encoder = tiny_dalle.weights()["encoder"]
    encoder["embed_tokens.weight"][tiny_dalle.TOKENS.index("q")] = float("nan")
    model = tiny_dalle.save(tmp_path / "m", given={"encoder": encoder})
    good, bad, after = engine.render([ask(model), ask(model, prompt="a queen"), ask(model, seed=3)])
    assert isinstance(good, Render)
    assert isinstance(after, Render)
    assert isinstance(bad, Failure)
    assert (bad.reason, bad.retryable) == ("nan", False)


def test_colours_that_are_no_numbers_are_no_picture(engine, tmp_path):
    detokenizer = tiny_dalle.weights()["detokenizer"]
    detokenizer["decoder.conv_out.bias"][0] = float("inf")
    (answer,) = engine.render([ask(tiny_dalle.save(tmp_path / "m", given={"detokenizer": detokenizer}))])
    assert isinstance(answer, Failure)
    assert answer.reason == "nan"


@dataclass(frozen=True)
class Starved(sampling.Model):
    """A model on a device whose memory is full."""

    def tokens(self, text: tuple[int, ...], draw: sampling.Draw) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory.")


def test_memory_that_runs_out_is_told_with_a_remedy_of_this_engine(engine, model):
    pixels(engine, ask(model))
    name, loaded = engine._loaded
    engine._loaded = name, Starved(**vars(loaded))
    (answer,) = engine.render([ask(model)])
    assert isinstance(answer, Failure)
    assert answer.reason == "oom"
    assert 'dtype = "float16"' in answer.text


def test_a_model_that_vanishes_fails_its_own_shots_alone(engine, model, tmp_path):
    gone = tiny_dalle.save(tmp_path / "gone")
    engine.check(ask(gone).settings)
    (gone / "decoder.safetensors").write_bytes(b"\x80\x02 no tensors")
    first, lost, again, last = engine.render([ask(model), ask(gone), ask(gone, seed=1), ask(model, seed=1)])
    assert isinstance(first, Render)
    assert isinstance(last, Render)
    for answer in (lost, again):
        assert isinstance(answer, Failure)
        assert str(gone) in answer.text


def test_emoji_name_the_package_that_reads_them(engine, model):
    owl = ask(model, prompt="an \U0001f989")
    (answer,) = engine.render([owl])
    if isinstance(answer, Failure):  # the package is not installed here
        assert "pip install emoji" in answer.text
        assert "pip install emoji" in engine.rehearse(owl.settings)
        assert engine.read(owl.settings, [owl.prompt])[0].lost == "\U0001f989"
    else:
        assert np.array_equal(pixels_of(answer), *pixels(engine, ask(model, prompt="an owl")))
    assert engine.rehearse(ask(model).settings) == ""


def test_what_is_lost_of_a_prompt_is_known_before_and_told_after(engine, model):
    long = "an owl " * 8
    before, plain, same = engine.read(ask(model).settings, [long, "an owl", "An OWL"])
    assert before.lost
    assert not plain.lost
    assert plain.digest == same.digest != before.digest
    (answer,) = engine.render([ask(model, prompt=long)])
    assert isinstance(answer, Render)
    assert (answer.facts["read"], answer.facts["lost"]) == (before.digest, before.lost)


def test_models_take_turns(engine):
    assert list(engine.turns([{"model": "a"}, {"model": "b"}, {"model": "a"}])) == [0, 1, 0]


def changed(part: str, name: str) -> Mapping[str, torch.Tensor]:
    tensors = tiny_dalle.weights()[part]
    return tensors | {name: tensors[name] + 1}


def without(part: str, name: str) -> dict[str, torch.Tensor]:
    return {key: tensor for key, tensor in tiny_dalle.weights()[part].items() if key != name}


def weights(part: str, **tensors: torch.Tensor):
    """Writes a part with other tensors."""
    given = {**tiny_dalle.weights()[part], **{name.replace("__", "."): tensor for name, tensor in tensors.items()}}
    return lambda folder: save_file(given, folder / f"{part}.safetensors")


def config(**changes: Any):
    """Writes a config.json with other keys; None leaves a key out."""
    said = {key: value for key, value in (tiny_dalle.config() | changes).items() if value is not None}
    return lambda folder: (folder / "config.json").write_text(json.dumps(said))


def cut(folder: Path) -> None:
    file = folder / "decoder.safetensors"
    file.write_bytes(file.read_bytes()[:-10])


def pickled(folder: Path) -> None:
    (folder / "encoder.safetensors").rename(folder / "encoder.pt")


def renamed(folder: Path) -> None:
    (folder / "encoder.safetensors").write_bytes(b"PK\3\4" + b"0" * 99)


HALF_A_NORM = without("encoder", "layers.0.glu.ln0.weight")
WRONG = {
    "no vocabulary": (lambda folder: (folder / "vocab.json").unlink(), "holds no vocab.json"),
    "weights of PyTorch": (pickled, r"holds no encoder.safetensors. What ends with .pt is never loaded"),
    "a renamed pickle": (
        lambda f: (f / "encoder.safetensors").write_bytes(b"PK\3\4" + b"0" * 99),
        "no safetensors file",
    ),
    "half a download": (cut, "its end is missing"),
    "a missing norm": (
        lambda f: save_file(dict(HALF_A_NORM), f / "encoder.safetensors"),
        "1 of 36 tensors are missing",
    ),
    "another tensor": (weights("decoder", more=torch.zeros(1)), r"tensors are none of this model \(more"),
    "another shape": (weights("decoder", final_ln__bias=torch.zeros(3)), r"final_ln.bias has the shape \[3\]"),
    "whole numbers": (weights("decoder", final_ln__bias=torch.zeros(16, dtype=torch.int8)), "of the kind I8"),
    "no JSON": (lambda folder: (folder / "config.json").write_text("{"), "it is no JSON"),
    "another model": (config(model_type="bart"), 'its model_type is not "dalle-mini"'),
    "a misspelt key": (config(layer=2), "unknown key 'layer'. Did you mean 'layers'"),
    "a missing key": (config(glu=None), "glu is missing"),
    "a text for a number": (config(width="16"), "width: '16' is no whole number"),
    "a huge number": (config(width=10**9), "width: 1000000000 is no whole number"),
    "uneven heads": (config(heads=3), "width: 16 cannot be divided by 3 heads"),
    "uneven groups": (config(groups=3), "detokenizer_widths: 8 cannot be divided by 3 groups"),
    "no widths": (config(detokenizer_widths=[]), "detokenizer_widths: write a list"),
    "a start beyond": (config(start_token=41), "start_token: 41 is above image_vocab, 40"),
    "too many codes": (config(codes=99), "the decoder knows only 41 of 99 image tokens"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_with_a_model_is_said_before_it_is_loaded(engine, tmp_path, kind):
    spoil, message = WRONG[kind]
    folder = tiny_dalle.save(tmp_path / "model")
    spoil(folder)
    with pytest.raises((StudyError, EngineError), match=message):
        engine.check(ask(folder).settings)
    (answer,) = engine.render([ask(folder)])
    assert isinstance(answer, Failure)


def test_a_model_that_is_not_there_is_an_error_of_the_study(engine, tmp_path):
    for settings in ({}, {"model": str(tmp_path / "nowhere")}):
        with pytest.raises(StudyError, match="model: "):
            engine.check(settings)


def test_more_tokens_than_the_model_has_are_refused(engine, model):
    with pytest.raises(StudyError, match="top_k: 33 is above the 32 image tokens"):
        engine.check(ask(model, top_k=33).settings)
    engine.check(ask(model, top_k=32).settings)


PARTS = {"encoder": Encoder, "decoder": Decoder, "detokenizer": Detokenizer}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("of", [tiny_dalle.TINY, sizes.MINI, sizes.MEGA], ids=["tiny", "mini", "mega"])
def test_the_tensors_that_are_expected_are_those_of_the_networks(of, part):
    with torch.device("meta"):
        network = PARTS[part](of)
    assert {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()} == sizes.tensors(of)[part]


@pytest.mark.parametrize(
    ("of", "millions"), [(sizes.MINI, (202.6, 235.3, 46.7)), (sizes.MEGA, (1110, 1478, 46.7))], ids=["mini", "mega"]
)
def test_the_published_sizes_have_the_published_numbers_of_parameters(of, millions):
    for tensors, expected in zip(sizes.tensors(of).values(), millions, strict=True):
        found = sum(int(np.prod(shape)) for shape in tensors.values()) / 1e6
        assert found == pytest.approx(expected, rel=0.001)
    assert (of.side, of.image_tokens) == (256, 256)


def blocks(language: str) -> list[str]:
    page = Path(__file__).parents[2] / "docs" / "craiyon.md"
    return re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


def test_the_page_shows_the_published_sizes():
    mini, mega = map(json.loads, blocks("json"))
    assert sizes.of(mini) == sizes.MINI
    assert sizes.of(mini | mega) == sizes.MEGA


def test_the_page_converts_what_lacks_scales_of_norms(engine, tmp_path, monkeypatch):
    tensors = tiny_dalle.weights()
    left = {name for name in tensors["encoder"] if name.endswith("glu.ln0.weight")}
    for part in ("encoder", "decoder"):
        tensors[part] |= {name: torch.ones_like(tensors[part][name]) for name in left}
    whole = tiny_dalle.save(tmp_path / "whole", given=tensors)
    bare = tiny_dalle.save(tmp_path / "mini")
    for part, file in (("encoder", "encoder.pt"), ("decoder", "decoder.pt"), ("detokenizer", "detoker.pt")):
        torch.save({name: tensor for name, tensor in tensors[part].items() if name not in left}, bare / file)
        (bare / f"{part}.safetensors").unlink()
    monkeypatch.chdir(tmp_path)
    (block,) = blocks("python")
    exec(block, {})
    assert np.array_equal(*pixels(engine, ask(whole), ask(bare)))


def test_a_study_of_its_knobs_runs_to_findings(model, tmp_path):
    asked = {
        "name": "craiyon",
        "engine": {"name": "craiyon", "device": "cpu"},
        "settings": {"model": str(model)},
        "prompts": ["an owl", "a rose", "a cat"],
        "replicates": 2,
        "axes": {"temperature": [0.5, 2.0], "supercondition_factor": [1, 4]},
        "question": {"metrics": ["sharpness"]},
    }
    with teststrip.run(teststrip.study.study(**asked), tmp_path / "s", trackers=[]) as result:
        frame = result.frame()
        assert len(frame) == 24
        assert frame["sharpness"].notna().all()
        assert {finding.axis for finding in result.findings} >= {"temperature", "supercondition_factor"}


def test_a_wrong_value_in_a_study_names_its_place(model):
    asked = {"name": "wrong", "engine": {"name": "craiyon"}, "prompts": ["an owl"], "settings": {"model": str(model)}}
    for axes, message in (
        ({"temperature": [0]}, "axes.temperature"),
        ({"supercondition_facto": [1]}, "supercondition_factor"),
        ({"top_k": [33]}, "top_k"),
    ):
        with pytest.raises(StudyError, match=message):
            teststrip.study.study(**asked, axes=axes)
