"""The engine `http`: the declarations of docs/services.md against local services that speak their protocols."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.declared.services import BLACK, CUT, HTML, KEY, REFUSALS, SERVICES, Flux, Local, Replicate, Sketch, config
from tests.hosted.service import Fault, Reply, Request, png_of

from teststrip.engines.http import HttpEngine
from teststrip.errors import EngineError, StudyError
from teststrip.hosted import configuration
from teststrip.records import EngineRef, Failure, Price, Render, Shot
from teststrip.testing.engine_contract import EngineContract

pytest.importorskip("httpx2")

Start = Callable[[type[Local]], Local]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a service and declares it as the documentation does."""
    running: list[Local] = []

    def started(kind: type[Local], change: Callable[[str], str] = str) -> Local:
        service = kind()
        running.append(service)
        (tmp_path / "config.toml").write_text(change(config(service)), encoding="utf-8")
        monkeypatch.setenv(configuration.VARIABLE, str(tmp_path / "config.toml"))
        if service.variable:
            monkeypatch.setenv(service.variable, KEY)
        return service

    yield started
    for service in running:
        service.close()
        assert service.bad == []


def shot(service: Local, number: int = 0, **settings: Any) -> Shot:
    asked = {"prompt": f"owl {number}", "seed": number, **service.settings}
    return Shot(EngineRef("http", {"service": service.name}), asked | settings)


def ask(service: Local, *shots: Shot, **options: Any) -> list[Render | Failure]:
    engine = HttpEngine(**{"service": service.name, "first_wait": 0.001, "timeout": 0.8, "threads": 1} | options)
    try:
        return list(engine.render(shots))
    finally:
        engine.close()


def at(service: Local, step: str, reply: Reply, *, times: int = 10**6) -> None:
    """Answer so at a step, so many times; a request is billed all the same."""
    left = [times]

    def instead(request: Request) -> Reply | None:
        if service.step(request) != step or not left[0]:
            return None
        left[0] -= 1
        if step == "submit" and reply.status < 300:
            service.billed.append((service.prompt(request), service.bill))
        return reply

    service.instead = instead


class TestHttpKeepsTheContract(EngineContract):
    @pytest.fixture
    def service(self, start: Start) -> Local:
        return start(Flux)

    @pytest.fixture
    def engine(self, service: Local) -> Iterator[HttpEngine]:
        engine = HttpEngine(service="flux", first_wait=0.001)
        yield engine
        engine.close()

    @pytest.fixture
    def ref(self) -> EngineRef:
        return EngineRef("http", {"service": "flux"})

    @pytest.fixture
    def knobs(self) -> dict[str, Any]:
        return dict(Flux.settings)


@pytest.mark.parametrize("kind", SERVICES)
def test_a_documented_declaration_gives_the_picture_of_its_cell(start: Start, kind: type[Local]) -> None:
    service = start(kind)
    (answer,) = ask(service, shot(service, 3))
    assert isinstance(answer, Render), answer
    assert [service.step(request) for request in service.requests] == list(service.steps)
    asked = service.flat(next(one for one in service.requests if service.step(one) == "submit"))
    assert asked["prompt"] == "owl 3"
    for name, value in service.settings.items():
        assert name == "model" or str(asked[name]) == str(value)
    drawn = service.jobs["job0"] if service.jobs else asked
    assert answer.data == service.drawn(drawn)
    assert len(service.billed) == 1
    assert answer.facts["price"] == pytest.approx(service.bill)


@pytest.mark.parametrize("kind", [kind for kind in SERVICES if kind.name not in ("stability", "sketch")])
def test_numbers_are_sent_as_numbers_and_the_seed_that_was_used_is_kept(start: Start, kind: type[Local]) -> None:
    service = start(kind)
    (answer,) = ask(service, shot(service, 2**32 - 1))
    assert isinstance(answer, Render)
    asked = service.flat(next(one for one in service.requests if service.step(one) == "submit"))
    assert type(asked["seed"]) is int
    for name, value in service.settings.items():
        assert name == "model" or type(asked[name]) is type(value)
    assert answer.facts["sent_seed"] == asked["seed"]
    assert "revised_prompt" not in answer.facts


