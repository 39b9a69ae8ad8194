"""The engine `webui`, against the servers of stable-diffusion.cpp and koboldcpp as their sources have them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.engines.test_webui import OWN, ask, configured, shot, swap
from tests.hosted.cpp_service import CppService, KoboldService, OlderCppService, PartsService, SilentService

from teststrip.engines.webui import WebuiEngine
from teststrip.records import Failure, Render

pytest.importorskip("httpx2")
__all__ = ["configured"]

KINDS = (CppService, OlderCppService, PartsService)
ASKED: dict[str, Any] = {
    "scheduler": "dpmpp_2m",
    "spacing": "karras",
    "guidance_scale": 6.5,
    "num_inference_steps": 4,
    "negative_prompt": "blurry",
    "clip_skip": 1,
    "hires_upscale": 2.0,
    "hires_upscaler": "Latent (nearest)",
    "hires_steps": 3,
    "strength": 0.5,
}
CHANGED: dict[str, tuple[dict[str, Any], str]] = {
    "sampler": ({"sampler": "euler_a"}, "scheduler: asked for 'dpm++2m', and the server says 'euler_a"),
    "a sampler of a like name": ({"sampler": "dpm++2mv2"}, "scheduler: asked for 'dpm++2m'"),
    "schedule": ({"schedule": "discrete"}, "spacing: asked for 'karras', and the server says 'discrete'"),
    "no schedule": ({"schedule": ""}, "does not say whether it used spacing"),
    "seed": ({"seeds": [8]}, "seed: asked for 7, and the server says"),
    "clip skip": ({"clip": 1}, "clip_skip: asked for 2, and the server says"),
    "strength": ({"strength": 0.7}, "strength: asked for 0.5"),
    "no second pass": (
        {"more": {}},
        "does not say whether it used hires_upscale, hires_steps, strength, hires_upscaler",
    ),
}
PASS = {"Hires upscale": 2.0, "upscaler": "Latent (nearest)", "steps": 3}
SECOND: dict[str, tuple[dict[str, Any], str]] = {
    "scale": ({"Hires upscale": 1.5}, "hires_upscale: asked for 2.0, and the server says '1.500000'"),
    "upscaler": (
        {"upscaler": "Lanczos"},
        "hires_upscaler: asked for 'Latent (nearest)', and the server says 'Lanczos'",
    ),
    "steps": ({"steps": 0}, "hires_steps: asked for 3, and the server says '0'"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_the_server_heeds_is_asked_and_found_again(
    configured: Callable[..., None], kind: type[CppService]
) -> None:
    with kind() as service:
        configured(service)
        (answer,) = ask(shot(7, **ASKED))
        assert isinstance(answer, Render), answer
        assert (answer.width, answer.height) == (128, 128)
        (made,) = service.made
        assert (made["sampler"], made["schedule"], made["clip"], made["steps"]) == ("dpm++2m", "karras", 2, 4)
        assert made["more"] == PASS
        assert service.interrupted == service.configured == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_made_in_another_way_is_a_failure_with_its_reason(
    configured: Callable[..., None], kind: type[CppService]
) -> None:
    with kind() as service:
        configured(service)
        changes = {**CHANGED, **{name: ({"more": PASS | one}, why) for name, (one, why) in SECOND.items()}}
        for what, (change, why) in changes.items():
            service.bend = swap(**change)
            (answer,) = ask(shot(7, **ASKED))
            assert isinstance(answer, Failure), what
            assert answer.reason == "invalid", what
            assert why in answer.text, what


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spacing", ["normal", "discrete", "default"])
@pytest.mark.parametrize("scheduler", ["default", "euler", "euler_ancestral"])
def test_two_names_of_one_schedule_are_one_and_what_is_left_to_the_server_is_its_own(
    configured: Callable[..., None], kind: type[CppService], spacing: str, scheduler: str
) -> None:
    with kind() as service:
        configured(service)
        (answer,) = ask(shot(7, scheduler=scheduler, spacing=spacing))
        assert isinstance(answer, Render), answer
        assert service.made[0]["schedule"] == ("" if spacing == "default" else "discrete")
        assert service.made[0]["sampler"] == ("euler" if scheduler == "euler" else "euler_a")


@pytest.mark.parametrize(
    "settings", [{"vae": "soft"}, {"styles": "ink"}, {"override_settings": '{"randn_source": "CPU"}'}]
)
def test_what_the_server_never_reads_is_said_before_a_picture_is_asked(
    configured: Callable[..., None], settings: dict[str, Any]
) -> None:
    with CppService() as service:
        configured(service)
        (answer,) = ask(shot(**settings))
        assert isinstance(answer, Failure)
        assert "the server has no" in answer.text
        assert service.asked == []


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"eta": 0.5}, "eta: asked for 0.5, and the server says 'inf'"),
        ({"distilled_cfg_scale": 3.0}, "does not say whether it used distilled_cfg_scale"),
    ],
)
def test_a_field_that_the_server_ignores_gives_no_picture(
    configured: Callable[..., None], settings: dict[str, Any], why: str
) -> None:
    with CppService() as service:
        configured(service)
        (answer,) = ask(shot(**settings))
        assert isinstance(answer, Failure)
        assert why in answer.text


def test_another_file_than_the_one_that_is_loaded_is_noticed_whether_it_is_whole_or_in_parts(
    configured: Callable[..., None],
) -> None:
    for kind in KINDS:
        with kind() as service:
            configured(service)
            text = service.infotext
            service.infotext = lambda made, text=text: text(made).replace("tiny.gguf", "large.gguf")  # type: ignore[method-assign, misc]
            (answer,) = ask(shot(7))
            assert isinstance(answer, Failure)
            assert "model: asked for 'tiny', and the server says 'large.gguf'" in answer.text


def test_a_lora_in_a_prompt_is_never_read_there_and_gives_no_picture(configured: Callable[..., None]) -> None:
    with CppService() as service:
        configured(service)
        (answer,) = ask(shot(prompt="an owl <lora:detail:0.8>"))
        assert isinstance(answer, Failure)
        assert "<lora:detail>" in answer.text


def test_an_alias_that_holds_a_schedule_is_asked_as_sampler_and_schedule(configured: Callable[..., None]) -> None:
    with KoboldService() as service:
        configured(service)
        (answer,) = ask(shot(7, scheduler="DPM++ 2M Karras"))
        assert isinstance(answer, Render), answer
        assert (service.made[0]["sampler"], service.made[0]["schedule"]) == ("dpm++2m", "karras")
        (plain,) = ask(shot(7, scheduler="DPM++ 2M"))
        assert isinstance(plain, Render), plain
        assert service.made[1]["schedule"] == ""
        (smaller,) = ask(shot(7, width=104, height=64))
        assert isinstance(smaller, Failure)
        assert "width: asked for 104, and the server says 64" in smaller.text


def test_a_silent_server_is_taken_at_the_users_word_alone_and_that_is_noted(configured: Callable[..., None]) -> None:
    with SilentService() as service:
        configured(service)
        (answer,) = ask(shot(num_inference_steps=4))
        assert isinstance(answer, Failure)
        assert "does not say whether it used seed, num_inference_steps" in answer.text
        (answer,) = ask(shot(num_inference_steps=4), unconfirmed=True)
        assert isinstance(answer, Render), answer
        assert "seed" in answer.facts["unconfirmed"]  # type: ignore[operator]


def test_settings_and_a_study_are_read_off_such_a_server(configured: Callable[..., None]) -> None:
    with CppService() as service:
        configured(service)
        settings = WebuiEngine.served(service.url)
        assert {"vae", "styles", "distilled_cfg_scale"}.isdisjoint(settings)
        assert "normal" not in settings["spacing"].choices
        keys = WebuiEngine.begun(service.url)
        assert keys["axes"] == {"scheduler": ["euler", "euler_a", "heun"], "num_inference_steps": [15, 30]}
        engine = WebuiEngine(**OWN)
        engine.meet()
        facts = engine.fingerprint(shot()).facts
        engine.close()
        assert (facts["checkpoint"], facts["model_hash"]) == ("tiny", "")
