"""Conditions to SQL: the one compiler of filters.

Theory of operation. A condition becomes an SQL expression over the columns and aliases of one
table, and a mapping of parameters. No text that came from outside ever becomes SQL text: every key
and value is a bound parameter, and the rest comes from the vocabulary and from this file.

Expressions are two-valued, so that ``NOT`` is the exact opposite: where the engine would say NULL
(a text that is no number), the expression says 0.

Equality of an attribute is ``has(items, 'key=value')``, because that is what the text index
answers. The entry is ambiguous where a key or the value holds an equals sign (``a=b=c``), or where
the value is so long that the entry ends before it, so then the pair is compared as well, among the
rows that the index left.

A part of a text is looked for among the indexed words first (`words.py`): the index answers alone
where the part is one word, and leaves few rows to compare where it has any.

The engine reads one bucket of a map for ``map[key]``, and all keys for ``mapContains`` (120 ms
instead of 33 ms over a million spans), so presence is asked only where an absent key, which reads
as the empty text, could be taken for a match.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, assert_never

from clew.telemetry.query.filter.condition import (
    And,
    Attribute,
    Compare,
    Condition,
    Exists,
    Not,
    OneOf,
    Operator,
    Or,
    Target,
    Value,
)
from clew.telemetry.query.filter.vocabulary import AttributeColumn, FieldKind, FieldSpec
from clew.telemetry.query.filter.words import needle_words
from clew.telemetry.query.severity import SEVERITY_CLASSES
from clew.telemetry.tables.columns import ITEM_VALUE_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clew.telemetry.query.filter.vocabulary import Vocabulary

_LOWER: Final = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_ORDER_SQL: Final = {
    Operator.GREATER: ">",
    Operator.AT_LEAST: ">=",
    Operator.LESS: "<",
    Operator.AT_MOST: "<=",
    Operator.EQUALS: "=",
}


@dataclass(frozen=True, slots=True)
class Predicate:
    """An SQL condition and the values it names."""

    sql: str = "1"
    parameters: Mapping[str, object] = field(default_factory=dict)


def compile_condition(
    condition: Condition,
    vocabulary: Vocabulary,
    *,
    matches_empty: Callable[[str], bool],
    prefix: str = "p",
) -> Predicate:
    """Return the SQL of a condition over the table of a vocabulary's signal.

    `matches_empty` says whether a regular expression matches the empty text, and raises ClewError
    for one that does not compile; only the engine knows both. Parameters are named `prefix` and a
    number.
    """
    compiler = _Compiler(vocabulary, matches_empty, prefix)
    return Predicate(compiler.condition(condition), compiler.parameters)


def lower_ascii(text: str) -> str:
    """Return a text with A to Z in lower case and the rest as it is: the engine's ``lower``."""
    return text.translate(_LOWER)