def faults(every: bool) -> list[Any]:
    """Each service, step, way and phase; or for each service and step one way in two phases."""
    ways, phases = ("close", "reset", "stall", "drip"), ("accepted", "read", "headers", "half")
    phases = phases if every else ("read", "half")
    return [
        pytest.param(kind, index, step, way, phase, id=f"{kind.name}-{index}{step}-{way}-{phase}")
        for kind in SERVICES
        for index, step in enumerate(kind.steps)
        for number, phase in enumerate(phases)
        for way in (ways if every else [ways[(number + index) % 4]])
    ]


def spoiled(start: Start, kind: type[Local], index: int, step: str, way: Any, phase: Any) -> None:
    service = start(kind)
    service.spoil = lambda number: Fault(way, phase) if number == index else None
    (answer,) = ask(service, shot(service))
    assert len(service.billed) <= 1, "paid twice"
    if step != "submit":
        assert isinstance(answer, Render), answer
        return
    if phase != "accepted":
        assert isinstance(answer, Failure)
        padded = (way, phase) == ("drip", "half")  # drops fill a short answer up, which is then no JSON
        assert answer.reason == "unknown" or (padded and answer.reason == "invalid")
        assert (answer.paid, len(service.requests) - index) == (None, 1)
    elif isinstance(answer, Failure):
        assert answer.reason == "unknown"
        assert not service.billed


@pytest.mark.parametrize(("kind", "index", "step", "way", "phase"), faults(every=False))
def test_a_spoiled_request_is_made_good_where_it_is_free_and_unknown_where_it_is_paid(
    start: Start, kind: type[Local], index: int, step: str, way: Any, phase: Any
) -> None:
    spoiled(start, kind, index, step, way, phase)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "index", "step", "way", "phase"), faults(every=True))
def test_so_it_is_in_every_way_in_every_phase_of_every_step(
    start: Start, kind: type[Local], index: int, step: str, way: Any, phase: Any
) -> None:
    spoiled(start, kind, index, step, way, phase)


NAMES = ("HTML", "cut", "error", "empty", "null")
STEPS = [pytest.param(kind, step, id=f"{kind.name}-{step}") for kind in SERVICES for step in dict.fromkeys(kind.steps)]


@pytest.mark.parametrize(("kind", "step"), STEPS)
def test_an_answer_of_200_without_what_the_protocol_says_is_no_picture_and_is_paid_once(
    start: Start, kind: type[Local], step: str
) -> None:
    for name in NAMES if kind is Flux else NAMES[:1]:
        says_nothing(start, kind, step, name)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "step"), STEPS)
@pytest.mark.parametrize("name", NAMES)
def test_so_it_is_with_every_such_answer_of_every_step(start: Start, kind: type[Local], step: str, name: str) -> None:
    says_nothing(start, kind, step, name)


def says_nothing(start: Start, kind: type[Local], step: str, name: str) -> None:
    service = start(kind)
    error = Reply(200, {"error": {"message": "Overloaded."}, "images": [], "data": [], "output": []})
    at(
        service,
        step,
        {"HTML": HTML, "cut": CUT, "error": error, "empty": Reply(200, b""), "null": Reply(200, None)}[name],
    )
    if step == "quote":
        with pytest.raises(EngineError, match="did not say what the image costs"):
            ask(service, shot(service))
        assert not service.billed
        return
    (answer,) = [*ask_quietly(service)]
    assert isinstance(answer, Failure)
    wanted = {"submit": {"invalid"}, "poll": {"unknown"}, "result": {"unknown", "invalid"}, "fetch": {"invalid"}}
    assert answer.reason in wanted[step], answer
    assert not answer.retryable
    assert len(service.billed) == 1


