"""The language of filters: what each form means, and where an error points."""

from __future__ import annotations

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.telemetry.query.filter.attribute_filter import (
    ATTRIBUTE_FILTER_CHARS_MAX,
    ATTRIBUTE_FILTERS_MAX,
    parse_attribute_filters,
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
    Place,
)
from clew.telemetry.query.filter.expression import (
    DEPTH_MAX,
    EXPRESSION_CHARS_MAX,
    TERMS_MAX,
    parse_expression,
)
from clew.telemetry.query.filter.vocabulary import LOGS, POINTS, SPANS

A = Attribute("a")
B = Exists(Attribute("b"))
C = Exists(Attribute("c"))


def equals(key: str, value: str, place: Place = Place.ANY) -> Compare:
    return Compare(Attribute(key, place), Operator.EQUALS, value)


def field(name: str, operator: Operator, value: str | int | bool) -> Compare:
    return Compare(Field(name), operator, value)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("a=v", equals("a", "v")),
        ("a=", equals("a", "")),
        ("a=b=c", equals("a", "b=c")),
        ("a= v ", equals("a", " v ")),
        (' a ="v"', equals("a", '"v"')),
        ("a!=v", Not(equals("a", "v"))),
        ("a~=v", Compare(A, Operator.CONTAINS, "v")),
        ("a=~v", Compare(A, Operator.MATCHES, "v")),
        ("a!~v", Not(Compare(A, Operator.MATCHES, "v"))),
        ("a>1", Compare(A, Operator.GREATER, 1.0)),
        ("a>=-1.5e3", Compare(A, Operator.AT_LEAST, -1500.0)),
        ("a< .5", Compare(A, Operator.LESS, 0.5)),
        ("a<=+2", Compare(A, Operator.AT_MOST, 2.0)),
        ("a", Exists(A)),
        ("!a", Not(Exists(A))),
        ("http.status_code=500", equals("http.status_code", "500")),
        ("resource.a=v", equals("a", "v", Place.RESOURCE)),
        ("scope.a=v", equals("a", "v", Place.SCOPE)),
        ("event.a=v", equals("a", "v", Place.EVENT)),
        ("link.a=v", equals("a", "v", Place.LINK)),
        ("span.kind=v", equals("span.kind", "v")),
        ('"event.a"=v', equals("event.a", "v")),
        ('event."event.a b"=v', equals("event.a b", "v", Place.EVENT)),
        (r'"a\"b\\c"=v', equals('a"b\\c', "v")),
        ('"a>b" >1', Compare(Attribute("a>b"), Operator.GREATER, 1.0)),
        ('!"!a"', Not(Exists(Attribute("!a")))),
        ("event.=v", equals("event.", "v")),
        ('"a', Exists(Attribute('"a'))),
        ('link."a', Exists(Attribute('"a', Place.LINK))),
    ],
)
def test_an_attribute_entry_is_one_comparison(entry: str, expected: Condition) -> None:
    assert parse_attribute_filters([entry], SPANS) == And((expected,))


def test_attribute_entries_are_anded() -> None:
    assert parse_attribute_filters(["a=v", "b"], SPANS) == And((equals("a", "v"), B))
    assert parse_attribute_filters([], SPANS) == And(())


def test_logs_have_no_events_so_event_belongs_to_the_key() -> None:
    assert parse_attribute_filters(["event.name=v"], LOGS) == And((equals("event.name", "v"),))
    assert parse_expression("event.name = v", LOGS) == equals("event.name", "v")


@pytest.mark.parametrize(
    "entry",
    ["", "=v", "!", "!a=v", "a>x", "a>", "a<nan", "a<inf", "a>1e999", '"a"b', " "],
)
def test_an_attribute_entry_that_does_not_parse_is_refused(entry: str) -> None:
    with pytest.raises(ClewError) as caught:
        parse_attribute_filters([entry], SPANS)
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT
    assert caught.value.hint


def test_attribute_entries_are_bounded_in_number_and_length() -> None:
    for entries in (
        ["a=v"] * (ATTRIBUTE_FILTERS_MAX + 1),
        ["a" * ATTRIBUTE_FILTER_CHARS_MAX + "=v"],
    ):
        with pytest.raises(ClewError) as caught:
            parse_attribute_filters(entries, SPANS)
        assert len(caught.value.message) < 300


