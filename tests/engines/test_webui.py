"""The engine `webui`, against a local server that speaks `/sdapi/v1` and misbehaves as the real programs do."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Picture
from tests.hosted.service import Fault, Reply, Request
from tests.hosted.webui_service import (
    PASSWORD,
    USER,
    KeepingService,
    Made,
    WebuiService,
    not_found,
)
from tests.studies import png

from teststrip.engines.webui import WebuiEngine
from teststrip.errors import EngineError, StudyError
from teststrip.hosted import configuration
from teststrip.records import EngineRef, Failure, Render, Shot
from teststrip.testing.engine_contract import EngineContract

pytest.importorskip("httpx2")

REAL = "real.safetensors [c0d1994c73]"
OWN = {"provider": "here", "first_wait": 0.001, "timeout": 2.0}
REF = EngineRef("webui", {"provider": "here"})
SIZE = {"width": 64, "height": 64}
KNOBS = {**SIZE, "num_inference_steps": 3}


@pytest.fixture
def service(configured: Callable[[WebuiService], None]) -> Iterator[WebuiService]:
    with WebuiService() as found:
        configured(found)
        yield found


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[WebuiService], None]:
    """Writes a configuration that names a service "here"."""

    def write(service: WebuiService, more: str = "") -> None:
        file = tmp_path / "config.toml"
        file.write_text(f'[providers.here]\nbase_url = "{service.url}"\n{more}')
        monkeypatch.setenv(configuration.VARIABLE, str(file))

    return write


def shot(number: int = 0, **settings: Any) -> Shot:
    return Shot(REF, {"prompt": "an owl", "seed": number, **SIZE, **settings})


def ask(*shots: Shot, **options: Any) -> list[Render | Failure]:
    engine = WebuiEngine(**OWN | options)
    try:
        return list(engine.render(shots))
    finally:
        engine.close()


class TestItKeepsTheContract(EngineContract):
    @pytest.fixture
    def engine(self, service: WebuiService) -> Iterator[WebuiEngine]:
        engine = WebuiEngine(**OWN)
        yield engine
        engine.close()

    @pytest.fixture
    def ref(self) -> EngineRef:
        return REF

    @pytest.fixture
    def knobs(self) -> dict[str, Any]:
        return KNOBS


ASKED = {
    "model": "real",
    "negative_prompt": "blurry",
    "num_inference_steps": 20,
    "guidance_scale": 6.5,
    "scheduler": "Euler a",
    "spacing": "Karras",
    "clip_skip": 1,
    "vae": "soft",
    "hires_upscale": 2.0,
    "hires_upscaler": "Latent",
    "hires_steps": 7,
    "strength": 0.5,
    "eta": 0.5,
}


def test_the_request_is_what_was_asked_and_the_answer_is_known(service: WebuiService) -> None:
    (answer,) = ask(shot(7, **ASKED))
    assert isinstance(answer, Render), answer
    (request,) = service.asked
    body = request.body
    assert body["seed"] == body["subseed"] == 7
    assert (body["batch_size"], body["n_iter"], body["subseed_strength"]) == (1, 1, 0)
    assert (body["steps"], body["cfg_scale"], body["sampler_name"], body["scheduler"]) == (20, 6.5, "Euler a", "Karras")
    assert body["override_settings"] == {
        "sd_model_checkpoint": REAL,
        "sd_vae": "soft.safetensors",
        "CLIP_stop_at_last_layers": 2,
    }
    assert (body["enable_hr"], body["hr_scale"], body["hr_second_pass_steps"]) == (True, 2.0, 7)
    assert body["force_task_id"].startswith("task(teststrip-")
    assert (answer.width, answer.height) == (128, 128)
    assert answer.facts["answered"] == {
        "model": "real",
        "hash": "c0d1994c73",
        "vae": "soft.safetensors",
        "version": "v1.10.1",
    }


@pytest.mark.parametrize(
    ("name", "value", "means"),
    [
        ("model", "c0d1994c73", REAL),
        ("model", REAL, REAL),
        ("model", "real.safetensors", REAL),
        ("scheduler", "k_euler_a", "Euler a"),
        ("scheduler", "euler_ancestral", "Euler a"),
        ("scheduler", "EulerAncestralDiscreteScheduler", "Euler a"),
        ("scheduler", "dpmpp_2m", "DPM++ 2M"),
        ("spacing", "sgm_uniform", "SGM Uniform"),
        ("spacing", "sgm uniform", "SGM Uniform"),
    ],
)
def test_names_are_found_by_title_hash_alias_and_the_words_of_other_tools(
    service: WebuiService, name: str, value: str, means: str
) -> None:
    (answer,) = ask(shot(**{name: value}))
    assert isinstance(answer, Render), answer
    body = service.asked[0].body
    sent = {
        "model": body["override_settings"].get("sd_model_checkpoint"),
        "scheduler": body.get("sampler_name"),
        "spacing": body.get("scheduler"),
    }
    assert sent[name] == means


def test_a_sampler_that_holds_its_schedule_is_sent_as_two_values(service: WebuiService) -> None:
    (answer,) = ask(shot(scheduler="DPM++ 2M Karras"))
    assert isinstance(answer, Render), answer
    assert (service.asked[0].body["sampler_name"], service.asked[0].body["scheduler"]) == ("DPM++ 2M", "Karras")


WITHOUT = {
    "model": ({"model": "dreem"}, "model: the server has no 'dreem'. It has: dream.safetensors"),
    "sampler": ({"scheduler": "Eulr a"}, "the server has no sampler 'Eulr a'. Did you mean 'Euler a'?"),
    "schedule": ({"spacing": "Karas"}, "the server has no 'Karas'. Did you mean"),
    "VAE": ({"vae": "hard"}, "vae: the server has no 'hard'"),
    "upscaler": ({"hires_upscale": 2.0, "hires_upscaler": "ESRGAN"}, "hires_upscaler: the server has no 'ESRGAN'"),
    "style": ({"styles": "film + oil"}, "styles: the server has no 'oil'"),
    "option": (
        {"override_settings": '{"randn_sourc": "CPU"}'},
        "no option 'randn_sourc'. Did you mean 'randn_source'?",
    ),
    "two schedules": ({"scheduler": "DPM++ 2M Karras", "spacing": "exponential"}, "holds the spacing 'Karras'"),
}


@pytest.mark.parametrize("what", WITHOUT)
def test_what_the_server_does_not_have_is_said_before_a_picture_is_asked(service: WebuiService, what: str) -> None:
    settings, why = WITHOUT[what]
    (answer,) = ask(shot(**settings))
    assert isinstance(answer, Failure)
    assert why in answer.text
    assert service.asked == []
    engine = WebuiEngine(**OWN)
    assert engine.rehearse(shot(**settings).settings) == ""
    engine.meet()
    assert why in engine.rehearse(shot(**settings).settings)
    engine.close()


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"width": 500}, "no multiple of 8"),
        ({"hires_steps": 3}, "there is no second pass"),
        ({"scheduler": "Karras"}, "Write spacing = 'Karras'"),
        ({"override_settings": "[1]"}, "no JSON object"),
        ({"override_settings": '{"sd_vae": "x"}'}, "sd_vae is the setting vae"),
    ],
)
def test_what_cannot_go_together_is_said_without_a_server(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(StudyError, match=why):
        WebuiEngine().check({"prompt": "x", **settings})


def swap(**values: Any) -> Callable[[Made, Request], None]:
    return lambda made, request: made.update(values)


SWAPS: dict[str, tuple[Callable[[Made, Request], None], str]] = {
    "another model": (swap(model="dream.safetensors [879db523c3]"), "model: asked for"),
    "another sampler": (swap(sampler="DPM++ 2M"), "scheduler: asked for 'Euler a', and the server says 'DPM++ 2M'"),
    "another schedule": (
        swap(schedule="Exponential"),
        "spacing: asked for 'Karras', and the server says 'Exponential'",
    ),
    "an ignored schedule": (swap(schedule="Automatic"), "does not say whether it used spacing"),
    "another seed": (
        lambda made, _: made.update(seeds=[made["seeds"][0] + 1]),
        "seed: asked for 7, and the server says 8",
    ),
    "two seeds": (lambda made, _: made.update(seeds=[7, 8]), "one picture was asked for, and 2"),
    "other steps": (swap(steps=19), "num_inference_steps: asked for 20"),
    "another guidance": (swap(cfg_scale=7.0), "guidance_scale: asked for 6.5"),
    "guidance that is no number": (
        swap(cfg_scale=float("nan")),
        "guidance_scale: asked for 6.5, and the server says nan",
    ),
    "another size": (swap(width=128), "width: asked for 64"),
    "another clip skip": (swap(clip=1), "clip_skip: asked for 2, and the server says 1"),
    "another VAE": (swap(vae="hard.safetensors"), "vae: asked for"),
    "no VAE": (swap(vae="Automatic"), "does not say whether it used vae"),
    "another prompt": (swap(prompt="an owl, best quality"), "prompt: asked for"),
    "another negative prompt": (swap(negative=""), "negative_prompt: asked for"),
    "no second pass": (swap(more={}), "does not say whether it used eta, hires_upscale, hires_steps, hires_upscaler"),
    "another strength": (swap(strength=0.7), "strength: asked for 0.5"),
    "other steps of the second pass": (
        lambda made, _: made["more"].update({"Hires steps": 8}),
        "hires_steps: asked for 7",
    ),
    "a face restorer": (
        lambda made, _: made["more"].update({"Face restoration": "GFPGAN"}),
        "face restoration, which was not",
    ),
    "a second seed": (
        lambda made, _: made["more"].update({"Variation seed strength": 0.1}),
        "a second seed, which was not",
    ),
}


@pytest.mark.parametrize("what", SWAPS)
def test_a_picture_that_was_made_in_another_way_is_a_failure_with_its_reason(service: WebuiService, what: str) -> None:
    service.bend, why = SWAPS[what]
    (answer,) = ask(shot(7, **ASKED))
    assert isinstance(answer, Failure)
    assert answer.reason == "invalid"
    assert why in answer.text
    assert not answer.retryable


@pytest.mark.parametrize("seed", [0, 7, 2**31, 2**32 - 2])
def test_a_seed_is_another_seed_however_large_it_is(service: WebuiService, seed: int) -> None:
    service.bend = lambda made, _: made.update(seeds=[seed + 1])
    (answer,) = ask(shot(seed))
    assert isinstance(answer, Failure)
    assert f"seed: asked for {seed}, and the server says {seed + 1}" in answer.text


def test_a_second_pass_that_was_not_asked_for_is_a_failure(service: WebuiService) -> None:
    service.bend = lambda made, _: made["more"].update({"Hires upscale": 2})
    (answer,) = ask(shot())
    assert isinstance(answer, Failure)
    assert "a second pass, which was not asked for" in answer.text


def told(change: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any], Request], Any]:
    """An answer whose `info` is changed."""

    def bent(answer: dict[str, Any], request: Request) -> Any:
        info = json.loads(answer["info"])
        change(info)
        return answer | {"info": json.dumps(info)}

    return bent


BLACK = base64.b64encode(png((0, 0, 0), (64, 64))).decode()
ANSWERS: dict[str, tuple[Callable[[dict[str, Any], Request], Any], str, str]] = {
    "a black picture": (lambda answer, _: answer | {"images": [BLACK]}, "blank", "the picture is black"),
    "no picture": (lambda answer, _: answer | {"images": []}, "error", "without a picture"),
    "half a picture": (lambda answer, _: answer | {"images": [answer["images"][0][:200]]}, "invalid", "no picture"),
    "no base64": (lambda answer, _: answer | {"images": ["?!"]}, "invalid", "no base64"),
    "null": (lambda answer, _: Reply(200, b"null"), "invalid", "not as the protocol says"),
    "HTML": (lambda answer, _: Reply(200, b"<html>Please log in</html>"), "invalid", "no JSON"),
    "cut JSON": (lambda answer, _: Reply(200, b'{"images": ["iV'), "invalid", "no JSON"),
    "NaN": (told(lambda info: info.update(steps=float("nan"))), "invalid", "num_inference_steps: asked for 20"),
    "two pictures": (lambda answer, _: {"images": answer["images"] * 2, "info": ""}, "invalid", "and 2 came"),
    "out of memory": (
        lambda answer, _: Reply(500, {"error": "OutOfMemoryError", "detail": "", "errors": "CUDA out of memory."}),
        "oom",
        "too little memory",
    ),
    "not finite": (
        lambda answer, _: Reply(
            500, {"error": "NansException", "errors": "A tensor with all NaNs was produced in Unet."}
        ),
        "nan",
        "not finite",
    ),
    "another error": (
        lambda answer, _: Reply(500, {"error": "RuntimeError", "errors": "model not found"}),
        "error",
        "(500)",
    ),
    "not valid": (
        lambda answer, _: Reply(422, {"detail": [{"msg": "field required"}]}),
        "invalid",
        "refuses the request",
    ),
    "an unknown sampler": (
        lambda answer, _: Reply(404, {"detail": "Sampler not found"}),
        "invalid",
        "Sampler not found",
    ),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_an_answer_without_the_picture_is_a_failure_with_its_reason(service: WebuiService, what: str) -> None:
    service.answer, reason, why = ANSWERS[what]
    (answer,) = ask(shot(7, num_inference_steps=20))
    assert isinstance(answer, Failure)
    assert answer.reason == reason
    assert why in answer.text


def test_a_grid_before_the_picture_is_not_taken_for_it(service: WebuiService) -> None:
    def gridded(answer: dict[str, Any], request: Request) -> Any:
        info = json.loads(answer["info"])
        info |= {"index_of_first_image": 1, "infotexts": info["infotexts"] * 2}
        return answer | {"images": [BLACK, *answer["images"]], "info": json.dumps(info)}

    service.answer = gridded
    (answer,) = ask(shot())
    assert isinstance(answer, Render), answer


@pytest.mark.parametrize("phase", ["accepted", "read", "headers", "half"])
@pytest.mark.parametrize("way", ["close", "reset"])
def test_what_is_lost_on_the_way_is_asked_again_because_it_costs_nothing(
    service: WebuiService, way: Any, phase: Any
) -> None:
    engine = WebuiEngine(**OWN)
    engine.meet()
    left = [Fault(way, phase)]
    service.spoil = lambda _: left.pop() if left else None
    (answer,) = engine.render([shot()])
    assert isinstance(answer, Render), answer
    service.spoil = lambda _: Fault(way, phase)
    (answer,) = engine.render([shot()])
    assert isinstance(answer, Failure)
    assert answer.reason == "error"
    assert "(6 times)" in answer.text
    assert answer.retryable
    engine.close()


@pytest.mark.parametrize("way", ["stall", "drip"])
def test_a_server_that_takes_too_long_is_interrupted_at_our_task_alone(service: WebuiService, way: Any) -> None:
    engine = WebuiEngine(**OWN | {"timeout": 1.0})
    engine.meet()

    ours: list[str] = []

    def begun(made: Made, request: Request) -> None:
        ours.append(request.body["force_task_id"])
        service.task = ours[0]
        service.spoil = lambda _: None

    service.bend = begun
    service.spoil = lambda _: Fault(way, "half")
    (answer,) = engine.render([shot()])
    engine.close()
    assert isinstance(answer, Failure)
    assert answer.reason == "timeout"
    assert "in time" in answer.text
    assert service.interrupted == ours


class TellsItsTask(WebuiService):
    """A server that has no `/internal/progress`, and whose other one tells the task that it is at."""

    @property
    def current_task(self) -> str | None:
        return self.task

    def reply(self, request: Request) -> Reply:
        return not_found() if request.path == "/internal/progress" else super().reply(request)


@pytest.mark.parametrize("kind", [WebuiService, TellsItsTask])
@pytest.mark.parametrize("whose", ["ours", "another's", "nobody's"])
def test_closing_interrupts_our_own_picture_and_no_other(
    configured: Callable[..., None], kind: type[WebuiService], whose: str
) -> None:
    with kind() as service:
        configured(service)
        engine = WebuiEngine(**OWN)
        engine.meet()
        under_way, ours = threading.Event(), list[str]()

        def begun(made: Made, request: Request) -> None:
            ours.append(request.body["force_task_id"])
            service.task = {"ours": ours[0], "another's": "task(x)", "nobody's": None}[whose]
            under_way.set()
            service.halted.wait(30)

        service.bend = begun
        reader = threading.Thread(target=lambda: list(engine.render([shot()])), daemon=True)
        reader.start()
        assert under_way.wait(10)
        engine.close()
        assert service.interrupted == (ours if whose == "ours" else [])
        service.halted.set()
        reader.join(10)


CHANGES: list[dict[str, Any]] = [
    {"override_settings": '{"randn_source": "CPU"}'},
    {"model": "real"},
    {"vae": "Automatic", "clip_skip": 1},
    {"vae": "None"},
]


@pytest.mark.parametrize("kind", [WebuiService, KeepingService])
@pytest.mark.parametrize("fails", [False, True])
def test_a_run_leaves_the_options_of_a_server_as_it_found_them(
    configured: Callable[..., None], kind: type[WebuiService], fails: bool
) -> None:
    with kind() as service:
        configured(service)
        before = service.options
        service.answer = lambda answer, _: Reply(500, {"error": "it broke"}) if fails else answer
        answers = ask(*(shot(number, **one) for number, one in enumerate(CHANGES)))
        assert {type(answer) for answer in answers} == {Failure if fails else Render}, answers
        assert service.options == before
        assert bool(service.configured) == (kind is KeepingService), "a server that puts options back is told nothing"
        assert all(before[name] == value for posted in service.configured for name, value in posted.items())


def test_an_option_that_another_person_changed_in_the_run_stays_changed(configured: Callable[..., None]) -> None:
    with KeepingService() as service:
        configured(service)

        def meddles(answer: dict[str, Any], request: Request) -> Any:
            service.kept |= {"sd_vae": "soft.safetensors", "eta_noise_seed_delta": 31337}
            return answer

        service.answer = meddles
        (answer,) = ask(shot(vae="None", clip_skip=1))
        assert isinstance(answer, Render), answer
        assert service.kept["sd_vae"] == "soft.safetensors", "it is not what the run sent"
        assert service.kept["eta_noise_seed_delta"] == 31337, "the run never sent it"
        assert service.configured == [{"CLIP_stop_at_last_layers": 1}]


def test_a_server_that_is_gone_at_the_end_is_one_line_and_no_failure(
    configured: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    with KeepingService() as service:
        configured(service)
        engine = WebuiEngine(**OWN)
        (answer,) = engine.render([shot(clip_skip=1)])
        assert isinstance(answer, Render), answer
        service.close()
        engine.close()
    (line,) = caplog.messages
    assert "may have kept options of the last picture (CLIP_stop_at_last_layers, sd_model_checkpoint): " in line
    assert "was not reached" in line
    assert "\n" not in line


def test_user_and_password_come_from_the_environment_and_are_in_no_message(
    configured: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBUI_USER", USER)
    monkeypatch.setenv("WEBUI_PASSWORD", PASSWORD)
    with WebuiService() as service:
        service.password = PASSWORD
        configured(service, 'user = "env:WEBUI_USER"\nkey = "env:WEBUI_PASSWORD"\n')
        service.answer = lambda answer, request: (
            answer
            if request.body["seed"]
            else Reply(500, {"error": f"{PASSWORD} {USER} [{request.headers['authorization'].split()[1]}]"})
        )
        failure, render = ask(shot(0), shot(1))
        assert isinstance(render, Render), render
        assert isinstance(failure, Failure)
        assert PASSWORD not in failure.text
        assert base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode() not in failure.text
        monkeypatch.setenv("WEBUI_PASSWORD", "wrong")
        with pytest.raises(EngineError, match=r'wants a user and a password \(401.*Write user = "env:NAME"'):
            ask(shot())


def test_a_server_without_the_protocol_says_how_to_start_it(service: WebuiService) -> None:
    service.without = {"/sdapi/v1/sd-models", "/sdapi/v1/samplers"}
    with pytest.raises(EngineError, match="Start the web UI with --api"):
        ask(shot())
    service.without = {"/sdapi/v1/txt2img"}
    with pytest.raises(EngineError, match="the server has no /sdapi/v1/txt2img"):
        ask(shot())


def test_a_list_that_is_missing_is_told_and_its_setting_refused(service: WebuiService) -> None:
    service.without = {"/sdapi/v1/schedulers", "/sdapi/v1/sd-vae", "/sdapi/v1/options", "/sdapi/v1/prompt-styles"}
    for settings in ({"spacing": "karras"}, {"vae": "soft"}, {"styles": "film"}):
        (answer,) = ask(shot(**settings))
        assert isinstance(answer, Failure)
        assert "the server has no list of these" in answer.text


def test_styles_are_read_with_their_texts(service: WebuiService) -> None:
    (answer,) = ask(shot(styles="film + ink"))
    assert isinstance(answer, Render), answer
    service.bend = swap(prompt="an owl")
    (answer,) = ask(shot(styles="film + ink"))
    assert isinstance(answer, Failure)
    assert "prompt: asked for 'an owl, film grain, ink drawing'" in answer.text


def test_an_option_is_sent_and_found_again_in_the_answer(service: WebuiService) -> None:
    (answer,) = ask(shot(override_settings='{"randn_source": "CPU"}'))
    assert isinstance(answer, Render), answer
    service.bend = swap(rng="GPU")
    (answer,) = ask(shot(override_settings='{"randn_source": "CPU"}'))
    assert isinstance(answer, Failure)
    assert "does not say whether it used override_settings randn_source" in answer.text


def test_a_lora_that_the_server_did_not_use_is_noticed(service: WebuiService) -> None:
    asked = Shot(REF, {"prompt": "an owl <lora:detail:0.8>", "seed": 1, **SIZE})
    (answer,) = ask(asked)
    assert isinstance(answer, Failure)
    assert "<lora:detail>" in answer.text
    service.bend = lambda made, _: made["more"].update({"Lora hashes": '"detail: 0123456789ab"'})
    (answer,) = ask(asked)
    assert isinstance(answer, Render), answer


def test_a_server_that_becomes_another_during_a_run_gives_no_further_picture(service: WebuiService) -> None:
    service.bend = lambda made, request: made.update(version="v1.11") if request.body["seed"] else None
    first, second = ask(shot(0), shot(1))
    assert isinstance(first, Render)
    assert isinstance(second, Failure)
    assert "the server changed during the run: its version was v1.10.1, and is v1.11" in second.text


def test_the_fingerprint_is_the_model_its_hash_the_program_and_what_acts(service: WebuiService) -> None:
    engine = WebuiEngine(**OWN)
    before = engine.fingerprint(shot(model="real")).facts
    assert before == {"engine": "webui", "provider": "here", "server": "not asked"}
    assert service.requests == []
    engine.meet()
    facts = engine.fingerprint(shot(model="real", clip_skip=1)).facts
    assert (facts["program"], facts["version"]) == ("A1111", "v1.10.1")
    assert (facts["checkpoint"], facts["model_hash"]) == ("real", "c0d1994c73")
    assert facts["extensions"] == {"adetailer": "abc"}
    assert facts["options"] == {"randn_source": "GPU", "eta_noise_seed_delta": 0, "sd_vae": "Automatic"}
    engine.close()


def test_settings_and_a_study_are_read_off_a_server(service: WebuiService) -> None:
    settings = WebuiEngine.served(service.url)
    assert settings["scheduler"].choices == ("DPM++ 2M", "Euler a", "Euler", "DDIM")
    assert settings["vae"].choices == ("Automatic", "None", "soft.safetensors")
    assert "distilled_cfg_scale" not in settings
    keys = WebuiEngine.begun(service.url)
    assert keys["engine"] == {"name": "webui", "provider": "here"}
    assert keys["axes"] == {"scheduler": ["DPM++ 2M", "Euler a", "Euler"], "num_inference_steps": [15, 30]}
    with pytest.raises(EngineError, match="was not reached"):
        WebuiEngine.served("http://127.0.0.1:9")


@pytest.mark.parametrize("form", ["jpeg", "webp"])
def test_a_server_that_sends_another_format_is_read_by_what_its_files_say(service: WebuiService, form: str) -> None:
    def converted(answer: dict[str, Any], request: Request) -> Any:
        png = Picture.open(io.BytesIO(base64.b64decode(answer["images"][0])))
        text = json.loads(answer["info"])["infotexts"][0]
        exif = Picture.Exif()
        exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + text.encode("utf-16-be")
        png.save(data := io.BytesIO(), form, exif=exif.tobytes())
        return {"images": [base64.b64encode(data.getvalue()).decode()], "info": ""}

    service.answer = converted
    (answer,) = ask(shot(7, num_inference_steps=5, scheduler="Euler a", negative_prompt="blurry"))
    assert isinstance(answer, Render), answer
    assert answer.format == form
    service.bend = swap(sampler="Euler")
    (answer,) = ask(shot(7, scheduler="Euler a"))
    assert isinstance(answer, Failure)
    assert "the server says 'Euler'" in answer.text


@pytest.mark.parametrize("path", ["/sdapi/v1/samplers", "/sdapi/v1/txt2img"])
def test_a_server_that_leads_elsewhere_is_not_followed(service: WebuiService, path: str) -> None:
    elsewhere = Reply(302, b"", {"location": "http://169.254.169.254/"})
    service.instead = lambda request: elsewhere if request.path == path else None
    with pytest.raises(EngineError, match=r"the server leads elsewhere \(302\), and that is not followed"):
        ask(shot())


def test_a_picture_keeps_what_the_server_wrote_into_it(service: WebuiService) -> None:
    (answer,) = ask(shot(7))
    assert isinstance(answer, Render)
    assert "Seed: 7" in Picture.open(io.BytesIO(answer.data)).text["parameters"]  # type: ignore[attr-defined]


class TwoFiles(WebuiService):
    """Has one VAE in two files of one stem."""

    def lists(self) -> dict[str, Any]:
        names = ("kl-f8.safetensors", "kl-f8.ckpt")
        return {**super().lists(), "/sdapi/v1/sd-vae": [{"model_name": name} for name in names]}


def test_a_vae_is_never_drawn_as_another_file_of_its_stem(configured: Callable[..., None]) -> None:
    with TwoFiles() as service:
        configured(service)
        files = ("kl-f8.safetensors", "kl-f8.ckpt")
        assert all(isinstance(one, Render) for one in ask(*(shot(vae=name) for name in files)))
        assert [made["vae"] for made in service.made] == list(files)
        service.bend = swap(vae="kl-f8.safetensors")
        (swapped, several) = ask(shot(vae="kl-f8.ckpt"), shot(vae="kl-f8"))
        assert isinstance(swapped, Failure)
        assert "vae: asked for 'kl-f8.ckpt', and the server says 'kl-f8.safetensors'" in swapped.text
        assert isinstance(several, Failure)
        assert "may be several on this server: kl-f8.safetensors, kl-f8.ckpt" in several.text


CPU = {"override_settings": '{"randn_source": "CPU"}'}


@pytest.mark.parametrize("order", [(1, 0, 0), (0, 1, 0), (0, 0, 1)])
@pytest.mark.parametrize(("own", "key", "value"), [({"clip_skip": 1}, "clip", 2), (CPU, "rng", "CPU")])
def test_an_option_of_one_picture_acts_in_no_other(
    configured: Callable[..., None], order: tuple[int, ...], own: dict[str, Any], key: str, value: Any
) -> None:
    at_rest = {"clip": 1, "rng": "GPU"}[key]
    for kind in (WebuiService, KeepingService):
        with kind() as service:
            configured(service)
            answers = ask(*(shot(number, **(own if one else {})) for number, one in enumerate(order)), timeout=60.0)
            assert [type(one) for one in answers] == [Render] * 3, answers
            assert [made[key] for made in service.made] == [value if one else at_rest for one in order]


@pytest.mark.parametrize(
    ("name", "other"),
    [("clip", 2), ("sampler", "DDIM"), ("schedule", "Karras"), ("steps", 9), ("cfg_scale", 1.0), ("height", 128)],
)
def test_what_is_left_to_the_server_stays_through_a_run(service: WebuiService, name: str, other: Any) -> None:
    size = {"height": 64} if name == "width" else {"width": 64}
    asked = [Shot(REF, {"prompt": "an owl", "seed": number, "model": "dream", **size}) for number in range(3)]
    service.bend = lambda made, request: made.update({name: other}) if request.body["seed"] == 1 else None
    first, second, third = ask(*asked, timeout=60.0)
    assert isinstance(first, Render)
    assert isinstance(third, Render), third
    assert isinstance(second, Failure)
    assert "the server changed during the run" in second.text


def test_what_is_asked_may_change_in_a_run(service: WebuiService) -> None:
    some: list[dict[str, Any]] = [
        {"num_inference_steps": 4, "guidance_scale": 2.0},
        {"scheduler": "Euler", "spacing": "Karras"},
        {"scheduler": "Euler"},
        {"spacing": "Karras"},
        {"width": 128},
        {},
    ]
    answers = ask(*(shot(number, **one) for number, one in enumerate([*some, *reversed(some)])), timeout=60.0)
    assert all(isinstance(one, Render) for one in answers), answers
