"""The filter expression of `q=`: text to conditions, by recursive descent.

The grammar, which `docs/reference/filters.md` explains::

    expression = conjunction { "OR" conjunction }
    conjunction = negation { "AND" negation }
    negation = ( "NOT" | "!" ) negation | "(" expression ")" | comparison
    comparison = target [ operator value | [ "NOT" ] "IN" "(" value { "," value } ")" ]

Every rule is one method below. Length, terms and depth are bounded before anything is built, so an
expression cannot cost more than its bounds say; an error names the column and what was expected
there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, NoReturn

from clew.base.errors import ClewError, ErrorCode
from clew.telemetry.query.filter.attribute_filter import (
    NEGATED,
    PLACES,
    parse_number,
    place_key,
    unescape,
)
from clew.telemetry.query.filter.condition import (
    And,
    Attribute,
    Compare,
    Condition,
    Exists,
    Field,
    Not,
    OneOf,
    Operator,
    Or,
    Target,
    Value,
)
from clew.telemetry.query.filter.vocabulary import OPERATORS, FieldKind, NotAValueError

if TYPE_CHECKING:
    from clew.telemetry.query.filter.vocabulary import FieldSpec, Vocabulary

# A page of text: more is a program, and belongs into SQL.
EXPRESSION_CHARS_MAX: Final = 4096
# Comparisons and list values together: each is a function call per row that is read.
TERMS_MAX: Final = 256
# Levels of parentheses and negations; far from Python's own limit.
DEPTH_MAX: Final = 32

HINT: Final = "an example: service = checkout AND (duration > 100ms OR http.status_code >= 500)"


class _Kind(Enum):
    WORD = auto()
    QUOTED = auto()
    OPERATOR = auto()
    BANG = auto()
    OPEN = auto()
    CLOSE = auto()
    COMMA = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class _Token:
    """`text` is what the token means, `start` its first character; `end` is after its last."""

    kind: _Kind
    text: str
    start: int
    end: int


_TOKEN = re.compile(
    r"""
      \s+
    | (?P<QUOTED>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<OPERATOR>!=|!~|=~|~=|>=|<=|=|>|<)
    | (?P<BANG>!)
    | (?P<OPEN>\() | (?P<CLOSE>\)) | (?P<COMMA>,)
    | (?P<WORD>[^\s"'()=!<>~,]+)
    """,
    re.VERBOSE | re.DOTALL,
)
_KEYWORDS: Final = frozenset({"and", "or", "not", "in"})


def parse_expression(text: str, vocabulary: Vocabulary) -> Condition:
    """Return the condition that an expression states about records of one signal.

    Raises:
        ClewError: INVALID_ARGUMENT, with the column (from 1) and what was expected there.
    """
    if len(text) > EXPRESSION_CHARS_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"the filter expression is longer than {EXPRESSION_CHARS_MAX} characters",
            hint="SQL has room for more",
        )
    return _Parser(_read_tokens(text), vocabulary).parse()


def _read_tokens(text: str) -> list[_Token]:
    tokens = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            what = "a closing quote" if text[at] in "\"'" else "a word, a quote or an operator"
            _refuse(at, what, f"{text[at]!r}")
        if match.lastgroup is not None:
            kind = _Kind[match.lastgroup]
            value = unescape(match[0][1:-1]) if kind is _Kind.QUOTED else match[0]
            tokens.append(_Token(kind, value, at, match.end()))
        at = match.end()
    tokens.append(_Token(_Kind.END, "", len(text), len(text)))
    return tokens


class _Parser:
    """One pass over the tokens; `_at` is the next one."""

    def __init__(self, tokens: list[_Token], vocabulary: Vocabulary) -> None:
        self._tokens = tokens
        self._vocabulary = vocabulary
        self._at = 0
        self._depth = 0
        self._terms = 0

    def parse(self) -> Condition:
        condition = self._expression()
        self._expect(_Kind.END, "AND, OR or the end")
        return condition

    def _expression(self) -> Condition:
        parts = [self._conjunction()]
        while self._take_keyword("or"):
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _conjunction(self) -> Condition:
        parts = [self._negation()]
        while self._take_keyword("and"):
            parts.append(self._negation())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _negation(self) -> Condition:
        token = self._next
        is_not = token.kind is _Kind.BANG or _is_keyword(token, "not")
        if not is_not and token.kind is not _Kind.OPEN:
            return self._comparison()
        self._depth += 1
        if self._depth > DEPTH_MAX:
            _refuse(token.start, f"at most {DEPTH_MAX} levels", "one more")
        self._at += 1
        if is_not:
            condition: Condition = Not(self._negation())
        else:
            condition = self._expression()
            self._expect(_Kind.CLOSE, "AND, OR or )")
        self._depth -= 1
        return condition

    def _comparison(self) -> Condition:
        self._count_term()
        start = self._next
        target = self._target()
        negated_list = _is_keyword(self._next, "not") and _is_keyword(
            self._tokens[self._at + 1], "in"
        )
        if negated_list:
            self._at += 1
        if self._take_keyword("in"):
            one_of = self._list(target, start)
            return Not(one_of) if negated_list else one_of
        if self._next.kind is _Kind.OPERATOR:
            return self._operation(target, start)
        spec = self._spec(target)
        if spec is None:
            return Exists(target)
        if spec.kind is FieldKind.FLAG:
            return Compare(target, Operator.EQUALS, True)
        self._check(target, spec, None, start)
        return Exists(target)

    def _operation(self, target: Target, start: _Token) -> Condition:
        sign = self._take()
        operator = NEGATED.get(sign.text) or Operator(sign.text)
        spec = self._spec(target)
        if spec is not None:
            self._check(target, spec, operator, sign)
        value = self._value(spec, operator)
        compare = Compare(target, operator, value)
        return Not(compare) if sign.text in NEGATED else compare

    def _list(self, target: Target, start: _Token) -> Condition:
        spec = self._spec(target)
        if spec is not None:
            self._check(target, spec, Operator.EQUALS, start)
        self._expect(_Kind.OPEN, "( and a list of values")
        values = [self._value(spec, Operator.EQUALS)]
        while self._next.kind is _Kind.COMMA:
            self._at += 1
            self._count_term()
            values.append(self._value(spec, Operator.EQUALS))
        self._expect(_Kind.CLOSE, ", or )")
        return OneOf(target, tuple(values))

    def _target(self) -> Target:
        token = self._next
        if token.kind is _Kind.QUOTED:
            self._at += 1
            return Attribute(token.text)
        if token.kind is not _Kind.WORD or token.text.lower() in _KEYWORDS:
            _refuse(token.start, "a field or an attribute key", _shown(token))
        self._at += 1
        place = PLACES.get(token.text)
        if place is not None and self._next.kind is _Kind.QUOTED and self._next.start == token.end:
            if place not in self._vocabulary.places:
                record = self._vocabulary.record
                _refuse(token.start, f"a key of a {record}, which has no {place}s", _shown(token))
            return Attribute(self._take().text, place)
        if token.text in self._vocabulary.fields:
            return Field(token.text)
        return place_key(token.text, self._vocabulary)

    def _value(self, spec: FieldSpec | None, operator: Operator) -> Value:
        token = self._next
        if token.kind not in {_Kind.WORD, _Kind.QUOTED}:
            _refuse(token.start, "a value", _shown(token))
        self._at += 1
        if spec is not None:
            try:
                return spec.parse(token.text)
            except NotAValueError as error:
                _refuse(token.start, str(error), _shown(token))
        if not operator.is_order:
            return token.text
        number = parse_number(token.text)
        if number is None:
            _refuse(token.start, "a number", _shown(token))
        return number

    def _check(
        self, target: Target, spec: FieldSpec, operator: Operator | None, at: _Token
    ) -> None:
        """Refuse an operator that the field does not take; None stands for the bare name."""
        taken = OPERATORS[spec.kind]
        bare = spec.kind in {FieldKind.TEXT, FieldKind.HEX, FieldKind.MEMBERS}
        if operator in taken or (operator is None and bare):
            return
        name = target.name if isinstance(target, Field) else ""
        signs = [sign for sign in Operator if sign in taken]
        where = at.start if operator is not None else self._next.start
        found = _shown(at) if operator is not None else _shown(self._next)
        _refuse(where, f"{' '.join(signs)} after {name}", found)

    def _spec(self, target: Target) -> FieldSpec | None:
        return self._vocabulary.fields[target.name] if isinstance(target, Field) else None

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._next
        self._at += 1
        return token

    def _take_keyword(self, keyword: str) -> bool:
        if not _is_keyword(self._next, keyword):
            return False
        self._at += 1
        return True

    def _expect(self, kind: _Kind, what: str) -> None:
        if self._next.kind is not kind:
            _refuse(self._next.start, what, _shown(self._next))
        self._at += 1

    def _count_term(self) -> None:
        self._terms += 1
        if self._terms > TERMS_MAX:
            _refuse(self._next.start, f"at most {TERMS_MAX} comparisons and values", "one more")


def _is_keyword(token: _Token, keyword: str) -> bool:
    return token.kind is _Kind.WORD and token.text.lower() == keyword


def _shown(token: _Token) -> str:
    if token.kind is _Kind.END:
        return "the end"
    return repr(token.text if len(token.text) <= 40 else f"{token.text[:40]}…")


def _refuse(at: int, expected: str, found: str) -> NoReturn:
    raise ClewError(
        ErrorCode.INVALID_ARGUMENT,
        f"filter expression, column {at + 1}: expected {expected}, found {found}",
        hint=HINT,
    )
