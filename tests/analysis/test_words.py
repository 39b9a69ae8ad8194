"""Words are made last and never read: no code takes a sentence, a contrast's words or a label apart."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from tests.analysis.scored import study

import teststrip
from teststrip import analysis
from teststrip.analysis.sentences import phrases
from teststrip.records import Axis, Card, Contrast, Level, LevelRef

SOURCE = Path(teststrip.__file__).parent

WORDS = {"contrast", "sentence", "sentences", "reason", "label", "labels"}
"""Attributes and variables that hold words for people."""
NAMES = {"axis", "text"}
"""Attributes that hold names: to be compared, but not to be taken apart."""
READING = {
    *("split", "rsplit", "partition", "rpartition", "splitlines", "removeprefix", "removesuffix"),
    *("startswith", "endswith", "find", "rfind", "index", "rindex", "replace", "strip", "lstrip", "rstrip", "count"),
}
"""Methods that look into a text, or for one among others."""


class _Reader(ast.NodeVisitor):
    """Finds the lines of one function where words are read.

    Words are followed through assignments, loops, collections and comprehensions; a new text made of words is free.
    """

    def __init__(self, function: ast.AST) -> None:
        self.carrying = set(WORDS)
        self.lines: set[int] = set()
        size = 0
        while size != len(self.carrying):  # until no further variable is found to carry words
            size = len(self.carrying)
            for node in ast.walk(function):
                self._follow(node)
        self.visit(function)

    def _follow(self, node: ast.AST) -> None:
        """Note the variables that this statement gives words to."""
        pairs: list[tuple[ast.AST, ast.AST]] = []
        if isinstance(node, ast.Assign):
            pairs = [(target, node.value) for target in node.targets]
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
            pairs = [(node.target, node.value)]
        elif isinstance(node, ast.For | ast.comprehension):
            pairs = [(node.target, node.iter)]
        for target, value in pairs:
            if self.words(value):
                self.carrying |= {name.id for name in ast.walk(target) if isinstance(name, ast.Name)}

    def words(self, node: ast.AST) -> bool:
        """Whether this expression is words, or a collection of them."""
        if isinstance(node, ast.Attribute):
            return node.attr in WORDS
        if isinstance(node, ast.Name):
            return node.id in self.carrying
        if isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp):
            return self.words(node.elt)
        if isinstance(node, ast.DictComp):
            return self.words(node.key)
        if isinstance(node, ast.Subscript | ast.Starred):
            return self.words(node.value)
        if isinstance(node, ast.List | ast.Set | ast.Tuple):
            return any(map(self.words, node.elts))
        if isinstance(node, ast.BoolOp):
            return any(map(self.words, node.values))
        if isinstance(node, ast.IfExp):
            return self.words(node.body) or self.words(node.orelse)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            return self.words(node.func.value)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return node.func.id in ("set", "list", "tuple", "sorted", "str") and any(map(self.words, node.args))
        return False

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        if isinstance(function, ast.Attribute):
            of = function.value
            looks = function.attr in READING and (
                self.words(of) or (isinstance(of, ast.Attribute) and of.attr in NAMES)
            )
            matches = isinstance(of, ast.Name) and of.id == "re"
            if looks or (matches and any(map(self.words, node.args))):
                self.lines.add(node.lineno)
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.value, ast.Name) and node.value.id == "str" and node.attr in READING:
            self.lines.add(node.lineno)  # handed on: map(str.split, ...)
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        sides = [node.left, *node.comparators]
        if any(isinstance(one, ast.In | ast.NotIn | ast.Eq | ast.NotEq) for one in node.ops):
            empty = [isinstance(side, ast.Constant) and side.value in ("", None) for side in sides]
            if any(map(self.words, sides)) and not any(empty):
                self.lines.add(node.lineno)
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        one_text = isinstance(node.value, ast.Attribute) and node.value.attr in WORDS - {"labels", "sentences"}
        if isinstance(node.slice, ast.Slice) and one_text:
            self.lines.add(node.lineno)
        self.generic_visit(node)


def reads_words(source: str) -> list[int]:
    """The lines of a module where code reads words."""
    found: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            found |= _Reader(node).lines
    return sorted(found)


def _files() -> Iterator[Path]:
    yield from (SOURCE / "analysis").rglob("*.py")
    yield from (SOURCE / "views").glob("*.py")


@pytest.mark.parametrize("path", [pytest.param(path, id=str(path.relative_to(SOURCE))) for path in _files()])
def test_no_code_reads_a_sentence_a_contrast_or_a_label(path: Path) -> None:
    assert reads_words(path.read_text(encoding="utf-8")) == []


PLANTED = {
    "which weights": "next(w for text, w in simple(first) if interaction.text.startswith(f'{first.name} ('))",
    "two axes": "finding.axis.split(' × ')",
    "the level of a part": "numbers[layout.factors[1].labels.index(part.text)]",
    "the change": "interaction.text.removeprefix('guidance (').split(') by ')[0] + ' makes'",
    "levels left out": "[sum(label in pair for pair in [row.contrast.split(' against ') for row in rows])]",
    "a pair": "[row for row in finding.comparisons if ' against ' in row.contrast]",
    "a trend": "finding.contrast.startswith('linear trend, ')",
    "its ends": "finding.contrast.removesuffix(' on a log scale')",
    "a plateau": "'8 against 6' in {row.contrast for row in finding.comparisons if row.verdict == 'equivalent'}",
    "a group": "finding.contrast.removeprefix('knee')",
    "a heading": "f'Convergence{finding.contrast[4:]}'",
    "an audit": "[f.sentence for f in findings if 'recommends nothing' in f.sentence]",
    "a repetition": "any(made.reason[1:] in doubt for doubt in doubts)",
    "a claim": "found.finding.sentence.removesuffix(' It recommends nothing.').rstrip('.')",
    "spoken settings": "list(map(str.split, setting.split(', ')))",
    "an expression": "re.match('([0-9]+) against', row.contrast)",
    "a label": "point.label == chosen",
}


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED)
def test_the_law_finds_every_way_in_which_words_were_read_before(planted: str) -> None:
    assert reads_words(f"def function(finding, rows, layout, interaction):\n    return {planted}\n") == [2]


def test_the_law_follows_words_into_variables_and_collections() -> None:
    source = """
