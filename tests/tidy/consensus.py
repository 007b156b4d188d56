"""Expressions that consensus forbids: whatever could make two replicas differ, or hide a rounding.

This is the half of the rule that imports do not show. It reads syntax, so it is a net and not a proof: it
does not know types, so it sees iteration over a set only where the set is made on the spot.
"""

import ast
from collections.abc import Iterator

REFUSED_CALLS = {
    "complex": "inexact",
    "eval": "code from data",
    "exec": "code from data",
    "float": "inexact",
    "hash": "differs between processes",
    "id": "differs between processes",
    "input": "input",
    "open": "input",
    "print": "output",
}

SETS = frozenset({"set", "frozenset"})
ORDERED_BY = frozenset(
    {"list", "tuple", "iter", "enumerate", "zip", "map", "filter", "reversed", "next", "dict"}
)
"""Calls whose result keeps the order of what they are given: a set has another in each process."""

TYPE_TESTS = frozenset({"isinstance", "issubclass"})
"""Calls that may name `float`: they refuse one."""


def check_expressions(source: str, *, path: str) -> list[str]:
    """Return a complaint for each expression in `source` that consensus forbids."""
    return [
        f"{path}:{line}: {complaint}"
        for line, complaint in sorted(_complaints(ast.parse(source, filename=path)))
    ]


def _complaints(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            yield node.lineno, f"the number {node.value!r} is inexact"
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield node.lineno, "true division; use mul_div_down, mul_div_up or //"
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and _is_negative(node.right):
            yield node.lineno, "a negative power is inexact"
        elif isinstance(node, ast.For | ast.comprehension) and _is_set(node.iter):
            yield node.iter.lineno, "iteration over a set; sort it"
        elif isinstance(node, ast.Call):
            yield from _call_complaints(node)


def _is_set(node: ast.expr) -> bool:
    """Tell whether an expression makes a set, as far as its syntax shows."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor):
        return _is_set(node.left) or _is_set(node.right)
    named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SETS
    return named or isinstance(node, ast.Set | ast.SetComp)


def _is_negative(node: ast.expr) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)


def _call_complaints(call: ast.Call) -> Iterator[tuple[int, str]]:
    if isinstance(call.func, ast.Name):
        if call.func.id in TYPE_TESTS:
            return
        if call.func.id in ORDERED_BY and any(map(_is_set, call.args)):
            yield call.lineno, f"{call.func.id}() of a set; sort it"
        if call.func.id in REFUSED_CALLS:
            yield call.lineno, f"{call.func.id}(): {REFUSED_CALLS[call.func.id]}"
    # The same functions handed on: sorted(items, key=hash), map(float, items).
    for argument in [*call.args, *(keyword.value for keyword in call.keywords)]:
        if isinstance(argument, ast.Name) and argument.id in REFUSED_CALLS:
            yield argument.lineno, f"{argument.id} handed on: {REFUSED_CALLS[argument.id]}"
