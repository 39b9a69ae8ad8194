"""`--verbose` prints what the libraries say that changes no picture: each line once, as text that commands nothing."""

from __future__ import annotations

import logging

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
