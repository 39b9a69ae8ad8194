"""Parts installed for one test the way a plug-in is installed: by the metadata of a distribution on the path."""

from __future__ import annotations

from pathlib import Path

import pytest


def install(site: Path, entry_points: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a distribution until the test ends.

    Args:
        site: an empty folder, put before all others on the path; modules may lie in it.
        entry_points: the text of its `entry_points.txt`.
        monkeypatch: takes the folder off the path again.
    """
    metadata = site / "plugin-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(entry_points)
    monkeypatch.syspath_prepend(str(site))
