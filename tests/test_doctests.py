"""Each example in a docstring of the package gives what stands below it."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
FILES = [file for file in sorted(SOURCE.rglob("*.py")) if ">>> " in file.read_text(encoding="utf-8")]
TORCH = {"batching"}  # rooms that load torch


def module(file: Path) -> object:
    """The name of a file's module, with the mark that its room needs."""
    parts = file.relative_to(SOURCE).with_suffix("").parts
    marks = [pytest.mark.torch] if TORCH & set(parts) else []
    return pytest.param(".".join(parts).removesuffix(".__init__"), marks=marks)


@pytest.mark.parametrize("name", [module(file) for file in FILES])
def test_the_examples_of_a_module_are_true(name: str) -> None:
    failed, tried = doctest.testmod(import_module(name))
    assert tried
    assert not failed, "what was printed says which"
