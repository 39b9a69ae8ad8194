"""Warnings of the libraries: caught, sorted, noted with the pictures that they came with, and printed nowhere."""

from __future__ import annotations

import importlib.util
import logging
import re
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from safetensors.torch import save_file
from tests import tiny_pipelines as tiny
from tests.shots import answers, ask

from teststrip.diffusion.heard import LIBRARIES, QUIET, Ear, tells
from teststrip.records import Render

PLACES = {
    "diffusers": (
        *("pipelines", "loaders", "schedulers", "guiders", "utils", "hooks/faster_cache.py", "quantizers/torchao"),
        *("models/modeling_utils.py", "configuration_utils.py", "modular_pipelines/modular_pipeline_utils.py"),
    ),
    "transformers": (
        *(
            "modeling_utils.py",
            "configuration_utils.py",
            "tokenization_utils_base.py",
            "tokenization_python.py",
            "utils",
        ),
        *("models/clip", "models/t5", "models/gemma2", "models/qwen2", "models/auto"),
    ),
}
CHANGES = re.compile(
    r"truncated because|will be ignored|is ignored for|but ignored since|divisible by|have been adjusted|Reshaped to"
    r"|not enabled since|No LoRA keys associated to \{|were not used when|lower_order_final|not initialized from"
)
"""What the libraries write where a picture is not what was asked for."""


@cache
def messages() -> frozenset[str]:
    """The arguments of each call of `logger.warning` and `warnings.warn` in the installed sources, as source."""
    return frozenset(text for library, places in PLACES.items() for place in places for text in _in(library, place))


def _in(library: str, place: str) -> Iterator[str]:
    found = importlib.util.find_spec(library)
    assert found is not None
    assert found.origin is not None
    root = Path(found.origin).parent / place
    for path in sorted(root.rglob("*.py")) if root.is_dir() else [root]:
        source = path.read_text("utf-8")
        for match in re.finditer(r"(?:logger|warnings)\.(?:warning|warning_once|warn)\(", source):
            yield re.sub(r"""["']\s*f?["']""", "", " ".join(_argument(source, match.end()).split()))


def _argument(source: str, start: int) -> str:
    """The text up to the closing parenthesis; not parsed, because that takes ten times as long."""
    depth = 1
    for place in range(start, min(start + 2000, len(source))):
        depth += {"(": 1, ")": -1}.get(source[place], 0)
        if not depth:
            return source[start:place]
    return ""


def test_the_sources_are_found() -> None:
    assert len(messages()) > 150


@pytest.mark.parametrize("pattern", QUIET)
def test_each_quiet_pattern_is_of_a_warning_that_there_is(pattern: str) -> None:
    examples = (
        "No LoRA keys associated to CLIPTextModel found with the prefix='text_encoder'.",
        "Already found a `peft_config` attribute in the model.",  # peft/tuners/tuners_utils.py, of a second LoRA
        "CLIPTextModel LOAD REPORT from: None",  # put together by transformers/utils/loading_report.py
    )
    assert any(re.search(pattern, text) for text in (*messages(), *examples))


def test_what_changes_pictures_is_told_in_whatever_words_it_comes() -> None:
    changing = [text for text in messages() if CHANGES.search(text) and "deprecated" not in text]
    assert len(changing) > 20
    assert [text for text in changing if not tells(text)] == []


def test_listening_leaves_logs_and_warnings_as_they_were() -> None:
    before = [(logging.getLogger(name).handlers[:], logging.getLogger(name).level) for name in LIBRARIES]
    shown = warnings.showwarning
    ear = Ear()
    with pytest.raises(RuntimeError):
        _warn_and_fail(ear)
    assert ear.take() == ("x is ignored", "7 tokens are ignored")
    assert ear.take() == ()
    assert [(logging.getLogger(name).handlers[:], logging.getLogger(name).level) for name in LIBRARIES] == before
    assert warnings.showwarning is shown


def _warn_and_fail(ear: Ear) -> None:
    with ear.listening():
        logging.getLogger("diffusers.pipelines").warning("x is ignored")
        logging.getLogger("transformers").warning("%d tokens are ignored", 7)
        logging.getLogger("transformers").info("nothing")
        warnings.warn("of another library", UserWarning, stacklevel=1)
        raise RuntimeError


@pytest.mark.parametrize("batch", [1, 4])
def test_a_warning_is_noted_with_the_pictures_it_came_with_and_printed_nowhere(batch, tmp_path, monkeypatch, capfd):
    """Sizes off the grid warn with each call; a LoRA without a key of the denoiser warns where it is loaded."""
    monkeypatch.setenv("TESTSTRIP_CACHE", str(tmp_path / "cache"))
    folder = tiny.save("flux", tmp_path / "flux")
    good = {"width": 32, "height": 32, "num_inference_steps": 1}
    shots = [ask(folder, **good, seed=1), ask(folder, **{**good, "width": 34}, seed=2), ask(folder, **good, seed=3)]
    capfd.readouterr()
    made = answers(shots, batch=batch)
    assert all(isinstance(one, Render) for one in made.values()), made
    said = [made[shot.id].facts.get("said", []) for shot in shots]
    assert said[0] == said[2] == []
    assert len(said[1]) == 1
    assert "divisible" in said[1][0]
    assert (made[shots[1].id].width, made[shots[1].id].height) != (34, 32)
    printed = capfd.readouterr()
    assert printed.out + printed.err == ""


def test_what_is_said_at_loading_comes_with_each_picture_of_that_lora_and_no_other(tmp_path, monkeypatch):
    monkeypatch.setenv("TESTSTRIP_CACHE", str(tmp_path / "cache"))
    folder = tiny.save("sd15", tmp_path / "sd15")
    import torch

    pipe = tiny.build("sd15")
    name = "text_encoder.text_model.encoder.layers.0.self_attn.q_proj"
    size = pipe.text_encoder.config.hidden_size
    file = tmp_path / "text-only.safetensors"
    weights = {f"{name}.lora_A.weight": torch.zeros(2, size), f"{name}.lora_B.weight": torch.zeros(size, 2)}
    save_file(weights, file)
    shots = [ask(folder, seed=1), ask(folder, seed=2, lora=str(file)), ask(folder, seed=3)]
    made = answers(shots, batch=1)
    assert all(isinstance(one, Render) for one in made.values()), made
    said = [made[shot.id].facts.get("said", []) for shot in shots]
    assert said[0] == said[2] == []
    assert any("No LoRA keys associated to UNet2DConditionModel" in text for text in said[1])
