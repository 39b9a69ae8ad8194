"""The installed Diffusers as files: found on disk, read as text, never imported."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path


@cache
def package() -> Path | None:
    """The folder of the installed Diffusers, or None."""
    found = importlib.util.find_spec("diffusers")
    return Path(found.origin).parent if found and found.origin else None


@cache
def files(pattern: str) -> tuple[Path, ...]:
    """Source files by a pattern relative to the package, sorted; empty without Diffusers."""
    root = package()
    return tuple(sorted(root.glob(pattern))) if root else ()


@cache
def text(path: Path) -> str:
    """The text of a source file."""
    return path.read_text("utf-8")


@cache
def parsed_class(name: str, pattern: str) -> ast.ClassDef | None:
    """The class of that name in the files of a pattern."""
    holder = _holders(pattern).get(name)
    return class_in(holder, name) if holder else None


@cache
def _holders(pattern: str) -> Mapping[str, Path]:
    """The first file that has a class of a name, by the name."""
    found: dict[str, Path] = {}
    for path in files(pattern):
        for name in re.findall(r"^class (\w+)", text(path), re.M):
            found.setdefault(name, path)
    return found


@cache
def class_in(path: Path, name: str) -> ast.ClassDef | None:
    """The class of that name in a source file."""
    tree = ast.parse(text(path))
    return next((node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name), None)


def function(tree: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    """A method of a class, inherited ones left out."""
    return next((node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name), None)
