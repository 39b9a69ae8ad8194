"""`--verbose` prints what the libraries say that changes no picture: each line once, as text that commands nothing."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from teststrip.cli import libraries


def test_each_line_is_printed_once_and_commands_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("teststrip.libraries")
    handlers, level, propagate = log.handlers[:], log.level, log.propagate
    log.info("not yet")
    try:
        libraries.print_them()
        for text in ("`x` is deprecated", "`x` is deprecated", "[red]loud[/] \x1b[31m"):
            log.info("%s", text)
    finally:
        log.handlers[:], log.propagate = handlers, propagate
        log.setLevel(level)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == ["library: `x` is deprecated", "library: [red]loud[/] \\u001b[31m"]


@pytest.mark.process
def test_libraries_beside_diffusers_are_loaded_without_a_word_of_theirs() -> None:
    code = (
        "from teststrip.cli import libraries; libraries.hush(); import sys, diffusers;"
        " diffusers.StableDiffusionPipeline, diffusers.quantizers.auto; print('torchao' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True", "it is loaded, and warns of files that it cannot load here"
    assert not [line for line in done.stderr.splitlines() if "torchao" in line or "KernelPreference" in line]


PLANS = """
import sys
from pathlib import Path
from teststrip.cli import libraries
libraries.hush()
from teststrip import study
from teststrip.verbs import forecast
for model in sys.argv[1:]:
    file = Path(model).with_suffix(".toml")
    size = {"num_inference_steps": [9, 10]}
    asked = study.study(name="s", prompts=["an owl"], engine={"model": model}, axes=size)
    file.write_text(study.dump(asked), encoding="utf-8")
    print(len(list(forecast.lines(forecast.of(file)))))
"""


@pytest.mark.torch
@pytest.mark.process
def test_a_first_plan_of_any_model_is_made_without_a_word_of_libraries(tmp_path: Path) -> None:
    from tests import tiny_pipelines as tiny

    families = ("sd15", "flux", "sd3")
    models = [str(tiny.save(family, tmp_path / family)) for family in families]
    done = subprocess.run(
        [sys.executable, "-c", PLANS, *models],
        env={**os.environ, "TESTSTRIP_CACHE": str(tmp_path / "cache"), "PYTHONWARNINGS": "default"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert len(done.stdout.split()) == len(families), done.stderr
    assert done.stderr == ""
