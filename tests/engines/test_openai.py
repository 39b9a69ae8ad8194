"""The engine `openai`, by the official client against a service on this machine that speaks its protocol."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.hosted.openai_service import KEY, TROUBLES, OpenAIService, body_of, spoiled
from tests.hosted.service import Fault, Reply, Request, png_of

from teststrip.engines.openai import OpenAIEngine
from teststrip.errors import EngineError, StudyError
from teststrip.hosted import configuration, models
from teststrip.hosted.tokens import most, output_tokens
from teststrip.records import EngineRef, Failure, Render, Shot
from teststrip.testing.engine_contract import EngineContract

pytest.importorskip("openai")
HEADERS = pytest.importorskip("teststrip.hosted.connections").HEADERS

OWN = {"provider": "here", "first_wait": 0.001, "timeout": 2.0}


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIService]:
    """The service, named "here" in a configuration of its own."""
    with OpenAIService() as found:
        file = tmp_path / "config.toml"
        file.write_text(f'[providers.here]\nbase_url = "{found.url}"\nkey = "env:HOSTED_KEY"\nprice = "0.02 USD"\n')
        monkeypatch.setenv(configuration.VARIABLE, str(file))
        monkeypatch.setenv("HOSTED_KEY", KEY)
        yield found


def shot(number: int = 0, **settings: Any) -> Shot:
    options = {"provider": "here"}
    asked = {"prompt": f"owl {number}", "seed": number, "model": "gpt-image-2", "size": "32x16"}
    return Shot(EngineRef("openai", options), asked | settings)


def ask(*shots: Shot, **options: Any) -> list[Render | Failure]:
    engine = OpenAIEngine(**OWN | options)
    try:
        return list(engine.render(shots))
    finally:
        engine.close()


class TestOpenAIKeepsTheContract(EngineContract):
    @pytest.fixture
    def engine(self, service: OpenAIService) -> Iterator[OpenAIEngine]:
        engine = OpenAIEngine(**OWN)
        yield engine
        engine.close()

    @pytest.fixture
    def ref(self) -> EngineRef:
        return EngineRef("openai", {"provider": "here"})

    @pytest.fixture
    def knobs(self) -> dict[str, Any]:
        return {"model": "gpt-image-2", "size": "32x16"}


def test_the_request_is_what_was_asked_and_nothing_else(service: OpenAIService) -> None:
    (answer,) = ask(shot(quality="high", output_format="png", complexity="low", moderation="low", background="opaque"))
    assert isinstance(answer, Render)
    (request,) = service.requests
    assert request.body == {
        "prompt": "owl 0",
        "n": 1,
        "model": "gpt-image-2",
        "size": "32x16",
        "quality": "high",
        "output_format": "png",
        "complexity": "low",
        "moderation": "low",
        "background": "opaque",
    }
    assert answer.data == png_of("owl 0", 0, "gpt-image-2", "high", size=(32, 16))
    assert answer.facts["answered"] == {
        "size": "32x16",
        "quality": "high",
        "background": "opaque",
        "output_format": "png",
    }
    assert answer.facts["request_id"] == "req_0"
    assert answer.facts["usage"]["output_tokens"] == 100  # type: ignore[index]


@pytest.mark.parametrize(
    ("asked", "said", "why"),
    [
        ({"quality": "high"}, {"quality": "low"}, "quality: high was asked for, and the answer says low"),
        ({"background": "transparent"}, {"background": "opaque"}, "background: transparent was asked for"),
        ({"output_format": "webp"}, {"output_format": "png"}, "output_format: webp was asked for"),
        ({"output_format": "webp"}, {"output_format": "webp"}, "a picture as webp was asked for, and png came"),
        ({}, {"size": "64x64"}, "size: 32x16 was asked for, and the answer says 64x64"),
        ({"quality": "high"}, {"quality": KEY + "x" * 1000}, "the answer says [key]"),
        ({"quality": "high"}, {"quality": None}, ""),
        ({"quality": "high"}, {"quality": "auto"}, ""),
        ({"quality": "auto", "background": "auto"}, {"quality": "low", "background": "transparent"}, ""),
    ],
)
def test_a_picture_that_contradicts_what_was_asked_is_invalid_and_paid(
    service: OpenAIService, asked: dict[str, Any], said: dict[str, Any], why: str
) -> None:
    service.instead = lambda request: Reply(200, body_of(request) | said)
    (answer,) = ask(shot(**asked))
    assert isinstance(answer, Failure if why else Render)
    if isinstance(answer, Failure):
        assert (answer.reason, answer.paid) == ("invalid", 0.02)
        assert why in answer.text
        assert len(answer.text) < 400


def test_fields_that_a_server_takes_are_declared_and_sent(service: OpenAIService) -> None:
    (answer,) = ask(shot(7, guidance_scale=4.5), extra="seed, guidance_scale")
    assert isinstance(answer, Render)
    assert (service.requests[0].body["seed"], service.requests[0].body["guidance_scale"]) == (7, 4.5)
    with pytest.raises(EngineError, match="Did you mean 'num_inference_steps'"):
        OpenAIEngine(provider="here", extra="num_inference_step")
    with pytest.raises(EngineError, match="takes no further field"):
        OpenAIEngine(extra="seed")


@pytest.mark.parametrize("name", TROUBLES)
def test_an_error_of_the_service_is_of_its_class(service: OpenAIService, name: str) -> None:
    reply, kind = TROUBLES[name]
    service.instead = lambda _: reply
    if kind == "stop":
        with pytest.raises(EngineError) as stopped:
            ask(*[shot(number) for number in range(9)], threads=2)
        assert KEY not in str(stopped.value)
        assert len(service.requests) <= 2
        return
    (answer,) = ask(shot(), attempts=3)
    assert isinstance(answer, Failure)
    assert answer.reason == ("error" if kind.startswith("again") else kind)
    assert answer.retryable == kind.startswith("again")
    assert len(service.requests) == {"again": 3, "again once": 2}.get(kind, 1)
    assert "<html>" not in answer.text
    assert "\n" not in answer.text


def test_a_refusal_tells_stage_and_categories(service: OpenAIService) -> None:
    service.instead = lambda _: TROUBLES["moderation of the output"][0]
    (answer,) = ask(shot())
    assert isinstance(answer, Failure)
    assert answer.text.startswith("refused at the output for violence: Your request was rejected")
    assert answer.paid is None  # a refused output took all the time of a picture, and may be billed


def spoils() -> list[str]:
    return list(spoiled(Request(0, "", {}, {"prompt": "x", "model": "m", "size": "32x16"})))


@pytest.mark.parametrize("name", spoils())
def test_an_answer_without_a_picture_for_the_cell_never_becomes_one(service: OpenAIService, name: str) -> None:
    service.instead = lambda request: spoiled(request)[name][0]
    (answer,) = ask(shot())
    assert isinstance(answer, Failure)
    assert answer.reason == spoiled(service.requests[0])[name][1]
    assert not answer.retryable
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("HTML", "the answer is a page of HTML"),
        ("truncated JSON", "the answer is JSON that is cut off or damaged"),
        ("nothing at all", "the answer is empty"),
        ("null", "the answer is JSON, but not as the protocol says"),
        ("an empty list", "the service answered 200, but: it holds no picture"),
        ("an error in it", "the service answered 200, but: The engine is overloaded."),
        ("a black picture", "the picture is black"),
        ("half a picture", "the answer holds no picture: "),
    ],
)
def test_each_kind_of_answer_without_a_picture_has_its_own_words(service: OpenAIService, name: str, words: str) -> None:
    service.instead = lambda request: spoiled(request)[name][0]
    (answer,) = ask(shot())
    assert isinstance(answer, Failure)
    assert answer.text.startswith(words)


@pytest.mark.parametrize("way", ["close", "reset", "stall", "drip"])
@pytest.mark.parametrize("phase", ["read", "headers", "half"])
def test_a_request_that_was_sent_and_not_answered_is_unknown_and_not_sent_again(
    service: OpenAIService, way: Any, phase: Any
) -> None:
    service.spoil = lambda _: Fault(way, phase)
    (answer,) = ask(shot(), timeout=1.0)
    assert isinstance(answer, Failure)
    assert (answer.reason, answer.retryable, answer.paid) == ("unknown", False, None)
    assert "perhaps paid" in answer.text
    assert len(service.requests) == len(service.billed) == 1


@pytest.mark.parametrize("way", ["close", "reset", "stall"])
def test_a_connection_that_ends_after_the_answer_costs_no_picture(service: OpenAIService, way: Any) -> None:
    service.spoil = lambda _: Fault(way, "whole")
    (answer,) = ask(shot(), timeout=1.0)
    assert isinstance(answer, Render)


@pytest.mark.parametrize("way", ["close", "reset", "stall"])
def test_a_request_that_nobody_read_is_not_sent_twice_where_it_may_have_been_read(
    service: OpenAIService, way: Any
) -> None:
    service.spoil = lambda _: Fault(way, "accepted")
    (answer,) = ask(shot(), timeout=1.0, attempts=2)
    assert isinstance(answer, Failure)
    assert answer.reason in ("unknown", "error")  # by whether the network had taken the whole request
    assert service.billed == []


def test_a_service_that_is_not_there_is_asked_again_and_then_stops_the_run(service: OpenAIService) -> None:
    service.close()
    with pytest.raises(EngineError, match="not reached"):
        ask(*[shot(number) for number in range(20)], attempts=2)


def test_a_server_of_one_s_own_learns_nothing_that_is_meant_for_another(
    service: OpenAIService, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("API_KEY", "ADMIN_KEY", "ORG_ID", "PROJECT_ID", "WEBHOOK_SECRET")
    for name in names:
        monkeypatch.setenv(f"OPENAI_{name}", f"canary-7Q2-{name}")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Secret: canary-7Q2-header")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/canary-7Q2-url")
    (answer,) = ask(shot())
    assert isinstance(answer, Render)
    (request,) = service.requests
    assert "canary-7Q2-" not in str(request)
    assert set(request.headers) <= {*HEADERS, "connection", "accept-encoding"}


def test_what_a_hostile_server_says_is_bounded_and_holds_no_key(service: OpenAIService) -> None:
    def hostile(request: Request) -> Reply:
        body = body_of(request)
        body["data"][0]["revised_prompt"] = f"{KEY} \x1b[2J \ud800 " + "x" * 1_000_000
        return Reply(200, body | {"quality": KEY, "size": "9" * 10_000}, {"x-request-id": KEY})

    service.instead = hostile
    (answer,) = ask(shot(size="auto"))
    assert isinstance(answer, Render)
    assert len(str(answer.facts)) < 10_000
    assert KEY not in str(answer.facts)
    service.instead = lambda _: Reply(
        400, {"error": {"message": f"no {KEY}" + "y" * 1_000_000, "code": KEY, "type": KEY}}
    )
    (failure,) = ask(shot())
    assert isinstance(failure, Failure)
    assert len(failure.text) < 400
    assert KEY not in failure.text


def test_an_answer_that_is_nested_beyond_sense_fails_its_shot_alone(service: OpenAIService) -> None:
    service.instead = lambda request: Reply(200, b'{"data":' + b"[" * 100_000) if request.number == 0 else None
    answers = ask(shot(0), shot(1), threads=1)
    assert [type(answer) for answer in answers] == [Failure, Render]


def test_a_study_can_be_planned_without_key_and_without_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    engine = OpenAIEngine()
    engine.check({"model": "gpt-image-2", "size": "1024x1024", "quality": "low", "prompt": "an owl"})
    price = engine.price({"model": "gpt-image-2", "size": "1024x1024", "quality": "low", "prompt": "an owl"})
    assert price is not None
    assert 0.00588 < price.amount < 0.0063
    with pytest.raises(EngineError, match="environment variable OPENAI_API_KEY is not set"):
        list(engine.render([shot()]))


@pytest.mark.parametrize("name", ["dall-e-3", "dall-e-2", "gpt-image-1"])
def test_a_retired_model_is_an_error_unless_a_server_of_one_s_own_serves_it(service: OpenAIService, name: str) -> None:
    with pytest.raises(StudyError, match=r"was shut down on .* 2026\. Its successor is"):
        OpenAIEngine().check({"model": name})
    OpenAIEngine(provider="here").check({"model": name})
    (answer,) = ask(shot(model=name))
    assert isinstance(answer, Render)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "model is missing"),
        ({"model": "gpt-image-22"}, "Did you mean 'gpt-image-2'"),
        ({"model": "gpt-image-2", "quality": "xhigh"}, "There are: auto, low, medium, high"),
        ({"model": "gpt-image-2", "size": "1000x1000"}, "multiples of 16"),
        ({"model": "gpt-image-2", "size": "3200x1024"}, "three times the other"),
        ({"model": "gpt-image-2", "size": "4096x2048"}, "above 3840"),
        ({"model": "gpt-image-2", "size": "64x64"}, "655,360 to 8,294,400"),
        ({"model": "gpt-image-2", "size": "big"}, "is no size"),
        ({"model": "gpt-image-2", "background": "transparent", "output_format": "jpeg"}, "cannot be transparent"),
        ({"model": "gpt-image-2", "output_compression": 50}, "a PNG has none"),
    ],
)
def test_what_the_service_would_refuse_is_an_error_before_anything_is_paid(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(StudyError) as refused:
        OpenAIEngine().check(settings)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("factor", "size", "tokens"),
    [
        (16, (1024, 1024), 196),
        (48, (1024, 1024), 1756),
        (96, (1024, 1024), 7024),
        (16, (1536, 1024), 158),
        (48, (1536, 1024), 1372),
        (96, (1536, 1024), 5488),
        (16, (3840, 2160), 371),
        (48, (3840, 2160), 3336),
        (96, (3840, 2160), 13342),
    ],
)
def test_tokens_are_those_of_the_service_s_own_calculator(factor: int, size: tuple[int, int], tokens: int) -> None:
    assert output_tokens(factor, *size) == output_tokens(factor, *size[::-1]) == tokens


def test_prices_are_the_published_ones() -> None:
    known = models.table("openai").models
    two, half = known["gpt-image-2"], known["gpt-image-2.5-flare"]
    assert [most(two, "1024x1024", q) for q in ("low", "medium", "high")] == pytest.approx([0.00588, 0.05268, 0.21072])
    five = ("low", "medium", "high", "xhigh", "max")
    published = [0.00588, 0.01317, 0.05268, 0.09366, 0.21072]
    assert [most(half, "1024x1024", q) for q in five] == pytest.approx(published, abs=1e-4)
    assert most(two, "3840x2160", "high") == pytest.approx(0.40026)
    assert most(known["gpt-image-1.5"], "1536x1024", "medium") == 0.05


def test_no_size_and_no_quality_costs_more_than_what_is_left_to_the_service() -> None:
    for name, model in models.table("openai").models.items():
        dearest = most(model, None, None)
        for quality in (*model.factors, "low", "medium", "high"):
            for size in ("1024x1024", "1536x1024", "3840x2160", "2880x2880", "1024x3072"):
                one = most(model, size, quality)
                assert one is None or (dearest is not None and one <= dearest), (name, size, quality)
