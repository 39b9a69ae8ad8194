"""Renews the golden reports: `python -m tests.golden`. Read what has changed before you commit."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.golden import studies

with tempfile.TemporaryDirectory() as scratch:
    folder = Path(scratch)
    studies.install(folder / "site")
    sys.path.insert(0, str(folder / "site"))
    for name in studies.STUDIES:
        (studies.HERE / f"{name}.md").write_text(studies.told(name, folder / name), encoding="utf-8")