class _Compiler:
    def __init__(
        self, vocabulary: Vocabulary, matches_empty: Callable[[str], bool], prefix: str
    ) -> None:
        self._vocabulary = vocabulary
        self._matches_empty = matches_empty
        self._prefix = prefix
        self.parameters: dict[str, object] = {}

    def condition(self, condition: Condition) -> str:
        match condition:
            case And(parts):
                return self._joined(" AND ", parts, empty="1")
            case Or(parts):
                return self._joined(" OR ", parts, empty="0")
            case Not(part):
                return f"NOT ({self.condition(part)})"
            case Exists(target):
                return self._exists(target)
            case OneOf(target, values):
                return self._one_of(target, values)
            case Compare(target, operator, value):
                if isinstance(target, Attribute):
                    return self._attribute(target, operator, value)
                return self._field(self._vocabulary.fields[target.name], operator, value)
            case _:
                assert_never(condition)

    def _exists(self, target: Target) -> str:
        if isinstance(target, Attribute):
            return self._anywhere(target, self._is_present)
        spec = self._vocabulary.fields[target.name]
        is_list = spec.kind is FieldKind.MEMBERS
        return f"notEmpty({spec.sql})" if is_list else f"{spec.sql} != ''"

    def _one_of(self, target: Target, values: tuple[Value, ...]) -> str:
        if isinstance(target, Attribute):
            equals = tuple(Compare(target, Operator.EQUALS, value) for value in values)
            return self._joined(" OR ", equals, empty="0")
        return self._field_in(self._vocabulary.fields[target.name], values)

    def _joined(self, word: str, parts: tuple[Condition, ...], *, empty: str) -> str:
        if not parts:
            return empty
        return word.join(f"({self.condition(part)})" for part in parts)

    def _bind(self, value: object, kind: str = "String") -> str:
        name = f"{self._prefix}{len(self.parameters)}"
        self.parameters[name] = value
        return f"{{{name}:{kind}}}"

    # --- attributes ---------------------------------------------------------------------------

    def _attribute(self, attribute: Attribute, operator: Operator, value: Value) -> str:
        if operator.is_order:
            number = self._bind(float(value), "Float64")
            sign = _ORDER_SQL[operator]

            def compare(maps: str, key: str) -> str:
                return f"ifNull(toFloat64OrNull({maps}[{key}]) {sign} {number}, 0)"

            return self._anywhere(attribute, compare)
        text = str(value)
        if operator is Operator.EQUALS:
            return self._attribute_equals(attribute, text)
        is_wanted = self._text_test(operator, text)
        is_part = operator is Operator.CONTAINS
        matches_absent = not text if is_part else self._matches_empty(text)

        def test(maps: str, key: str) -> str:
            found = is_wanted(f"{maps}[{key}]")
            return f"mapContains({maps}, {key}) AND {found}" if matches_absent else found

        return self._anywhere(attribute, test, part=text if is_part else "")

    def _attribute_equals(self, attribute: Attribute, text: str) -> str:
        key = self._bind(attribute.key)
        value = self._bind(text)
        is_cut = len(text.encode()) >= ITEM_VALUE_BYTES_MAX
        is_ambiguous = is_cut or "=" in attribute.key or "=" in text
        # The cut may go through a character, and half a character is no parameter.
        entry = (
            f"concat({key}, '=', substring({value}, 1, {ITEM_VALUE_BYTES_MAX}))"
            if is_cut
            else self._bind(f"{attribute.key}={text}")
        )

        def equals(maps: str) -> str:
            found = f"{maps}[{key}] = {value}"
            return found if text else f"mapContains({maps}, {key}) AND {found}"

        tests = []
        for column in self._vocabulary.places[attribute.place]:
            if column.items is not None:
                test = f"has({column.items}, {entry})"
                tests.append(f"{test} AND {equals(column.map)}" if is_ambiguous else test)
            else:
                tests.append(_each(column, equals))
        return _any_of(tests)

    def _anywhere(
        self, attribute: Attribute, test: Callable[[str, str], str], *, part: str = ""
    ) -> str:
        """Return that a test holds somewhere, of a value that must have the part."""
        key = self._bind(attribute.key)
        return _any_of(
            [
                self._among_words(column.words, part, _each(column, lambda maps: test(maps, key)))
                for column in self._vocabulary.places[attribute.place]
            ]
        )

    @staticmethod
    def _is_present(maps: str, key: str) -> str:
        return f"mapContains({maps}, {key})"

    def _text_test(self, operator: Operator, text: str) -> Callable[[str], str]:
        value = self._bind(text)
        if operator is Operator.EQUALS:
            return lambda sql: f"{sql} = {value}"
        if operator is Operator.CONTAINS:
            return lambda sql: f"position({sql}, {value}) > 0"
        self._matches_empty(text)
        return lambda sql: f"match({sql}, {value})"

    # --- fields -------------------------------------------------------------------------------

    def _field(self, spec: FieldSpec, operator: Operator, value: Value) -> str:
        match spec.kind:
            case FieldKind.TEXT | FieldKind.HEX:
                return self._text_field(spec, operator, str(value))
            case FieldKind.CHOICE:
                return self._field_in(spec, (value,))
            case FieldKind.DURATION:
                return f"{spec.sql} {_ORDER_SQL[operator]} {self._bind(value, 'UInt64')}"
            case FieldKind.SEVERITY:
                return _severity_sql(spec.sql, operator, value)
            case FieldKind.FLAG:
                return spec.sql if value else f"NOT ({spec.sql})"
            case FieldKind.MEMBERS:
                test = self._text_test(operator, str(value))
                return f"arrayExists(each -> {test('each')}, {spec.sql})"
            case FieldKind.SEARCH:
                return self._search(str(value))
            case _:
                assert_never(spec.kind)

    def _text_field(self, spec: FieldSpec, operator: Operator, text: str) -> str:
        if operator is Operator.CONTAINS_ANY_CASE:
            test = f"lower({spec.sql}) LIKE {self._pattern(text)}"
            return self._among_words(spec.words, text, test)
        test = self._text_test(operator, text)(spec.sql)
        return self._among_words(spec.words, text, test) if operator is Operator.CONTAINS else test

    def _field_in(self, spec: FieldSpec, values: tuple[Value, ...]) -> str:
        match spec.kind:
            case FieldKind.TEXT | FieldKind.HEX:
                return f"{spec.sql} IN {self._bind(list(map(str, values)), 'Array(String)')}"
            case FieldKind.CHOICE:
                stored = [text for value in values for text in spec.choices[str(value)]]
                return f"{spec.sql} IN {self._bind(stored, 'Array(String)')}"
            case _:
                return _any_of([self._field(spec, Operator.EQUALS, value) for value in values])

    def _search(self, text: str) -> str:
        vocabulary = self._vocabulary
        words = needle_words(lower_ascii(text))
        if vocabulary.words is not None and words.is_all:
            return f"{vocabulary.words} LIKE {self._pattern(text)}"
        pattern = self._pattern(text)
        texts = [f"lower({spec.sql}) LIKE {pattern}" for spec in vocabulary.search]
        lists = [
            f"arrayExists(each -> lower(each) LIKE {pattern}, {texts})"
            for texts in vocabulary.search_lists
        ]
        return self._among_words(vocabulary.words, text, _any_of([*texts, *lists]))

    def _among_words(self, column: str | None, part: str, test: str) -> str:
        """Return a test of texts that hold a part, made where the index finds the part's words."""
        words = needle_words(lower_ascii(part))
        if column is None or not words:
            return test
        found = [f"{column} LIKE {self._pattern(word)}" for word in words.parts]
        if words.whole:
            whole = self._bind(list(words.whole), "Array(String)")
            found.append(f"hasAllTokens({column}, {whole})")
        return " AND ".join([*found, f"({test})"])

    def _pattern(self, text: str) -> str:
        escaped = lower_ascii(text)
        for special in "\\%_":
            escaped = escaped.replace(special, f"\\{special}")
        return self._bind(f"%{escaped}%")


def _each(column: AttributeColumn, test: Callable[[str], str]) -> str:
    if column.many:
        return f"arrayExists(each -> {test('each')}, {column.map})"
    return test(column.map)


def _any_of(tests: list[str]) -> str:
    return tests[0] if len(tests) == 1 else "(" + " OR ".join(f"({test})" for test in tests) + ")"


def _severity_sql(sql: str, operator: Operator, value: Value) -> str:
    first, last = SEVERITY_CLASSES[value] if isinstance(value, str) else (int(value), int(value))
    match operator:
        case Operator.EQUALS:
            return f"{sql} BETWEEN {first} AND {last}"
        case Operator.GREATER:
            return f"{sql} > {last}"
        case Operator.AT_LEAST:
            return f"{sql} >= {first}"
        case Operator.LESS:
            return f"{sql} < {first}"
        case _:
            return f"{sql} <= {last}"
