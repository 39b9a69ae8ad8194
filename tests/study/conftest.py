"""The toy engine, installed for one test."""

from __future__ import annotations

import pytest
from tests.study.toy import ToyEngine, install


@pytest.fixture
def toy(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> type[ToyEngine]:
    return install(tmp_path_factory.mktemp("site"), monkeypatch)
