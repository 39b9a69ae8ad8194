"""Installs a package as a plug-in is installed: by the metadata of a distribution on the path."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def distribution(site: Path, name: str, parts: Mapping[str, Mapping[str, str]], text: str = "") -> None:
    """Write a distribution into a folder.

    Args:
        site: a folder as site-packages is one; made where it is missing.
        name: of the distribution, and of its module where `text` is given.
        parts: kind ("engines", "metrics", "trackers") to names and what they stand for, as "module:Class".
        text: of its module.
    """
    about = site / f"{name}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [
        line
        for kind, points in parts.items()
        for line in (f"[teststrip.{kind}]", *(f"{part} = {target}" for part, target in points.items()))
    ]
    (about / "entry_points.txt").write_text("\n".join([*lines, ""]))
    if text:
        (site / f"{name}.py").write_text(text)


def reach(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the folder on the path of this process and of its children, and on theirs these tests, which hold parts."""
    monkeypatch.syspath_prepend(str(site))
    path = os.pathsep.join(filter(None, [str(site), str(ROOT), os.environ.get("PYTHONPATH")]))
    monkeypatch.setenv("PYTHONPATH", path)