def ask_quietly(service: Local) -> Iterator[Render | Failure]:
    """The answers before a run stops by itself."""
    engine = HttpEngine(service=service.name, first_wait=0.001, timeout=0.3, threads=1)
    try:
        yield from engine.render([shot(service)])
    except EngineError:
        pass
    finally:
        engine.close()


@pytest.mark.parametrize("kind", [kind for kind in SERVICES if kind.name in REFUSALS])
def test_a_refusal_is_of_its_class_even_where_it_comes_with_200_and_a_black_picture(
    start: Start, kind: type[Local]
) -> None:
    service = start(kind)
    step, body = REFUSALS[kind.name]
    at(service, step, Reply(200, body))
    (answer,) = ask(service, shot(service))
    assert isinstance(answer, Failure)
    assert (answer.reason, answer.retryable) == ("refused", False)
    assert len(service.billed) == 1


def test_a_refusal_with_an_error_status_is_one(start: Start) -> None:
    service = start(SERVICES[3])
    at(service, "submit", Reply(403, {"id": "a", "name": "content_moderation", "errors": ["Flagged."]}))
    (answer,) = ask(service, shot(service))
    assert isinstance(answer, Failure)
    assert (answer.reason, answer.text) == ("refused", "refused: Flagged.")


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "invalid"),
        (422, "invalid"),
        (429, "error"),
        (503, "error"),
        (500, "error"),
        (504, "unknown"),
        (524, "unknown"),
    ],
)
def test_an_error_status_of_the_paid_request_is_of_its_class(start: Start, status: int, reason: str) -> None:
    service = start(Flux)
    at(service, "submit", Reply(status, {"detail": f"No: {KEY}"}, {"retry-after": "0.01"}))
    (answer,) = ask(service, shot(service), attempts=3)
    assert isinstance(answer, Failure)
    assert answer.reason == reason
    assert KEY not in answer.text
    assert len(service.requests) == {429: 3, 503: 3, 500: 2}.get(status, 1), "what may be charged is asked again once"


@pytest.mark.parametrize("status", [401, 402, 403, 404, 302, 307])
def test_an_error_that_all_requests_would_have_stops_the_run(start: Start, status: int) -> None:
    service = start(Flux)
    at(service, "submit", Reply(status, {"detail": f"No: {KEY}"}, {"location": "http://169.254.169.254/"}))
    with pytest.raises(EngineError, match="would to every request") as stopped:
        ask(service, *[shot(service, number) for number in range(9)])
    assert KEY not in str(stopped.value)
    assert len(service.requests) == 1


def test_a_busy_poll_waits_as_long_as_it_is_asked_and_costs_nothing(start: Start) -> None:
    service = start(Replicate)
    at(service, "poll", Reply(429, {"detail": "slower"}, {"retry-after": "0.05"}), times=3)
    (answer,) = ask(service, shot(service))
    assert isinstance(answer, Render)
    assert len(service.billed) == 1


@pytest.mark.parametrize("where", ["http://169.254.169.254/latest", "http://evil.example.com/x", "file:///etc/passwd"])
@pytest.mark.parametrize("step", ["submit", "poll"])
def test_an_address_on_another_host_is_never_asked_and_ends_the_run(start: Start, where: str, step: str) -> None:
    service = start(Flux)
    told = {
        "submit": {"id": "job0", "polling_url": where},
        "poll": {"id": "job0", "status": "Ready", "result": {"sample": where}},
    }
    at(service, step, Reply(200, told[step]))
    engine = HttpEngine(service="flux", first_wait=0.001, threads=1)
    answers = []
    with pytest.raises(EngineError, match="named an address"):
        answers.extend(engine.render([shot(service, number) for number in range(9)]))
    engine.close()
    assert len(service.billed) == 1