def function(rows):
    same = {row.contrast for row in rows}
    first = sorted(same)[0]
    for one in [first]:
        one.split(" against ")
    return f"{first} and more".split("and")
"""
    assert reads_words(source) == [6]


MISLEADING = (
    *("8 against 6", "x by y", "linear trend, 1 to 2", "quadratic trend (bend)", "knee with x", "a × b"),
    *("It recommends nothing.", "7 on a log scale", "x, y", "guidance_scale 7"),
)
"""Labels that say what sentences say."""


def relabelled(value: Any, words: Mapping[str, str]) -> Any:
    """The same with other labels in all texts; numbers spelled out, so that NaN equals itself."""
    if isinstance(value, Mapping):
        return {key: relabelled(one, words) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [relabelled(one, words) for one in value]
    if isinstance(value, str):
        for plain, misleading in words.items():
            value = value.replace(plain, misleading)
        return value
    return repr(value)


@pytest.mark.parametrize("slope", [0.0, 0.1, 0.8])
@pytest.mark.parametrize("turn", range(3))
def test_labels_are_copied_and_never_understood(turn: int, slope: float) -> None:
    """With misleading labels all findings are what they are with plain ones, but for the labels."""
    words, numbers = ("L0L", "L1L", "L2L"), (1.0, 2.0, 4.0, 8.0)
    plain = [*words, *(f"L{k + 3}L" for k in range(len(numbers)))]
    misleading = [MISLEADING[(turn * 3 + k) % len(MISLEADING)] for k in range(len(plain))]

    def found(labels: list[str]) -> tuple[list[Any], Any]:
        looks = Axis("look", "linked", tuple(Level(label, {"eta": k}) for k, label in enumerate(labels[:3])))
        steps = tuple(Level(label, {"num_inference_steps": x}) for label, x in zip(labels[3:], numbers, strict=True))
        levels = Axis("num_inference_steps", "setting", steps)
        table = study(
            12,
            2,
            {"look": words, "num_inference_steps": numbers},
            lambda c: slope * (float(c[1]) - 0.5 * float(c[1]) ** 2 * (c[0] == "L1L")),
        )
        table["look level"] = [words.index(str(word)) for word in table["look"]]
        table["look"] = [labels[k] for k in table["look level"]]
        table["distance"] = [
            abs(8.0 - x) * (1 + p % 3) / 8
            for x, p in zip(table["num_inference_steps"], map(hash, table["replicate"]), strict=True)
        ]
        table["apart"] = table["distance"]
        infos = {
            "score": Card("score", higher_is_better=True),
            "distance": Card("distance", higher_is_better=False, arity=2),
            "apart": Card("apart", arity=2, against="the reference", unseen=3.0),
        }
        reference = [LevelRef("look", 0, labels[0]), LevelRef("num_inference_steps", 3, labels[6])]
        findings = analysis.findings(table, infos, axes=[looks, levels], reference=reference)
        made = analysis.recommend(table, infos["score"], axes=[looks, levels])
        return [asdict(finding) for finding in findings], asdict(made)

    expected = relabelled(found(plain), dict(zip(plain, misleading, strict=True)))
    assert relabelled(found(misleading), {}) == expected


def test_a_contrast_is_said_from_its_record() -> None:
    low, high = LevelRef("guidance_scale", 0, "6"), LevelRef("guidance_scale", 3, "9")
    plain, oil = LevelRef("style", 0, "plain"), LevelRef("style", 1, "oil")
    said = {
        Contrast("pair", (high,), (low,)): "9 against 6",
        Contrast("trend", (high,), (low,)): "linear trend, 6 to 9",
        Contrast("bend", (high,), (low,), logarithmic=True): "quadratic trend (bend), 6 to 9 on a log scale",
        Contrast("interaction", (high, oil), (low, plain), trends=("guidance_scale",)): (
            "guidance_scale (trend) by style (oil against plain)"
        ),
        Contrast("settings", (high, oil), (low, plain)): "guidance 9, style oil against guidance 6, style plain",
        Contrast("share", (high,)): "converged at 9 (share of prompts)",
    }
    assert {asked: phrases.contrast(asked) for asked in said} == said
