"""When guidance multiplies a pipeline's denoiser rows: its own conditions, evaluated from its source."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from functools import cache

from teststrip.diffusion.source import function
from teststrip.records import Value


class Rule:
    """Evaluates the conditions under which a pipeline doubles its rows, for given settings.

    Understands comparisons, `and`, `or` and `not` of settings, configuration and constants. Anything else counts as
    true, so that it never hides a condition that is known to be false.

    Args:
        tree: the pipeline's class.
        settings: of the shot.
        config: looks up a key of a component's configuration.
    """

    def __init__(self, tree: ast.ClassDef, settings: Mapping[str, Value], config: Callable[[str, str], Value]) -> None:
        self.tree = tree
        self.settings = settings
        self.config = config

    def holds(self, name: str) -> bool:
        """Whether a property of the class, or a local of its call, of that name is true; False when there is none."""
        expression = _expression(self.tree, name)
        return expression is not None and self._value(expression, depth=0) not in (False, None, 0)

    def _value(self, node: ast.expr, depth: int) -> object:
        match node:
            case ast.Constant(value=value):
                return value
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self._value(operand, depth)
            case ast.BoolOp(op=operator, values=values):
                test = all if isinstance(operator, ast.And) else any
                return test(bool(self._value(value, depth)) for value in values)
            case ast.Compare(left=left, ops=[operator], comparators=[right]):
                return _compared(self._value(left, depth), operator, self._value(right, depth))
            case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="self"), attr=name):
                name = name.lstrip("_")
                if name in self.settings:
                    return self.settings[name]
                if name.endswith(("_embeds", "_embeds_mask")):
                    return None
                inner = _expression(self.tree, name) if depth < 4 else None
                return self._value(inner, depth + 1) if inner is not None else True
            case ast.Attribute(value=ast.Attribute(value=owner, attr="config"), attr=key):
                return self.config(owner.attr if isinstance(owner, ast.Attribute) else "", key)
        return True


def _compared(left: object, operator: ast.cmpop, right: object) -> bool:
    if isinstance(operator, ast.Is | ast.Eq):
        return left == right
    if isinstance(operator, ast.IsNot | ast.NotEq):
        return left != right
    if not isinstance(left, int | float) or not isinstance(right, int | float):
        return left is not None and right is not None
    match operator:
        case ast.Gt():
            return left > right
        case ast.GtE():
            return left >= right
        case ast.Lt():
            return left < right
        case ast.LtE():
            return left <= right
    return True


def states(tree: ast.ClassDef, name: str) -> bool:
    """Whether a class has a property, or a local of its call, of that name."""
    return _expression(tree, name) is not None


@cache
def _expression(tree: ast.ClassDef, name: str) -> ast.expr | None:
    if found := function(tree, name):
        returns = [node.value for node in ast.walk(found) if isinstance(node, ast.Return)]
        return returns[-1] if returns else None
    call = function(tree, "__call__")
    for node in ast.walk(call) if call else ():
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return node.value
    return None
