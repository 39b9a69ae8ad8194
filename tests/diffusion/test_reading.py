"""What a model reads of a prompt, counted by its own tokenizers, is what its pictures show."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import tiny_pipelines as tiny
from tests.shots import answers, ask

from teststrip import study as studies
from teststrip.diffusion import models, pipelines, reading
from teststrip.engines.diffusers import DiffusersEngine
from teststrip.records import Render
from teststrip.verbs import forecast
from teststrip.verbs.run import drive

ALPHABET = "a b c d e f g h i j k l m n o p q r s t u v w x y z "
LONG = [ALPHABET * 4 + word for word in ("oil", "ink")]
FAMILIES = ("sd15", "sdxl", "sd3", "flux")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("reading")
    return {family: str(tiny.save(family, root / family)) for family in FAMILIES}


@pytest.fixture(scope="module")
def readers(folders):
    """By family: a function that reads a text under settings."""

    def reader(folder):
        model = models.find(folder)
        pipeline = pipelines.find(model.pipeline)
        tokenizers = reading.on_disk(model)
        return lambda text, **asked: reading.read(tokenizers, pipeline, asked, text)

    alone, of_pixart = {"tokenizer": tiny.t5_tokenizer()}, pipelines.find("PixArtSigmaPipeline")
    t5 = {"t5": lambda text, **asked: reading.read(alone, of_pixart, asked, text)}
    return {family: reader(folder) for family, folder in folders.items()} | t5


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet="abc owl,.é🦉", max_size=120))
def test_words_are_lost_exactly_where_the_tokens_are_too_many(readers, text) -> None:
    for family in FAMILIES:
        read = readers[family](text)
        for one in read.encoders:
            assert not one.lost or text.rstrip().endswith(one.lost)
            assert bool(one.lost) <= (one.tokens > one.limit)
        assert read.lost in {one.lost for one in read.encoders}
        assert not read.lost or all(one.lost for one in read.encoders)


@pytest.mark.parametrize("length", [8, 32, 64])
def test_a_text_is_in_doubt_where_the_study_gives_the_encoders_less(readers, length) -> None:
    text = ("ab " * 30)[:length]
    assert not reading.in_doubt([text])
    assert reading.in_doubt([text], length)


WORDS = st.text(alphabet="abowlOWL (){}é🦉🦊", min_size=1, max_size=3)


@settings(max_examples=150, deadline=None)
@given(st.lists(WORDS | WORDS.map(lambda text: text * 30), min_size=2, max_size=2, unique=True))
def test_what_is_not_in_doubt_is_read_whole_and_told_apart(readers, texts) -> None:
    if reading.in_doubt(texts):
        return
    for family in (*FAMILIES, "t5"):
        one, other = (readers[family](text) for text in texts)
        assert one.digest != other.digest
        assert not any(encoder.lost for encoder in (*one.encoders, *other.encoders))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("texts", [LONG, ["An Owl", "an owl"], ["an owl", "a car"]], ids=["long", "case", "other"])
def test_texts_of_one_digest_have_one_picture_and_others_have_two(folders, family, texts, tmp_path, monkeypatch):
    monkeypatch.setenv("TESTSTRIP_CACHE", str(tmp_path))
    shots = [ask(folders[family], prompt=text, num_inference_steps=1) for text in texts]
    one, other = answers(shots, batch=1).values()
    assert isinstance(one, Render)
    assert isinstance(other, Render)
    same = one.facts["read"] == other.facts["read"]
    assert same == (one.facts["pixels"] == other.facts["pixels"])
    assert same == (texts[0] != "an owl" and family in ("sd15", "sdxl"))


def test_a_longer_max_sequence_length_reads_what_a_shorter_one_loses(readers) -> None:
    short, long = (readers["sd3"](LONG[0], max_sequence_length=length) for length in (64, 256))
    assert short.lost
    assert not long.lost
    assert short.digest != long.digest


def test_an_engine_reads_before_it_loads_what_its_pictures_say_later(folders) -> None:
    engine = DiffusersEngine(device="cpu", batch=1)
    shot = ask(folders["sd15"], prompt=LONG[0], num_inference_steps=1)
    (read,) = engine.read(shot.settings, [LONG[0]])
    (made,) = engine.render([shot])
    engine.close()
    assert isinstance(made, Render)
    assert (made.facts["read"], made.facts["lost"]) == (read.digest, read.lost)
    assert not engine.read(shot.settings, ["an owl", "a car"]), "nothing is in doubt, so no tokenizer is loaded"


def test_plan_and_report_say_which_prompts_are_cut_and_which_count_as_one(folders, tmp_path, monkeypatch):
    monkeypatch.setenv("TESTSTRIP_CACHE", str(tmp_path / "cache"))
    study = studies.study(
        name="cut",
        prompts=[*({"text": text, "id": text[-3:]} for text in LONG), "a car"],
        engine={"name": "diffusers", "model": folders["sd15"], "batch": 1},
        settings={"num_inference_steps": 1, "width": 96},
        axes={"guidance_scale": [1, 5]},
        question={"metrics": ["sharpness"]},
    )
    file = tmp_path / "cut.toml"
    file.write_text(studies.dump(study), encoding="utf-8")
    planned = forecast.of(file, tmp_path / "out")
    assert any("2 of 3 prompts are longer than the model reads" in line for line in planned.warnings)
    assert any("they count as one prompt: oil and ink" in line for line in planned.warnings)
    assert any("do not heed width" in line for line in planned.remarks)
    result = drive(study, tmp_path / "out", trackers=[]).result
    report = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    for line in ("longer than the model reads", "they count as one prompt: oil and ink", "6 images are 64 × 64"):
        assert any(line in warning for warning in result.warnings)
        assert line in report
    assert len(set(result.columns()["prompt"])) == 2
    result.close()
