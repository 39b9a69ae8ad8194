"""The engine `comfyui` against a server on this machine that speaks ComfyUI's protocol, well and badly."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.hosted.comfy_service import BAD, HARMLESS, SAMPLERS, ComfyService, Graph, configured
from tests.hosted.service import Fault, Reply, Request, patiently

from teststrip.engines.comfyui import ComfyUIEngine
from teststrip.errors import EngineError, StudyError
from teststrip.hosted import configuration
from teststrip.records import EngineRef, Failure, Render, Shot
from teststrip.testing.engine_contract import EngineContract

pytest.importorskip("httpx2")

OWN = {"family": "sd15", "provider": "here", "first_wait": 0.0, "timeout": 5.0}
REASONS = {"again": "error", "error": "error", "oom": "oom", "invalid": "invalid", "blank": "blank"}


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ComfyService]:
    """The server, named "here" in a configuration of its own."""
    with ComfyService() as found:
        configured(tmp_path, monkeypatch, here=found)
        yield found


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: ComfyService) -> Iterator[ComfyService]:
    """A second server, named "there"."""
    with ComfyService() as found:
        configured(tmp_path, monkeypatch, here=service, there=found)
        yield found


def shot(number: int = 0, **settings: Any) -> Shot:
    asked = {"prompt": f"owl {number}", "seed": number, "model": "sd15.safetensors", "width": 32, "height": 16}
    return Shot(EngineRef("comfyui", {"family": "sd15"}), asked | settings)


def ask(*shots: Shot, **options: Any) -> list[Render | Failure]:
    engine = ComfyUIEngine(**OWN | options)
    try:
        return list(engine.render(shots))
    finally:
        engine.close()


class TestComfyUIKeepsTheContract(EngineContract):
    @pytest.fixture
    def engine(self, service: ComfyService) -> Iterator[ComfyUIEngine]:
        engine = ComfyUIEngine(**OWN)
        yield engine
        engine.close()

    @pytest.fixture
    def ref(self) -> EngineRef:
        return EngineRef("comfyui", {"family": "sd15"})

    @pytest.fixture
    def knobs(self) -> dict[str, Any]:
        return {"model": "sd15.safetensors", "width": 32, "height": 16, "num_inference_steps": 2}

    @pytest.fixture
    def scheduler(self, engine: ComfyUIEngine) -> str:
        return "euler"


def test_what_is_asked_stands_in_the_graph_under_an_id_and_a_file_name_of_our_own(service: ComfyService) -> None:
    asked = shot(3, num_inference_steps=7, guidance_scale=4, scheduler="dpmpp_2m", spacing="karras")
    (answer,) = ask(asked)
    assert isinstance(answer, Render), answer
    ((ident, graph),) = service.ran
    sampler = graph["sampler"]["inputs"]
    assert (sampler["seed"], sampler["steps"], sampler["cfg"]) == (3, 7, 4.0)
    assert (sampler["sampler_name"], sampler["scheduler"]) == ("dpmpp_2m", "karras")
    assert graph["positive"]["inputs"]["text"] == "owl 3"
    assert graph["saved"]["inputs"]["filename_prefix"] == f"teststrip/{ident}"
    sent = next(request for request in service.requests if request.path == "/prompt")
    assert sent.body["client_id"]
    assert "extra_data" not in sent.body
    assert "origin" not in sent.headers
    assert answer.seconds == 1.5  # by the server's clock, and not by ours


@pytest.mark.parametrize("bad", BAD)
def test_a_server_that_treats_a_graph_badly_gives_no_picture_but_the_reason(service: ComfyService, bad: str) -> None:
    service.behave = lambda graph: bad if graph["positive"]["inputs"]["text"] == "owl 1" else ""
    answers = {answer.shot.seed: answer for answer in ask(shot(0), shot(1), shot(2), attempts=3, threads=1)}
    wrong = answers[1]
    assert isinstance(answers[0], Render)
    assert isinstance(answers[2], Render)
    assert isinstance(wrong, Failure)
    assert wrong.reason == REASONS[BAD[bad]], wrong.text
    assert wrong.retryable == (BAD[bad] in ("again", "error", "oom"))
    times = sum(request.path == "/prompt" and "owl 1" in str(request.body) for request in service.requests)
    assert times == (3 if BAD[bad] == "again" else 1)


@pytest.mark.parametrize("bad", [bad for bad, kind in BAD.items() if kind == "again"])
def test_what_a_server_forgot_is_asked_again_under_another_name(service: ComfyService, bad: str) -> None:
    turns = iter([bad, bad])
    seen: dict[str, str] = {}

    def behave(graph: Graph) -> str:
        name = graph["saved"]["inputs"]["filename_prefix"]
        if name not in seen:
            seen[name] = next(turns, "")
        return seen[name]

    service.behave = behave
    (answer,) = ask(shot())
    assert isinstance(answer, Render)
    assert len(seen) == 3


@pytest.mark.parametrize("way", HARMLESS)
def test_what_a_real_server_does_besides_gives_the_picture(service: ComfyService, way: str) -> None:
    service.behave = lambda graph: way
    (answer,) = ask(shot())
    assert isinstance(answer, Render), answer


@pytest.mark.parametrize("phase", ["accepted", "read", "headers", "half", "whole"])
@pytest.mark.parametrize("way", ["close", "reset"])
def test_a_lost_connection_in_any_phase_of_any_request_does_no_harm(
    service: ComfyService, way: Any, phase: Any
) -> None:
    engine = ComfyUIEngine(**OWN)
    engine.meet()
    engine.rehearse(shot().settings)
    for later in range(6):  # the graph, queue, history, picture, and what asks after them
        number = service._connections + later
        service.spoil = lambda now, number=number: Fault(way, phase) if now == number else None  # type: ignore[misc]
        (answer,) = engine.render([shot(later)])
        assert isinstance(answer, Render), answer
        assert service._connections > number or later > 3, "the fault did not happen"
    engine.close()


def test_an_answer_that_was_lost_is_found_by_its_id_and_the_graph_is_sent_once(service: ComfyService) -> None:
    engine = ComfyUIEngine(**OWN)
    engine.meet()
    engine.rehearse(shot().settings)
    number = service._connections
    service.spoil = lambda now: Fault("close", "headers") if now == number else None
    (answer,) = engine.render([shot()])
    engine.close()
    assert isinstance(answer, Render)
    assert sum(request.path == "/prompt" for request in service.requests) == len(service.ran) == 1


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (Reply(200, b"<html>Log in</html>"), "invalid"),
        (Reply(200, b'{"prompt_id": "a'), "invalid"),
        (Reply(200, []), "invalid"),
        (Reply(200, {}), "invalid"),
        (Reply(502, b"<html>Bad gateway</html>"), "error"),
        (Reply(413, b"413: too large"), "invalid"),
    ],
)
def test_an_answer_that_the_protocol_does_not_have_is_a_failure(service: ComfyService, body: Reply, kind: str) -> None:
    service.instead = lambda request: body if request.path == "/prompt" else None
    (answer,) = ask(shot(), attempts=2)
    assert isinstance(answer, Failure)
    assert answer.reason == kind


@pytest.mark.parametrize("status", [401, 403, 302])
def test_a_server_that_says_no_to_everything_stops_the_run(service: ComfyService, status: int) -> None:
    service.instead = lambda request: Reply(status, b"") if request.path == "/prompt" else None
    with pytest.raises(EngineError, match="says no, and would to every request"):
        ask(shot())


def test_a_slow_drip_is_cut_off(service: ComfyService) -> None:
    engine = ComfyUIEngine(**OWN | {"timeout": 1.0, "attempts": 1})
    engine.meet()
    engine.rehearse(shot().settings)
    number = service._connections
    service.spoil = lambda now: Fault("drip", "headers") if now == number else None
    (answer,) = engine.render([shot()])
    engine.close()
    assert isinstance(answer, Render)  # the graph was taken, and is found by its id


def test_a_picture_that_takes_too_long_is_cancelled_on_the_server(service: ComfyService) -> None:
    service.holds = True
    (answer,) = ask(shot(), timeout=1.0)
    assert isinstance(answer, Failure)
    assert answer.reason == "timeout"
    assert "no picture came in 1 s" in answer.text
    assert len(service.interrupted) == 1


def test_a_queue_that_stands_still_is_not_waited_for_beyond_the_time_out(service: ComfyService) -> None:
    service.holds = True
    service._running.append(("foreign", {"1": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}}}))
    engine = ComfyUIEngine(**OWN | {"timeout": 0.5, "attempts": 1})
    (answer,) = engine.render([shot()])
    engine.close()
    assert isinstance(answer, Failure)
    assert (answer.reason, len(service.deleted)) == ("timeout", 1)
    assert "while its queue stood still. Restart it if it draws nothing" in answer.text


def test_closing_cancels_our_own_requests_and_no_other(service: ComfyService) -> None:
    service.holds = True
    foreign = ("foreign", {"1": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}}})
    service._running.append(foreign)
    engine = ComfyUIEngine(**OWN)
    answers: list[Any] = []
    reader = threading.Thread(target=lambda: answers.extend(engine.render([shot(0), shot(1)])))
    reader.start()
    patiently(lambda: len(service._pending) == 2)
    engine.close()
    reader.join(10)
    assert [answer.reason for answer in answers] == ["error", "error"]
    assert len(service.deleted) == 2
    assert service.interrupted == []
    assert service._running == [foreign]


def test_every_value_is_compared_with_the_server_before_the_first_picture(service: ComfyService) -> None:
    engine = ComfyUIEngine(**OWN)
    engine.meet()
    wrong = {
        "scheduler": ("heunpp2", "'heunpp2' is not on the server"),
        "spacing": ("beta", "'beta' is not on the server. There are: simple"),
        "model": ("sd15.safetensor", "Did you mean 'sd15.safetensors'"),
        "vae": ("no.safetensors", "'no.safetensors' is not on the server"),
    }
    for name, (value, text) in wrong.items():
        assert text in engine.rehearse(shot(**{name: value}).settings)
        (answer,) = engine.render([shot(**{name: value})])
        assert isinstance(answer, Failure)
        assert text in answer.text
    assert engine.rehearse(shot(scheduler="a_custom_sampler").settings) == ""
    assert service.ran == []
    engine.close()


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("karras", 'spacing = "karras"'),
        ("Euler a", 'scheduler = "euler_ancestral"'),
        ("DPM++ 2M Karras", 'scheduler = "dpmpp_2m" and spacing = "karras"'),
        ("eulr", "Did you mean 'euler'"),
    ],
)
def test_a_sampler_by_another_tools_name_is_told_in_comfyuis_words(name: str, hint: str) -> None:
    with pytest.raises(StudyError, match=hint.replace("+", r"\+")):
        ComfyUIEngine(family="sd15").check(shot(scheduler=name).settings)


def test_a_plan_needs_no_server_and_says_what_is_missing() -> None:
    engine = ComfyUIEngine(family="sd15")
    engine.check(shot().settings)
    with pytest.raises(StudyError, match="model is missing"):
        engine.check(shot(model=None).settings)
    with pytest.raises(StudyError, match="500 is no multiple of 8"):
        engine.check(shot(width=500).settings)
    with pytest.raises(StudyError, match="family is missing"):
        ComfyUIEngine().check(shot().settings)


FILES = {
    "sd15": "sd15.safetensors",
    "sdxl": "xl/sd_xl.safetensors",
    "flux": "flux1-dev.safetensors",
    "z-image": "z_image_turbo.safetensors",
    "qwen-image": "qwen_image.safetensors",
}


@pytest.mark.parametrize("family", FILES)
def test_each_built_in_graph_passes_the_servers_own_validation(service: ComfyService, family: str) -> None:
    (answer,) = ask(shot(model=FILES[family]), family=family)
    assert isinstance(answer, Render), answer
    ((_, graph),) = service.ran
    assert ("encoder" in graph) == (family not in ("sd15", "sdxl"))


def test_a_model_that_is_one_file_takes_no_parts(service: ComfyService) -> None:
    whole = shot(model="flux-all.safetensors")
    (answer,) = ask(whole, family="flux")
    assert isinstance(answer, Render)
    assert service.ran[0][1]["model"]["class_type"] == "CheckpointLoaderSimple"
    parted = shot(model="flux-all.safetensors", text_encoder="clip_l.safetensors")
    (refused,) = ask(parted, family="flux")
    assert isinstance(refused, Failure)
    assert "is one file, which holds its own" in refused.text
    (own,) = ask(shot(vae="other.safetensors"))
    assert isinstance(own, Render)
    assert service.ran[-1][1]["vae"]["inputs"]["vae_name"] == "other.safetensors"


def test_a_fingerprint_changes_with_the_version_the_file_and_what_is_not_asked(service: ComfyService) -> None:
    def print_of(**settings: Any) -> str:
        engine = ComfyUIEngine(**OWN)
        engine.meet()
        try:
            return engine.fingerprint(shot(**settings)).id
        finally:
            engine.close()

    before = print_of()
    assert print_of(num_inference_steps=3) == print_of(num_inference_steps=4) != before
    service.sizes["sd15.safetensors"] += 1
    assert (swapped := print_of()) != before
    service.stats["system"]["comfyui_version"] = "0.4.0"
    assert print_of() != swapped


def test_servers_that_differ_share_no_study(service: ComfyService, other: ComfyService) -> None:
    other.stats["system"]["comfyui_version"] = "0.4.0"
    with pytest.raises(EngineError, match=r"here and there are not alike: comfyui is 0\.3\.64 and 0\.4\.0"):
        ask(shot(), provider="here, there")
    other.stats["system"]["comfyui_version"] = "0.3.64"
    other.sizes["sd15.safetensors"] = 5
    engine = ComfyUIEngine(**OWN | {"provider": "here, there"})
    engine.meet()
    with pytest.raises(EngineError, match="here and there are not alike: files is"):
        engine.fingerprint(shot())
    engine.close()


def test_servers_share_the_work_and_one_that_falls_silent_costs_no_picture(
    service: ComfyService, other: ComfyService
) -> None:
    answers = ask(*(shot(number) for number in range(12)), provider="here, there")
    assert all(isinstance(answer, Render) for answer in answers)
    assert len(service.ran) + len(other.ran) == 12
    assert min(len(service.ran), len(other.ran)) > 2

    engine = ComfyUIEngine(**OWN | {"provider": "here, there"})
    engine.meet()
    engine.fingerprint(shot())
    service.spoil = lambda number: Fault("reset", "accepted")
    answers = list(engine.render([shot(number) for number in range(20, 32)]))
    engine.close()
    assert all(isinstance(answer, Render) for answer in answers)


def test_a_server_that_comes_back_as_another_stops_the_run(service: ComfyService) -> None:
    engine = ComfyUIEngine(**OWN)
    engine.meet()
    engine.fingerprint(shot())
    number = service._connections
    service.spoil = lambda now: Fault("reset", "accepted") if now == number else None
    service.stats["system"]["comfyui_version"] = "0.4.0"
    with pytest.raises(EngineError, match=r"came back as another server: comfyui is 0\.3\.64 and 0\.4\.0"):
        list(engine.render([shot()]))
    engine.close()


def test_no_server_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[providers.here]\nbase_url = "http://127.0.0.1:9"\n')
    monkeypatch.setenv(configuration.VARIABLE, str(file))
    with pytest.raises(EngineError, match="here was not reached"):
        ask(shot())


def test_a_server_says_what_it_has_and_how_a_study_begins(service: ComfyService) -> None:
    for address in (service.url, "here"):
        served = ComfyUIEngine.served(address)
        assert served["scheduler"].choices == tuple(SAMPLERS)
        assert "sd15.safetensors" in served["model"].choices
        assert "qwen_image.safetensors" in served["model"].choices
        assert served["num_inference_steps"].low == 1
        begun = ComfyUIEngine.begun(address)
        assert begun["engine"] == {"name": "comfyui", "family": "sd15", "provider": "here"}
    from teststrip import study as studies

    asked = studies.study(prompts=["an owl"], **json.loads(json.dumps(begun)))
    assert asked.settings["model"] == "sd15.safetensors"
    Path(os.environ[configuration.VARIABLE]).write_text("")
    unnamed = ComfyUIEngine.begun(service.url)
    assert unnamed["engine"] == {"name": "comfyui", "family": "sd15", "provider": "comfyui"}
    studies.study(
        prompts=["an owl"], **json.loads(json.dumps(unnamed))
    )  # is read before the configuration knows the server
    with pytest.raises(EngineError, match="'nowhere' is unknown"):
        ComfyUIEngine.served("nowhere")


def test_an_address_that_is_no_comfyui_is_told(service: ComfyService) -> None:
    service.instead = lambda request: Reply(200, {"hello": 1})
    with pytest.raises(EngineError, match="is no server of ComfyUI"):
        ComfyUIEngine.begun("here")
    service.instead = lambda request: Reply(404, b"no")
    with pytest.raises(EngineError, match="it answered 404"):
        ComfyUIEngine.served("here")


def test_a_key_for_a_proxy_is_sent_and_in_no_message(
    service: ComfyService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(file.read_text() + 'key = "env:COMFY_KEY"\n')
    monkeypatch.setenv("COMFY_KEY", "s3cret-of-the-proxy")

    def echoing(request: Request) -> Reply | None:
        error = {"error": {"message": f"no {request.headers['authorization']}", "details": ""}}
        return Reply(400, error) if request.path == "/prompt" else None

    service.instead = echoing
    (answer,) = ask(shot())
    assert isinstance(answer, Failure)
    assert "s3cret" not in answer.text
