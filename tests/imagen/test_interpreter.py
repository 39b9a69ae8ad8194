"""Tests of imagen-pytorch are left out by those alone who have not what `make test` installs."""

from __future__ import annotations

import sys

import pytest
from tests.tiny_imagen import OF_DEV, interpreter, needed

from teststrip.engines.imagen import INSTALL, VARIABLE

PARTS = ("imagen_pytorch", "einops", "beartype", "kornia", "kornia_rs")


@pytest.fixture(autouse=True)
def unnamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_missing_fails_the_tests_of_the_package_where_the_extra_dev_is_there(part: str) -> None:
    with pytest.raises(pytest.fail.Exception) as caught:
        needed(lambda name: name != part)
    assert INSTALL in str(caught.value)


@pytest.mark.parametrize("part", PARTS)
def test_without_the_extra_dev_they_are_skipped(part: str) -> None:
    with pytest.raises(pytest.skip.Exception) as caught:
        needed(lambda name: name not in (part, OF_DEV))
    assert INSTALL in str(caught.value)


def test_a_whole_package_is_used_with_or_without_the_extra_dev(monkeypatch: pytest.MonkeyPatch) -> None:
    assert needed(lambda name: True) == needed(lambda name: name != OF_DEV) == sys.executable
    monkeypatch.setenv(VARIABLE, "/elsewhere/python")
    assert needed(lambda name: False) == interpreter(lambda name: False) == "/elsewhere/python"


def test_the_package_of_the_extra_dev_is_brought_by_no_other_extra() -> None:
    import tomllib
    from pathlib import Path

    extras = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    found = [
        name for name, wanted in extras["project"]["optional-dependencies"].items() if "import-linter" in str(wanted)
    ]
    assert found == ["dev"]
