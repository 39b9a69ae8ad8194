"""A study with pictures, made once, and a copy of it for each test; a judge on a server of this machine."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import studies
from tests.hosted.chat_service import ChatService
from tests.hosted.openai_service import KEY
from tests.judges.asking import INJECTED, served

from teststrip.hosted import configuration
from teststrip.results.result import Result, open_result
from teststrip.verbs.run import drive

STUDY = {
    "prompts": [INJECTED, *(f"a thing of kind {n}" for n in range(7))],
    "replicates": 2,
    "axes": {"guidance_scale": [1, 7]},
    "budget": {"money": "100.00 USD"},
}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judged")
    drive(studies.write(folder, **STUDY), folder / "made", trackers=[], views=False).result.close()
    return folder / "made"


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "study")
    return tmp_path / "study"


@pytest.fixture
def result(folder: Path) -> Iterator[Result]:
    with open_result(folder) as result:
        yield result


@pytest.fixture
def declare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Writes the user's configuration with one judge, "eye"."""
    monkeypatch.setenv(configuration.VARIABLE, str(tmp_path / "config.toml"))
    monkeypatch.setenv("HOSTED_KEY", KEY)

    def write(**entry: Any) -> None:
        lines = [f"{key} = {_toml(value)}" for key, value in entry.items()]
        (tmp_path / "config.toml").write_text("\n".join(["[judges.eye]", *lines]) + "\n")

    return write


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else f'"{value}"'


@pytest.fixture
def service(declare: Callable[..., None]) -> Iterator[ChatService]:
    with ChatService() as found:
        served(declare, found)
        yield found
