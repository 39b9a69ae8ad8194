"""`--verbose` prints what the libraries say that changes no picture: each line once, as text that commands nothing."""

from __future__ import annotations

import logging
import subprocess
import sys

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
