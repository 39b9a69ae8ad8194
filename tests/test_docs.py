"""The documentation names what is there: every dotted name of the package in a page can be imported."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
NAME = re.compile(r"\bteststrip(?:\.[A-Za-z_]\w*)+")
TAGS = {"teststrip.account", "teststrip.setting"}  # of MLflow, see docs/trackers.md


def exists(name: str) -> bool:
    """Whether a dotted name is a module, or an attribute of one."""
    module, _, attribute = name.rpartition(".")
    try:
        import_module(name)
    except ModuleNotFoundError:
        return bool(module) and hasattr(import_module(module), attribute)
    return True


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_a_page_names_only_what_is_there(page: Path) -> None:
    names = set(NAME.findall(page.read_text(encoding="utf-8"))) - TAGS
    assert [name for name in sorted(names) if not exists(name)] == []


def test_a_name_that_moved_away_is_seen() -> None:
    assert not exists("teststrip.records.MetricInfo")
    assert exists("teststrip.weights.find")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_a_page_links_only_to_files_that_are_there(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
