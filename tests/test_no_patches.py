"""No test changes a module: what a test must change is an argument, and its default is what users get."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def modules_of(tree: ast.Module) -> set[str]:
    """The names that stand for modules in a file."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {alias.asname or alias.name for alias in node.names if _is_module(f"{node.module}.{alias.name}")}
    return found


def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # its parent is a module, and no package
        return False


def patches(text: str) -> Iterator[str]:
    """The calls of `setattr` that change a module, by object or by dotted name."""
    tree = ast.parse(text)
    modules = modules_of(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and isinstance(node.func, ast.Attribute | ast.Name):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            target = node.args[0]
            dotted = isinstance(node.func, ast.Attribute) and isinstance(target, ast.Constant)
            if name == "setattr" and (dotted or (isinstance(target, ast.Name) and target.id in modules)):
                yield f"line {node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.py")), ids=lambda path: str(path.relative_to(TESTS)))
def test_no_test_changes_a_module(path: Path) -> None:
    assert list(patches(path.read_text(encoding="utf-8"))) == []


def test_a_patch_is_found_however_it_is_written() -> None:
    head = "import json\nimport os.path as there\nfrom teststrip.store import Store, lock\n"
    for line in (
        'monkeypatch.setattr(lock, "FILE", "x")',
        'monkeypatch.setattr(there, "join", None)',
        'monkeypatch.setattr("teststrip.store.lock.FILE", "x")',
        'setattr(json, "loads", None)',
    ):
        assert len(list(patches(head + line))) == 1, line
    assert list(patches(head + 'monkeypatch.setattr(Store, "add", None)\nmonkeypatch.setenv("A", "b")')) == []
