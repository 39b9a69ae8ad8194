"""Laws of wording: the rules for comments and docstrings that a machine can check, over the whole package."""

from __future__ import annotations

import ast
import inspect
import re
import tokenize
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest

from tests.syntax import files, parsed, walked

BANNED = re.compile(
    r"\b(somebody|nobody|whoever|for ever|beside the rest|of memory's sake|as above|see above)\b", re.IGNORECASE
)
BANNER = re.compile(r"#\s*[-=*~#]{2,}|.*[-=*~#]{4,}$")
QUOTED = re.compile(r"`[^`]*`|\"[^\"]*\"")
SECTION = re.compile(r"( *)(Attributes|Args|Returns|Raises|Source):(.*)")
# The head of a field that does not begin its line: "label: of the level. x: its number".
SECOND_FIELD = re.compile(r"[.;] (?:[a-z_]+, )*[a-z_]+: ")
# The beginning of a last sentence that only names what comes back: "How many there were."
FRAGMENT = re.compile(r"(How many|How much|Whether|As many|So many|None|True|False|Empty|Those)\b")


@cache
def comments(path: Path) -> Sequence[tuple[int, str]]:
    """Each comment with its line."""
    with tokenize.open(path) as file:
        tokens = tokenize.generate_tokens(file.readline)
        return [(token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT]


@cache
def docstrings(path: Path) -> Sequence[tuple[ast.AST, int, str]]:
    """Each docstring, those below a name too, with the node it stands in and its line."""
    return [
        (node, child.lineno, inspect.cleandoc(child.value.value))
        for node in walked(parsed(path))
        for child in ast.iter_child_nodes(node)
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant) and isinstance(child.value.value, str)
    ]


def crowded_fields(docstring: str) -> Iterator[str]:
    """The lines of Attributes and Args on which two fields stand, and heads that do not stand alone."""
    inside = -1
    for line in docstring.splitlines():
        if section := SECTION.fullmatch(line):
            listed = section[2] in ("Attributes", "Args")
            inside = len(section[1]) if listed else -1
            if listed and section[3].strip():
                yield line
        elif re.search(r"\S (Attributes|Args): ", line):
            yield line
        elif inside >= 0 and line.strip():
            if not line.startswith(" " * (inside + 1)):
                inside = -1
            elif SECOND_FIELD.search(QUOTED.sub("", line)):
                yield line


def last_sentence(docstring: str) -> str:
    """The last sentence before the sections and examples; empty where it is the first one, too."""
    prose = re.split(r"\n *(?:(?:Attributes|Args|Returns|Raises|Source):|>>>)", docstring)[0]
    sentences = re.split(r"(?<=[.!?])\s+", prose.strip())
    return sentences[-1] if len(sentences) > 1 else ""


def test_no_comment_and_no_docstring_uses_a_banned_word() -> None:
    for path in files():
        texts = [*comments(path), *((line, " ".join(text.split())) for _, line, text in docstrings(path))]
        used = [(line, found[0]) for line, text in texts if (found := BANNED.search(QUOTED.sub("", text)))]
        assert not used, f"{path}: {used}"


def test_no_comment_is_a_banner() -> None:
    for path in files():
        banners = [(line, text) for line, text in comments(path) if BANNER.match(text)]
        assert not banners, f"{path}: {banners}"


def test_a_field_has_a_line_of_its_own() -> None:
    for path in files():
        for _, line, text in docstrings(path):
            crowded = list(crowded_fields(text))
            assert not crowded, f"{path}:{line}: {crowded}"


def test_what_a_function_returns_stands_under_returns() -> None:
    for path in files():
        for node, line, text in docstrings(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
                last = last_sentence(text)
                assert not FRAGMENT.match(last), f"{path}:{line}: {last}"


@pytest.mark.parametrize(
    "docstring",
    [
        "A run begins. Attributes: study; total: shots planned.",
        "A point.\n\nAttributes:\n    label: of the level. x: its number, or None.",
        "A picture.\n\nAttributes:\n    width, height: pixels. size: bytes.",
        "A stencil.\n\nArgs: as of `make`.",
    ],
)
def test_two_fields_on_a_line_are_seen(docstring: str) -> None:
    assert list(crowded_fields(docstring))


@pytest.mark.parametrize(
    ("docstring", "kept"),
    [
        ("Replace the scores. How many there were.", False),
        ("Look again.\n\nWhether a change was found.\n\nRaises:\n    StoreError: no.", False),
        ("How many shots there are.", True),
        ("Replace the scores.\n\nReturns:\n    How many there were.", True),
    ],
)
def test_a_last_fragment_is_seen(docstring: str, kept: bool) -> None:
    assert (FRAGMENT.match(last_sentence(docstring)) is None) == kept
