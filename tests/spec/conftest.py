"""Installs the toy engine the way a plug-in is installed: by the metadata of a distribution."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.spec.toy import ENTRY_POINT, ToyEngine


@pytest.fixture
def toy(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> type[ToyEngine]:
    site: Path = tmp_path_factory.mktemp("site")
    metadata = site / "toy-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINT)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setattr(ToyEngine, "asked", [])
    return ToyEngine