def test_a_picture_may_redirect_once_to_a_listed_host_and_the_key_goes_nowhere(start: Start) -> None:
    service = start(Replicate)
    moved = f"http://{service.elsewhere}/files/job0.png?again"
    at(service, "fetch", Reply(302, b"", {"location": moved}), times=1)
    service.picture = lambda job: png_of("moved", size=(16, 16))  # type: ignore[method-assign]
    (answer,) = ask(service, shot(service))
    assert isinstance(answer, Render)
    at(service, "fetch", Reply(302, b"", {"location": moved}))
    (answer,) = ask(service, shot(service, 1))
    assert isinstance(answer, Failure)
    assert answer.reason == "unknown"


def test_a_black_picture_is_blank(start: Start) -> None:
    service = start(Replicate)
    service.picture = lambda job: BLACK  # type: ignore[method-assign]
    (answer,) = ask(service, shot(service))
    assert isinstance(answer, Failure)
    assert answer.reason == "blank"


def test_a_state_that_is_not_declared_ends_the_run_and_is_kept(start: Start) -> None:
    service = start(Flux)
    at(service, "poll", Reply(200, {"status": "Reviewing"}))
    with pytest.raises(EngineError, match=r"'Reviewing', which states of \[services.flux\] does not name"):
        ask(service, shot(service))


def test_a_price_above_the_declared_one_buys_nothing_more(start: Start) -> None:
    dear = lambda text: text.replace('price = "0.12 USD"', 'price = "0.05 USD"')  # noqa: E731
    service = start(SERVICES[4], dear)  # type: ignore[call-arg]
    with pytest.raises(EngineError, match=r"asks 0\.06 USD for an image, more than the 0\.05 of price"):
        ask(service, shot(service))
    assert not service.billed
    cheap = lambda text: text.replace('price = "0.10 USD"', 'price = "0.04 USD"')  # noqa: E731
    service = start(Flux, cheap)  # type: ignore[call-arg]
    answers = []
    engine = HttpEngine(service="flux", threads=1)
    with pytest.raises(EngineError, match=r"charged 0\.05 USD for an image, more than the 0\.04 of price"):
        answers.extend(engine.render([shot(service, number) for number in range(5)]))
    engine.close()
    assert len(service.billed) == 1


@pytest.mark.parametrize("shots", [1, 2, 5])
@pytest.mark.parametrize("blank", [False, True])
def test_a_cost_above_the_declared_price_is_said_once_even_where_it_was_the_last_image_or_none(
    start: Start, shots: int, blank: bool
) -> None:
    cheap = lambda text: text.replace('price = "0.10 USD"', 'price = "0.04 USD"')  # noqa: E731
    service = start(Flux, cheap)  # type: ignore[call-arg]
    if blank:
        service.picture = lambda job: BLACK  # type: ignore[method-assign]
    engine, answers = HttpEngine(service="flux", threads=1), list[Render | Failure]()
    with pytest.raises(EngineError, match=r"charged 0\.05 USD for an image, more than the 0\.04 of price"):
        answers.extend(engine.render([shot(service, number) for number in range(shots)]))
    engine.close()
    assert len(service.billed) == 1
    assert isinstance(answers[0], Failure if blank else Render)


def test_an_idempotent_service_is_sent_a_lost_request_again_under_the_same_name(start: Start) -> None:
    service = start(Sketch, lambda text: text.replace("seed =", 'idempotency = "Idempotency-Key"\nseed ='))  # type: ignore[call-arg]
    service.spoil = lambda number: Fault("close", "read") if number < 2 else None
    (answer,) = ask(service, shot(service))
    assert isinstance(answer, Render)
    assert [one.headers["idempotency-key"] for one in service.requests] == [shot(service).id] * 3
    service.spoil = lambda number: Fault("close", "read")
    (answer,) = ask(service, shot(service, 1), attempts=3)
    assert isinstance(answer, Failure)
    assert (answer.reason, answer.paid) == ("unknown", None), "a later run does not send it again by itself"


