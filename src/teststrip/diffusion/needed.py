"""Which optional input a pipeline cannot do without, read from its source.

A signature says `image = None` also where the call fails without one: it raises, or it asks for the size of what is not
there. So the body is followed as far as it goes without that input; a condition that hangs on something else decides
nothing. Knows syntax trees alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from teststrip.diffusion.source import function


def needed(tree: ast.ClassDef, left_out: Iterable[str]) -> str:
    """The first argument without which a call of the pipeline fails; "" = it needs none of these.

    Args:
        tree: of the class.
        left_out: arguments that are None.
    """
    bodies = [found.body for name in ("check_inputs", "__call__") if (found := function(tree, name))]
    return next((name for body in bodies if (name := _fails(body, set(left_out)))), "")


def _fails(block: list[ast.stmt], absent: set[str]) -> str:
    """The name that lets these statements fail; takes from `absent` what they give another value."""
    for statement in block:
        if isinstance(statement, ast.If):
            if name := _looked_into(statement.test, absent) or _fails_if(statement, absent):
                return name
        elif isinstance(statement, ast.For | ast.With | ast.While):
            if name := _fails(statement.body, absent):
                return name
        elif isinstance(statement, ast.Return):
            return ""
        elif name := _looked_into(statement, absent):
            return name
        absent -= _assigned(statement)
    return ""


def _fails_if(statement: ast.If, absent: set[str]) -> str:
    holds = _holds(statement.test, absent)
    if holds is None:
        return ""
    block = statement.body if holds else statement.orelse
    if block and isinstance(block[0], ast.Raise):
        return next(node.id for node in ast.walk(statement.test) if isinstance(node, ast.Name) and node.id in absent)
    return _fails(block, absent)


def _holds(test: ast.expr, absent: set[str]) -> bool | None:
    """Whether a condition holds where these names are None; None = that hangs on something else."""
    match test:
        case ast.Name(id=name) if name in absent:
            return False
        case ast.Call(func=ast.Name(id="isinstance"), args=[ast.Name(id=name), _]) if name in absent:
            return False
        case ast.Compare(left=ast.Name(id=name), ops=[ast.Is() | ast.IsNot() as how], comparators=[ast.Constant(None)]):
            return isinstance(how, ast.Is) if name in absent else None
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inner = _holds(operand, absent)
            return None if inner is None else not inner
        case ast.BoolOp(op=how, values=values):
            deciding = isinstance(how, ast.Or)  # one value decides: True of "or", False of "and"
            found = [_holds(value, absent) for value in values]
            return deciding if deciding in found else None if None in found else not deciding
    return None


def _assigned(statement: ast.stmt) -> set[str]:
    nodes = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
    return {node.id for node in nodes if isinstance(node.ctx, ast.Store)}


def _looked_into(node: ast.AST, absent: set[str]) -> str:
    """The name that an expression asks for a part, an attribute or its pixels."""
    match node:
        case ast.IfExp(test=test, body=body, orelse=orelse):
            holds = _holds(test, absent)
            chosen = [] if holds is None else [body if holds else orelse]
            return next((name for each in (test, *chosen) if (name := _looked_into(each, absent))), "")
        case ast.BoolOp(op=ast.And(), values=[first, *_]) if _holds(first, absent) is False:
            return ""
        case ast.Attribute(value=ast.Name(id=name)) | ast.Subscript(value=ast.Name(id=name)) if name in absent:
            return name
        case ast.Call(func=ast.Attribute(attr="preprocess"), args=[ast.Name(id=name), *_]) if name in absent:
            return name
    return next((name for child in ast.iter_child_nodes(node) if (name := _looked_into(child, absent))), "")
