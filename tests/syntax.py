"""The syntax trees of the package, each parsed and walked once: many laws read them."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import teststrip

SOURCE = Path(teststrip.__file__).parent


def files() -> list[Path]:
    """All modules of the package but the one that is written for another reader."""
    return [path for path in _all() if path.relative_to(SOURCE).parts[0] != "models"]


@cache
def _all() -> tuple[Path, ...]:
    return tuple(sorted(SOURCE.rglob("*.py")))


@cache
def parsed(path: Path) -> ast.Module:
    """The tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def walked(tree: ast.AST) -> Sequence[ast.AST]:
    """All nodes of a tree, as `ast.walk` gives them."""
    return tuple(ast.walk(tree))


@cache
def calls(tree: ast.AST) -> Sequence[tuple[str, ast.Call]]:
    """What a tree calls, by the dotted name: "Image.open"."""
    return tuple((ast.unparse(node.func), node) for node in walked(tree) if isinstance(node, ast.Call))