def test_a_body_that_is_the_picture_itself_is_taken(start: Start) -> None:
    def bytes_instead(text: str) -> str:
        return text.replace('picture = "images.0"\nis = "base64"', 'is = "bytes"')

    service = start(Sketch, bytes_instead)  # type: ignore[call-arg]
    at(service, "submit", Reply(200, png_of("x"), {"content-type": "image/png"}))
    (answer,) = ask(service, shot(service))
    assert isinstance(answer, Render)
    at(service, "submit", HTML)
    (answer,) = ask(service, shot(service))
    assert isinstance(answer, Failure)
    assert answer.reason == "invalid"


def test_what_a_study_can_ask_is_known_offline(start: Start) -> None:
    service = start(Flux)
    engine = HttpEngine(service="flux")
    assert engine.settings["guidance"].low == 1.5
    assert engine.seeds_as_opened == "best effort"
    assert engine.price({"model": "flux-2-pro"}) == Price(0.10, "USD")
    with pytest.raises(StudyError, match=r"model has no value\. It is a part of the address"):
        engine.check({"prompt": "owl"})
    with pytest.raises(EngineError, match="Did you mean 'flux'"):
        HttpEngine(service="fluxx").check({})
    with pytest.raises(EngineError, match="service is missing"):
        HttpEngine().check({})
    assert set(HttpEngine().settings) == {"prompt", "seed"}
    assert service.requests == []


def test_two_declarations_never_share_a_fingerprint(start: Start) -> None:
    service = start(Flux)
    first = HttpEngine(service="flux").fingerprint(shot(service))
    start(Flux, lambda text: text.replace("prompt_upsampling = false", "prompt_upsampling = true"))  # type: ignore[call-arg]
    assert HttpEngine(service="flux").fingerprint(shot(service)) != first


def test_a_data_url_is_read_and_another_size_or_seed_than_was_asked_is_no_picture(start: Start) -> None:
    def changed(text: str) -> str:
        return text.replace('is = "base64"', 'is = "data url"')

    service = start(Sketch, changed)  # type: ignore[call-arg]
    drawn = base64.b64encode(png_of("x")).decode()
    at(service, "submit", Reply(200, {"images": [f"data:image/png;base64,{drawn}"]}))
    (answer,) = ask(service, shot(service))
    assert isinstance(answer, Render)
    at(service, "submit", Reply(200, {"images": [drawn]}))
    (answer,) = ask(service, shot(service))
    assert isinstance(answer, Failure)
    assert answer.reason == "invalid"

    service = start(Flux, lambda text: text.replace('seed = "best effort"', "same_size = true"))  # type: ignore[call-arg]
    (answer,) = ask(service, shot(service))
    assert isinstance(answer, Failure)
    assert answer.text.startswith("a picture of 64x64 was asked for, and one of 16x16 came")

    service = start(Flux, lambda text: text.replace('"best effort"', '"exact"'))  # type: ignore[call-arg]
    assert HttpEngine(service="flux").seeds_as_opened == "exact"
    (answer,) = ask(service, shot(service, 5))
    assert isinstance(answer, Render)
    result = {"sample": service.address("job0"), "seed": 6}
    at(service, "poll", Reply(200, {"status": "Ready", "result": result}))
    (answer,) = ask(service, shot(service, 5))
    assert isinstance(answer, Failure)
    assert answer.text == "the seed 5 was asked for, and the service used 6"


def test_a_rewritten_prompt_and_the_model_that_answered_are_kept(start: Start) -> None:
    service = start(Replicate, lambda text: text.replace('version = "version"', 'version = "version"\nprompt = "logs"'))  # type: ignore[call-arg]
    told = service.told
    service.told = lambda job, status: told(job, status) | {"logs": "a rewritten owl"}  # type: ignore[method-assign, attr-defined]
    (answer,) = ask(service, shot(service))
    assert isinstance(answer, Render)
    assert answer.facts["revised_prompt"] == "a rewritten owl"
    assert answer.facts["answered"] == {"model": "v1"}
    assert answer.facts["request_id"] == "job0"