def test_a_place_that_the_signal_lacks_is_refused_when_it_is_meant() -> None:
    with pytest.raises(ClewError):
        parse_attribute_filters(['event."a"=v'], LOGS)
    with pytest.raises(ClewError):
        parse_expression('link."a" = v', POINTS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", Exists(A)),
        ("!a", Not(Exists(A))),
        ("NOT a", Not(Exists(A))),
        ("a = v", equals("a", "v")),
        ("a=v", equals("a", "v")),
        ("a='it''s'", None),
        ("""a = "it's" """, equals("a", "it's")),
        (r"a = 'it\'s \\ \n'", equals("a", "it's \\ \n")),
        ("a != v", Not(equals("a", "v"))),
        ("a !~ 'x.*'", Not(Compare(A, Operator.MATCHES, "x.*"))),
        ("a >= 5", Compare(A, Operator.AT_LEAST, 5.0)),
        ("a in (x, 'y z',5)", OneOf(A, ("x", "y z", "5"))),
        ("a NOT IN (x)", Not(OneOf(A, ("x",)))),
        ("a OR b AND c", Or((Exists(A), And((B, C))))),
        ("(a OR b) AND c", And((Or((Exists(A), B)), C))),
        ("a and b or c", Or((And((Exists(A), B)), C))),
        ("NOT a AND b", And((Not(Exists(A)), B))),
        ("NOT NOT !a", Not(Not(Not(Exists(A))))),
        ("!(a OR b)", Not(Or((Exists(A), B)))),
        ("service = checkout", field("service", Operator.EQUALS, "checkout")),
        ('"service" = checkout', equals("service", "checkout")),
        ("operation ~= GET", field("operation", Operator.CONTAINS, "GET")),
        ("duration > 100ms", field("duration", Operator.GREATER, 100_000_000)),
        ("duration<=1.5s", field("duration", Operator.AT_MOST, 1_500_000_000)),
        ("duration in (1s, 2s)", OneOf(Field("duration"), (1_000_000_000, 2_000_000_000))),
        ("status = ERROR", field("status", Operator.EQUALS, "error")),
        ("kind in (server,client)", OneOf(Field("kind"), ("server", "client"))),
        ("trace_id = 0AF7", field("trace_id", Operator.EQUALS, "0af7")),
        ("root", field("root", Operator.EQUALS, True)),
        ("root = false", field("root", Operator.EQUALS, False)),
        ("parent_span_id", Exists(Field("parent_span_id"))),
        ("event = exception", field("event", Operator.EQUALS, "exception")),
        ("text ~= timeout", field("text", Operator.CONTAINS, "timeout")),
        ('resource."event.a" = v', equals("event.a", "v", Place.RESOURCE)),
        ("url = http://x/y?z", equals("url", "http://x/y?z")),
    ],
)
def test_an_expression_means_its_conditions(text: str, expected: Condition | None) -> None:
    if expected is None:
        with pytest.raises(ClewError):
            parse_expression(text, SPANS)
    else:
        assert parse_expression(text, SPANS) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("severity >= warn", field("severity", Operator.AT_LEAST, "warn")),
        ("severity = 17", field("severity", Operator.EQUALS, 17)),
        ("body ~= x", field("body", Operator.CONTAINS, "x")),
        ("duration", Exists(Attribute("duration"))),
    ],
)
def test_each_signal_has_its_own_fields(text: str, expected: Condition) -> None:
    assert parse_expression(text, LOGS) == expected


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("", 1, "a field or an attribute key"),
        ("a =", 4, "a value"),
        ("a = )", 5, "a value"),
        ("a == b", 4, "a value"),
        ("a b", 3, "AND, OR or the end"),
        ("a AND", 6, "a field or an attribute key"),
        ("a AND OR b", 7, "a field or an attribute key"),
        ("(a", 3, "AND, OR or )"),
        ("a)", 2, "AND, OR or the end"),
        ("a in x", 6, "( and a list"),
        ("a in ()", 7, "a value"),
        ("a in (x y)", 9, ", or )"),
        ("a > x", 5, "a number"),
        ("'a", 1, "a closing quote"),
        ("a ~ b", 3, "a word, a quote or an operator"),
        ("service > x", 9, "= ~= =~ after service"),
        ("service = a AND duration > 5", 28, "a duration with its unit"),
        ("duration", 9, "= > >= < <= after duration"),
        ("duration ~= 5ms", 10, "= > >= < <= after duration"),
        ("status = bad", 10, "one of ok, error, unset"),
        ("status > ok", 8, "= after status"),
        ("text = x", 6, "~= after text"),
        ("text in (x)", 1, "~= after text"),
        ("root = 1", 8, "true or false"),
    ],
)
def test_an_error_points_at_its_column_and_says_what_belongs_there(
    text: str, column: int, expected: str
) -> None:
    with pytest.raises(ClewError) as caught:
        parse_expression(text, SPANS)
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT
    assert f"column {column}: expected {expected}" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "a" * (EXPRESSION_CHARS_MAX + 1),
        "(" * (DEPTH_MAX + 1) + "a" + ")" * (DEPTH_MAX + 1),
        "NOT " * (DEPTH_MAX + 1) + "a",
        " OR ".join(["a"] * (TERMS_MAX + 1)),
        f"a in ({','.join(['1'] * (TERMS_MAX + 1))})",
        "(" * EXPRESSION_CHARS_MAX,
    ],
)
def test_an_expression_is_bounded_in_length_terms_and_depth(text: str) -> None:
    with pytest.raises(ClewError) as caught:
        parse_expression(text, SPANS)
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT
    assert len(caught.value.message) < 300


def test_an_expression_at_its_bounds_is_read() -> None:
    parse_expression("(" * DEPTH_MAX + "a" + ")" * DEPTH_MAX, SPANS)
    parse_expression(" OR ".join(["a"] * TERMS_MAX), SPANS)
