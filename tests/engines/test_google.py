"""The engine `google`, by the official client against a service on this machine that speaks Google's protocols."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.hosted.google_service import BILL, KEY, TROUBLES, USAGE, WITHOUT, GoogleService, coded, drawn, finished
from tests.hosted.service import Fault, Reply, png_of

from teststrip.engines.google import GoogleEngine, cost
from teststrip.errors import EngineError, StudyError
from teststrip.hosted import configuration, models
from teststrip.records import EngineRef, Failure, Render, Shot
from teststrip.testing.engine_contract import EngineContract

pytest.importorskip("google.genai")

MODEL = "gemini-3.1-flash-image"
OWN = {"provider": "here", "first_wait": 0.001, "timeout": 2.0}
PREDICT = OWN | {"protocol": "predict"}


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GoogleService]:
    """The service, named "here" in a configuration of its own."""
    with GoogleService() as found:
        file = tmp_path / "config.toml"
        file.write_text(f'[providers.here]\nbase_url = "{found.url}"\nkey = "env:HOSTED_KEY"\nprice = "0.1 USD"\n')
        monkeypatch.setenv(configuration.VARIABLE, str(file))
        monkeypatch.setenv("HOSTED_KEY", KEY)
        yield found


def shot(number: int = 0, **settings: Any) -> Shot:
    return Shot(
        EngineRef("google", {"provider": "here"}), {"prompt": "an owl", "seed": number, "model": MODEL} | settings
    )


def ask(*shots: Shot, **options: Any) -> list[Render | Failure]:
    engine = GoogleEngine(**OWN | options)
    try:
        return list(engine.render(shots))
    finally:
        engine.close()


class TestGeminiKeepsTheContract(EngineContract):
    @pytest.fixture
    def engine(self, service: GoogleService) -> Iterator[GoogleEngine]:
        engine = GoogleEngine(**OWN)
        yield engine
        engine.close()

    @pytest.fixture
    def ref(self) -> EngineRef:
        return EngineRef("google", {"provider": "here"})

    @pytest.fixture
    def knobs(self) -> dict[str, Any]:
        return {"model": MODEL}


class TestPredictKeepsTheContract(TestGeminiKeepsTheContract):
    @pytest.fixture
    def engine(self, service: GoogleService) -> Iterator[GoogleEngine]:
        engine = GoogleEngine(**PREDICT)
        yield engine
        engine.close()


def test_the_request_is_what_was_asked_and_the_answer_is_known(service: GoogleService) -> None:
    asked = {"aspect_ratio": "16:9", "image_size": "512", "temperature": 0.5, "thinking_level": "LOW", "safety": "OFF"}
    (answer,) = ask(shot(2**31 + 5, **asked), timeout=30.0)  # the first request loads the client
    assert isinstance(answer, Render)
    (request,) = service.requests
    config = request.body["generationConfig"]
    assert config["responseModalities"] == ["IMAGE"]
    assert config["imageConfig"] == {"aspectRatio": "16:9", "imageSize": "512"}
    assert list(config["thinkingConfig"].values()) == ["LOW"]
    assert (config["seed"], config["temperature"], config["candidateCount"]) == (5, 0.5, 1)
    assert {one["threshold"] for one in request.body["safetySettings"]} == {"OFF"}
    assert answer.data == png_of("an owl", 5, request.path, size=(683, 384))
    assert answer.facts["sent_seed"] == 5
    assert answer.facts["answered"] == {"model": "gemini-3.1-flash-image-001"}
    assert answer.facts["usage"]["thoughtsTokenCount"] == 300  # type: ignore[index]


def answered(size: tuple[int, int]) -> Any:
    """An answer of both protocols with a picture of this size."""
    picture = coded(png_of("x", size=size))
    both = finished("STOP", drawn(picture)) | {"predictions": [{"bytesBase64Encoded": picture}]}
    return lambda _: Reply(200, both, billed=BILL)


@pytest.mark.parametrize(
    ("options", "asked", "size", "kept"),
    [
        (OWN, {"aspect_ratio": "16:9"}, (16, 16), False),
        (OWN, {"aspect_ratio": "4:5"}, (56, 72), True),
        (OWN, {"aspect_ratio": "3:4"}, (56, 80), False),
        (OWN, {"image_size": "512"}, (256, 256), False),
        (OWN, {"image_size": "512"}, (384, 384), True),
        (OWN, {"image_size": "512"}, (800, 800), False),
        (OWN, {}, (24, 16), True),
        (PREDICT, {"aspect_ratio": "3:4"}, (56, 80), True),
        (PREDICT, {"aspect_ratio": "3:4"}, (16, 16), False),
        (PREDICT, {"image_size": "1K"}, (512, 512), False),
    ],
)
def test_a_picture_of_another_shape_or_size_is_invalid_and_paid(
    service: GoogleService, options: Any, asked: dict[str, Any], size: tuple[int, int], kept: bool
) -> None:
    service.instead = answered(size)
    (answer,) = ask(shot(**asked), **options)
    assert isinstance(answer, Render if kept else Failure)
    if isinstance(answer, Failure):
        assert (answer.reason, answer.paid) == ("invalid", 0.1)
        assert f"was asked for, and one of {size[0]}x{size[1]} came" in answer.text


def test_an_endpoint_of_one_s_own_is_asked_by_imagen_s_protocol(service: GoogleService) -> None:
    (answer,) = ask(shot(7, model="imagen-4.0-generate-001", guidance_scale=3.5, negative_prompt="fog"), **PREDICT)
    assert isinstance(answer, Render)
    (request,) = service.requests
    assert request.path == "/v1beta1/publishers/google/models/imagen-4.0-generate-001:predict"
    assert request.body["parameters"] == {
        "sampleCount": 1,
        "includeRaiReason": True,
        "addWatermark": False,
        "enhancePrompt": False,
        "seed": 7,
        "guidanceScale": 3.5,
        "negativePrompt": "fog",
    }
    (_,) = ask(shot(7, add_watermark=True), **PREDICT)
    assert "seed" not in service.requests[1].body["parameters"]


def test_a_refusal_and_a_rewritten_prompt_of_predict_are_told(service: GoogleService) -> None:
    service.instead = lambda _: Reply(200, {"predictions": [{"raiFilteredReason": "Violence. Code: 1"}]})
    (answer,) = ask(shot(), **PREDICT)
    assert isinstance(answer, Failure)
    assert (answer.reason, answer.text) == ("refused", "refused: Violence. Code: 1")
    service.instead = lambda _: Reply(200, {"predictions": []})
    (answer,) = ask(shot(), **PREDICT)
    assert isinstance(answer, Failure)
    assert answer.reason == "error"


@pytest.mark.parametrize("options", [OWN, PREDICT], ids=["gemini", "predict"])
@pytest.mark.parametrize("name", TROUBLES)
def test_an_error_of_the_service_is_of_its_class(service: GoogleService, name: str, options: dict[str, Any]) -> None:
    reply, kind = TROUBLES[name]
    service.instead = lambda _: reply
    if kind == "stop":
        with pytest.raises(EngineError) as stopped:
            ask(*[shot(number) for number in range(9)], **options, threads=2)
        assert KEY not in str(stopped.value)
        assert len(service.requests) <= 2
        return
    (answer,) = ask(shot(), **options, attempts=3)
    assert isinstance(answer, Failure)
    assert answer.reason == ("error" if kind.startswith("again") else kind)
    assert len(service.requests) == {"again": 3, "again once": 2}.get(kind, 1)
    assert "<html>" not in answer.text


@pytest.mark.parametrize("name", WITHOUT)
def test_an_answer_without_a_picture_never_becomes_one(service: GoogleService, name: str) -> None:
    body, kind = WITHOUT[name]
    service.instead = lambda _: Reply(200, body, billed=BILL)
    (answer,) = ask(shot())
    assert isinstance(answer, Failure)
    assert answer.reason == kind, answer.text
    assert answer.retryable == (kind == "error")
    assert len(service.requests) == 1


@pytest.mark.parametrize("options", [OWN, PREDICT], ids=["gemini", "predict"])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("HTML", "the answer is a page of HTML"),
        ("truncated JSON", "the answer is JSON that is cut off or damaged"),
        ("nothing at all", "the answer is empty"),
        ("a list", "the answer is JSON, but not as the protocol says"),
        ("an error in it", "the service answered 200, but: overloaded"),
    ],
)
def test_each_kind_of_answer_without_a_picture_has_its_own_words(
    service: GoogleService, options: dict[str, Any], name: str, words: str
) -> None:
    service.instead = lambda _: Reply(200, WITHOUT[name][0], billed=BILL)
    (answer,) = ask(shot(), **options)
    assert isinstance(answer, Failure)
    assert answer.text.startswith(words)


def test_a_refusal_in_words_keeps_the_words(service: GoogleService) -> None:
    service.instead = lambda _: Reply(200, WITHOUT["words only"][0])
    (answer,) = ask(shot())
    assert isinstance(answer, Failure)
    assert answer.text == "the service answered with words instead of a picture: STOP: I cannot draw people."


@pytest.mark.parametrize("options", [OWN, PREDICT], ids=["gemini", "predict"])
@pytest.mark.parametrize("way", ["close", "reset", "stall"])
@pytest.mark.parametrize("phase", ["read", "headers", "half"])
def test_a_request_that_was_sent_and_not_answered_is_unknown_and_not_sent_again(
    service: GoogleService, way: Any, phase: Any, options: dict[str, Any]
) -> None:
    service.spoil = lambda _: Fault(way, phase)
    (answer,) = ask(shot(), **options | {"timeout": 1.0})
    assert isinstance(answer, Failure)
    assert (answer.reason, answer.retryable, answer.paid) == ("unknown", False, None)
    assert len(service.requests) == 1


def test_a_service_that_is_not_there_was_sent_nothing(service: GoogleService) -> None:
    service.close()
    for options in (OWN, PREDICT):
        (answer,) = ask(shot(), **options, attempts=2)
        assert isinstance(answer, Failure)
        assert (answer.reason, answer.paid) == ("error", 0.0)


@pytest.mark.parametrize(
    ("name", "successor"),
    [
        ("imagen-4.0-generate-001", "gemini-3.1-flash-image"),
        ("imagen-4.0-ultra-generate-001", "gemini-3-pro-image"),
        ("imagen-3.0-generate-002", "gemini-3.1-flash-image"),
        ("gemini-3-pro-image-preview", "gemini-3-pro-image"),
    ],
)
def test_a_retired_model_is_an_error_with_its_date_and_successor(name: str, successor: str) -> None:
    with pytest.raises(StudyError, match=rf"was shut down on .* 2026\. Its successor is '{successor}'"):
        GoogleEngine().check({"model": name})


def test_imagen_s_protocol_is_not_asked_of_google_itself() -> None:
    with pytest.raises(EngineError, match="17 August 2026"):
        GoogleEngine(protocol="predict")


def test_thinking_is_in_the_bill_and_no_picture_costs_more_than_was_reserved() -> None:
    known = models.table("google").models
    assert cost(known[MODEL], USAGE) == pytest.approx(BILL)
    for settings in ({}, {"image_size": "4K"}):
        price = GoogleEngine().price({"model": MODEL, "prompt": "an owl", **settings})
        assert price is not None
        assert price.amount > BILL
    assert GoogleEngine().price({"model": "gemini-9", "prompt": "an owl"}) is None


def test_every_entry_of_the_shipped_table_is_dated_sourced_and_priced_or_gone() -> None:
    table = models.table("google")
    for name, model in table.models.items():
        assert model.source, name
        assert model.pictures or model.retired(table.checked), name
        if model.off:
            assert model.successor in table.models
