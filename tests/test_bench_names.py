"""Benchmarks and tools ask the package only for names that it has: they run too seldom to find out by themselves."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.syntax import SOURCE, parsed, walked

ROOT = Path(__file__).parents[1]
OURS = ("teststrip", "bench", "tools", "tests")
USERS = sorted(path for folder in ("bench", "tools") for path in (ROOT / folder).rglob("*.py"))


def file_of(module: str) -> Path | None:
    """Where a module of ours lies; None for a module of others, or none."""
    first, *rest = module.split(".")
    if first not in OURS:
        return None
    base = (SOURCE if first == "teststrip" else ROOT / first).joinpath(*rest)
    return next((path for path in (base / "__init__.py", base.with_suffix(".py")) if path.is_file()), None)


@cache
def names(module: str) -> frozenset[str] | None:
    """What stands at the top of a module; None for a module of others, or one that makes names when it is asked."""
    path = file_of(module)
    if path is None:
        return None
    found: set[str] = {"__name__", "__file__", "__doc__", "__path__"}
    for node in walked(tree := parsed(path)):
        match node:
            case ast.Name(ctx=ast.Store()):
                found.add(node.id)
            case ast.FunctionDef() | ast.ClassDef() | ast.AsyncFunctionDef():
                found.add(node.name)
            case ast.alias():
                found.add(node.asname or node.name.split(".")[0])
    made = any(isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in tree.body)
    return None if made else frozenset(found)


def unknown(tree: ast.Module) -> list[str]:
    """The names that a file takes from modules of ours and that these do not have."""
    modules: dict[str, str] = {}
    missing = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            if node.module.split(".")[0] in OURS and not file_of(node.module):
                missing += [] if (ROOT / node.module.replace(".", "/")).is_dir() else [node.module]
            for alias in node.names:
                if file_of(whole := f"{node.module}.{alias.name}"):
                    modules[alias.asname or alias.name] = whole
                elif (known := names(node.module)) is not None and alias.name not in known:
                    missing.append(whole)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            module = modules[node.value.id]
            known = names(module)
            if known is not None and node.attr not in known and not file_of(f"{module}.{node.attr}"):
                missing.append(f"{module}.{node.attr}")
    return missing


@pytest.mark.parametrize("path", USERS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_name_that_is_taken_from_the_package_is_there(path: Path) -> None:
    assert unknown(ast.parse(path.read_text(encoding="utf-8"))) == []


def test_a_name_that_is_not_there_is_found() -> None:
    planted = (
        "from teststrip.diffusion import loading\nfrom teststrip.records import NoSuchRecord, Shot\nloading.silence()"
    )
    assert unknown(ast.parse(planted)) == ["teststrip.records.NoSuchRecord", "teststrip.diffusion.loading.silence"]
