"""Conditions over a state that anybody can check: the expressions of invariants.

The grammar is a part of Python's, and means the same:

    condition   comparisons joined by `and`, `or`, `not`, with parentheses
    comparison  operands joined by == != < <= > >= (chains too), `in` and `not in` a list of
                literals, `is None`, `is not None`, or an operand alone that is true or false
    operand     a field's name, a literal (number, text, True, False, None), `len(field)`,
                or operands joined by + - *, with parentheses

A field that is absent or null makes what is said of it unknown, as in SQL: ``not``, ``and`` and
``or`` carry that on, and what is unknown is no violation. Only ``is None`` looks at it. Comparing
what has no order (a text with a number) is unknown too. Nothing can be called but ``len``, nothing
be reached but fields, and an expression is bounded in length, so that it is harmless whoever wrote
it.
"""

from __future__ import annotations

import ast
import operator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from clew.twin.schema.limits import EXPRESSION_CHARS_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Evaluate = Callable[[Mapping[str, Any]], Any]

DEPTH_MAX: Final = 50
"""Of parts inside parts: far from what Python's stack holds."""

KEPT_EXPRESSIONS: Final = 256
"""Compiled expressions that a process keeps."""

UNKNOWN: Final = None
"""What is said of a field that has no value."""

_COMPARE: Final[Mapping[type[ast.cmpop], Callable[[Any, Any], Any]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_COMPUTE: Final[Mapping[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
}


class ExpressionError(ValueError):
    """A text that is no condition of the grammar."""


class Expression:
    """A condition, ready to be checked. `fields` are the names that it looks at."""

    def __init__(self, text: str) -> None:
        """Compile a condition.

        Raises:
            ExpressionError: it is none.
        """
        if len(text) > EXPRESSION_CHARS_MAX:
            raise ExpressionError(f"an expression of more than {EXPRESSION_CHARS_MAX} characters")
        # An escape could only write what the text may hold as it is, and Python warns of some.
        if "\\" in text:
            raise ExpressionError("an expression has no backslash")
        try:
            tree = ast.parse(text.strip(), mode="eval")
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
            raise ExpressionError(f"not an expression: {text!r}") from error
        compiler = _Compiler()
        self.text = text
        self._evaluate = compiler.condition(tree.body, 0)
        self.fields = frozenset(compiler.fields)

    def holds(self, state: Mapping[str, Any]) -> bool | None:
        """Whether the condition holds of a state of JSON values; None when that is unknown."""
        said = self._evaluate(state)
        return said if isinstance(said, bool) else None


@lru_cache(maxsize=KEPT_EXPRESSIONS)
def parse_expression(text: str) -> Expression:
    """Return a compiled condition.

    Raises:
        ExpressionError: the text is none.
    """
    return Expression(text)


class _Compiler:
    def __init__(self) -> None:
        self.fields: set[str] = set()

    def condition(self, node: ast.expr, depth: int) -> Evaluate:
        if depth > DEPTH_MAX:
            raise ExpressionError(f"an expression nested deeper than {DEPTH_MAX}")
        match node:
            case ast.BoolOp(op=ast.And(), values=values):
                return _all([self.condition(each, depth + 1) for each in values])
            case ast.BoolOp(values=values):
                return _any([self.condition(each, depth + 1) for each in values])
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                return _not(self.condition(inner, depth + 1))
            case ast.Compare(left=left, ops=ops, comparators=rights):
                return self._comparison(left, ops, rights, depth)
            case _:
                return self._operand(node, depth)

    def _comparison(
        self, left: ast.expr, ops: list[ast.cmpop], rights: list[ast.expr], depth: int
    ) -> Evaluate:
        parts: list[Evaluate] = []
        for op, right in zip(ops, rights, strict=True):
            parts.append(self._pair(left, op, right, depth + 1))
            left = right
        return parts[0] if len(parts) == 1 else _all(parts)

    def _pair(self, left: ast.expr, op: ast.cmpop, right: ast.expr, depth: int) -> Evaluate:
        first = self._operand(left, depth)
        match op, right:
            case ((ast.Is() | ast.IsNot()), ast.Constant(value=None)):
                is_wanted = isinstance(op, ast.Is)
                return lambda state: (first(state) is None) is is_wanted
            case ((ast.In() | ast.NotIn()), (ast.List(elts=elements) | ast.Tuple(elts=elements))):
                listed = [_literal(each) for each in elements]
                return _among(first, listed, isinstance(op, ast.In))
        compare = _COMPARE.get(type(op))
        if compare is None:
            raise ExpressionError("of in, is and their opposites only lists of literals and None")
        return _apply(compare, first, self._operand(right, depth))

    def _operand(self, node: ast.expr, depth: int) -> Evaluate:
        if depth > DEPTH_MAX:
            raise ExpressionError(f"an expression nested deeper than {DEPTH_MAX}")
        match node:
            case ast.Name(id=name):
                self.fields.add(name)
                return lambda state: state.get(name)
            case ast.Constant() | ast.UnaryOp(op=ast.USub(), operand=ast.Constant()):
                value = _literal(node)
                return lambda _state: value
            case ast.Call(func=ast.Name(id="len"), args=[ast.Name(id=name)], keywords=[]):
                self.fields.add(name)
                return lambda state: _length(state.get(name))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _COMPUTE:
                parts = self._operand(left, depth + 1), self._operand(right, depth + 1)
                return _apply(_numbers(_COMPUTE[type(op)]), *parts)
            case ast.BoolOp() | ast.Compare() | ast.UnaryOp(op=ast.Not()):
                return self.condition(node, depth + 1)
            case _:
                raise ExpressionError(f"not of the grammar: {ast.unparse(node)[:80]!r}")


def _literal(node: ast.expr) -> Any:
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
        case ast.Constant(value=None | bool() | int() | float() | str() as value):
            return value
    raise ExpressionError(f"not a literal: {ast.unparse(node)[:80]!r}")


def _apply(function: Callable[[Any, Any], Any], left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(state: Mapping[str, Any]) -> Any:
        first, second = left(state), right(state)
        if first is None or second is None:
            return UNKNOWN
        try:
            return function(first, second)
        except (TypeError, OverflowError):
            return UNKNOWN

    return evaluate


def _numbers(compute: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def evaluate(first: Any, second: Any) -> Any:
        # A text times a number, or lists put together, could grow without end.
        if not isinstance(first, (int, float)) or not isinstance(second, (int, float)):
            return UNKNOWN
        return compute(first, second)

    return evaluate


def _length(value: Any) -> int | None:
    return len(value) if isinstance(value, (str, list, dict)) else UNKNOWN


def _among(operand: Evaluate, listed: list[Any], is_wanted: bool) -> Evaluate:
    def evaluate(state: Mapping[str, Any]) -> Any:
        value = operand(state)
        return UNKNOWN if value is None else (value in listed) is is_wanted

    return evaluate


def _not(inner: Evaluate) -> Evaluate:
    def evaluate(state: Mapping[str, Any]) -> Any:
        said = inner(state)
        return not said if isinstance(said, bool) else UNKNOWN

    return evaluate


def _all(parts: list[Evaluate]) -> Evaluate:
    def evaluate(state: Mapping[str, Any]) -> Any:
        said = [part(state) for part in parts]
        if any(each is False for each in said):
            return False
        return True if all(each is True for each in said) else UNKNOWN

    return evaluate


def _any(parts: list[Evaluate]) -> Evaluate:
    def evaluate(state: Mapping[str, Any]) -> Any:
        said = [part(state) for part in parts]
        if any(each is True for each in said):
            return True
        return False if all(each is False for each in said) else UNKNOWN

    return evaluate
