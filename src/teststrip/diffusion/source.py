"""The installed Diffusers as files: found on disk, read as text, never imported."""

from __future__ import annotations

import ast
import importlib.util
import re
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
    for path in files(pattern) if name.isidentifier() else ():
        if re.search(rf"^class {name}\b", text(path), re.M):
            for node in ast.parse(text(path)).body:
                if isinstance(node, ast.ClassDef) and node.name == name:
                    return node
    return None


def function(tree: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    """A method of a class, inherited ones left out."""
    return next((node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name), None)
