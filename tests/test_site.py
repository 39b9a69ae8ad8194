"""The documentation as a site: it builds without a network, and a dead link, a lost page or a lost name fails it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from tools import decisions, settings

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.process


def build(root: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """Build the site of a checkout; any network it asks for leads nowhere. `--quiet` would hide dead links."""
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "mkdocs",
            "build",
            "--config-file",
            root / "mkdocs.yml",
            "--site-dir",
            target,
        ],
        cwd=root,
        env={**os.environ, **nowhere, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_site_builds_and_asks_no_other_host(tmp_path: Path) -> None:
    done = build(ROOT, tmp_path / "site")
    assert done.returncode == 0, done.stdout + done.stderr
    python = (tmp_path / "site" / "python.html").read_text(encoding="utf-8")
    for name in ("open_result", "Result.best", "findings_frame", "MissingExtra"):
        assert name in python
    for page in (tmp_path / "site").rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert 'src="http' not in text, page
        assert 'rel="stylesheet" href="http' not in text, page


@pytest.mark.parametrize("fault", ["[gone](nowhere.md)", "[gone](page.md#nowhere)", "::: teststrip.nowhere"])
def test_a_dead_link_or_name_fails_the_site(tmp_path: Path, fault: str) -> None:
    for name in ("docs", "src/teststrip"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("models", "__pycache__"))
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    page = tmp_path / "docs" / "index.md"
    page.write_text(f"{page.read_text(encoding='utf-8')}\n\n{fault}\n", encoding="utf-8")
    done = build(tmp_path, tmp_path / "site")
    assert done.returncode != 0
    assert "nowhere" in done.stdout + done.stderr


def test_every_decision_is_listed() -> None:
    assert decisions.PAGE.read_text(encoding="utf-8") == decisions.page(), "make docs"


def test_every_setting_is_listed() -> None:
    written = settings.PAGE.read_text(encoding="utf-8")
    if f"with Diffusers {version('diffusers')}." not in written:
        pytest.skip("the page was written with another version of Diffusers")
    assert written == settings.page(), "make docs"
