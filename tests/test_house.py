"""Laws of the house that import-linter cannot say, read off the syntax trees and the import graph of the package."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

import grimp
import pytest

import teststrip
from tests.command import environment
from tests.syntax import SOURCE, files, parsed, walked
from tests.syntax import calls as called

MODULES = {path.relative_to(SOURCE): parsed(path) for path in files()}


def calls(tree: ast.AST) -> Iterator[str]:
    """The dotted names that a module calls: "Image.open"."""
    return (name for name, _ in called(tree))


def outside(*rooms: str) -> dict[Path, ast.Module]:
    """The modules that lie in none of these rooms."""
    return {path: tree for path, tree in MODULES.items() if path.parts[0].removesuffix(".py") not in rooms}


def test_the_import_graph_has_no_circle() -> None:
    graph = grimp.build_graph("teststrip")
    # A face imports what lies behind it, and whatever lies there is in its package: that is no circle of ideas.
    faces = {module for module in graph.modules if graph.find_children(module)}
    imports = {module: graph.find_modules_directly_imported_by(module) - faces for module in graph.modules - faces}
    try:
        list(TopologicalSorter(imports).static_order())
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_nothing_inside_imports_what_the_package_offers_to_users() -> None:
    for path, tree in MODULES.items():
        for node in walked(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "teststrip":
                offered = {alias.name for alias in node.names} & set(teststrip.__all__) - {"__version__"}
                assert not offered, f"{path}:{node.lineno}: {offered}"


def test_only_pictures_opens_a_picture() -> None:
    for path, tree in outside("pictures").items():
        opened = {name for name in calls(tree) if name.endswith("Image.open") or name == "Pillow.open"}
        assert not opened, f"{path}: {opened}"


def test_only_weights_and_the_store_hash_a_file() -> None:
    for path, tree in outside("weights", "store").items():
        assert not [name for name in calls(tree) if name.endswith("file_digest")], path


def joined(tree: ast.AST) -> Iterator[int]:
    """The lines on which code makes a path out of a picture's: `folder / image.path`, `folder / place["file"]`."""

    def is_a_pictures(node: ast.expr) -> bool:
        if isinstance(node, ast.Call) and len(node.args) == 1:  # str(image.path)
            return is_a_pictures(node.args[0])
        name = ast.unparse(node)
        of_row = isinstance(node, ast.Subscript) and name.endswith(("['file']", "['path']"))
        return of_row or (isinstance(node, ast.Attribute) and node.attr == "path" and not name.startswith("sys."))

    for node in walked(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and is_a_pictures(node.right):
            yield node.lineno
    for name, node in called(tree):
        joins = name.endswith((".joinpath", "path.join")) or (name.split(".")[-1] == "Path" and len(node.args) > 1)
        if joins and any(map(is_a_pictures, node.args)):
            yield node.lineno


def test_only_the_store_makes_a_path_out_of_a_pictures_row() -> None:
    found = [f"{path}:{line}" for path, tree in outside("store", "testing").items() for line in joined(tree)]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "data = (folder / image.path).read_bytes()",
        "path = str(originals / row.image.path)",
        "path = self.folder / place['file']",
        "path = self.folder / str(one['path'])",
        "path = folder.joinpath(image.path)",
        "path = os.path.join(folder, image.path)",
        "path = Path(folder, image.path)",
    ],
)
def test_the_law_sees_every_way_to_join_the_folder_with_a_pictures_path(line: str) -> None:
    assert list(joined(ast.parse(line))) == [1]
    assert not list(joined(ast.parse("files.place(folder, image.path); found[image.path]; sys.path; Path(place.path)")))


def stopped_twice(tree: ast.AST) -> Iterator[int]:
    """The lines on which a full stop follows what `nearest` says, which ends its own sentence: "'seed'?. Known"."""
    for node in walked(tree):
        if isinstance(node, ast.JoinedStr):
            for part, after in pairwise(node.values):
                hint = isinstance(part, ast.FormattedValue) and isinstance(part.value, ast.Call)
                alone = hint and ast.unparse(part.value.func) == "nearest"
                if alone and isinstance(after, ast.Constant) and str(after.value).startswith("."):
                    yield node.lineno


def careless(tree: ast.AST) -> list[int]:
    """The lines of commands that start this interpreter without -P: it would import modules of the working folder."""
    return [
        node.lineno
        for node in walked(tree)
        if isinstance(node, ast.List)
        and node.elts
        and ast.unparse(node.elts[0]) == "sys.executable"
        and [ast.unparse(word) for word in node.elts[1:2]] != ["'-P'"]
    ]


def test_every_process_of_this_interpreter_ignores_modules_of_the_working_folder() -> None:
    assert {path: lines for path, tree in outside("testing").items() if (lines := careless(tree))} == {}
    assert careless(ast.parse('run([sys.executable, "-m", "teststrip.executors.worker"])')) == [1]
    assert careless(ast.parse('run([sys.executable, "-P", "-m", "teststrip.executors.worker"])')) == []


def test_no_message_puts_a_full_stop_behind_did_you_mean() -> None:
    assert [f"{path}:{line}" for path, tree in MODULES.items() for line in stopped_twice(tree)] == []


def test_the_law_sees_a_second_full_stop() -> None:
    assert list(stopped_twice(ast.parse("raise UsageError(f'no {x!r}{nearest(x, known)}.' f' Known: {known}')"))) == [1]
    assert not list(stopped_twice(ast.parse("raise UsageError(f'no {x!r}{among(x, known, 1)}')")))


@pytest.mark.process
@pytest.mark.parametrize(
    "module", ["teststrip", "records", "protocols", "study", "plan", "store", "verbs.run", "cli", "cli.studies"]
)
def test_what_starts_first_loads_nothing_heavy(module: str) -> None:
    name = module if module == "teststrip" else f"teststrip.{module}"
    code = f"import sys, {name}; print(sorted({{'torch', 'diffusers', 'numpy', 'scipy', 'PIL'}} & set(sys.modules)))"
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    ).stdout
    assert said.strip() == "[]"
