"""What Jaeger's clients write into a query string, and what it means."""

from __future__ import annotations

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.compat.jaeger.filters import filter_expression
from clew.surfaces.compat.jaeger.ids import read_trace_id
from clew.surfaces.compat.jaeger.query_string import QueryString
from clew.surfaces.compat.jaeger.search import tag_condition
from clew.surfaces.compat.jaeger.tags import read_tags
from clew.surfaces.grpc._gen.expression_pb2 import Call
from clew.telemetry.query.filter.expression import parse_expression
from clew.telemetry.query.filter.vocabulary import SPANS


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1),
        ("ABC", 0xABC),
        ("83a9efd15c1c98a977e0711cc93ee28b", 0x83A9EFD15C1C98A977E0711CC93EE28B),
        (" 0f ", 15),
        ("EjRWeJq83vD+3LqYdlQyEA==", 0x123456789ABCDEF0FEDCBA9876543210),
        ("EjRWeJq83vD-3LqYdlQyEA", 0x123456789ABCDEF0FEDCBA9876543210),
        ("AAAAAAAAAP///////////w==", 0xFFFFFFFFFFFFFFFFFF),
    ],
)
def test_a_trace_id_is_hex_of_any_length_or_sixteen_bytes_in_base64(text: str, number: int) -> None:
    assert read_trace_id(text) == f"{number:032x}"


@pytest.mark.parametrize("text", ["", "no id", "a" * 40, "ä", "EjRWeJq83vD+3LqYdlQy*A==", "0x1"])
def test_what_is_no_trace_id_is_refused(text: str) -> None:
    with pytest.raises(ClewError, match="not a trace id"):
        read_trace_id(text)


def test_tags_are_pairs_json_or_logfmt() -> None:
    assert read_tags(["http.url:http://a:1/b", "empty:"], []) == {
        "http.url": "http://a:1/b",
        "empty": "",
    }
    assert read_tags([], ['{"error":"true","n":200,"x":false}']) == {
        "error": "true",
        "n": "200",
        "x": "false",
    }
    assert read_tags([], [r' error=true  msg="it said \"no\"" http.status_code:500']) == {
        "error": "true",
        "msg": 'it said "no"',
        "http.status_code": "500",
    }
    assert read_tags(["a:1"], ["a=2"]) == {"a": "2"}
    assert read_tags([], [" "]) == {}


@pytest.mark.parametrize(
    ("simple", "lists"),
    [
        (["no colon"], []),
        ([":value"], []),
        ([], ["{not json"]),
        ([], ["[]"]),
        ([], ['{"a":{"b":1}}']),
        ([], ['{"a":null}']),
        ([], ["bare"]),
        ([], ['a="open']),
        ([f"{n}:1" for n in range(33)], []),
    ],
)
def test_tags_that_do_not_parse_are_refused(simple: list[str], lists: list[str]) -> None:
    with pytest.raises(ClewError) as raised:
        read_tags(simple, lists)
    assert raised.value.code is ErrorCode.INVALID_ARGUMENT


def test_the_first_value_counts_and_the_empty_one_counts_as_none() -> None:
    query = QueryString(b"a=1&a=2&b=&c=x+y&unknown=%C3%A4")
    assert query.text("a") == "1"
    assert query.text("b") == ""
    assert query.text("c", "a") == "x y"
    assert query.named("b", "a") == ("a", "1")
    assert list(query.texts("a")) == ["1", "2"]
    assert query.integer("b") is None
    assert query.text("unknown") == "ä"


def test_times_and_durations_are_read_as_jaeger_writes_them() -> None:
    query = QueryString(
        b"us=1795000000000000&late=9999999999999999999&early=-5&d=1.5s&mu=3%CE%BCs&zero=0"
        b"&t=2026-11-21T03:00:00.5Z&offset=2026-11-21T05:00:00+02:00&yes=True"
    )
    assert query.unix_time("us", 1000) == 1795000000 * 10**9
    assert query.unix_time("late", 1000) == 2**63 - 1
    assert query.unix_time("early", 1000) == 0
    assert query.duration("d") == 1_500_000_000
    assert query.duration("mu") == 3_000
    assert query.duration("zero") == 0
    assert query.time("t") == 1795230000 * 10**9 + 500_000_000
    # Grafana leaves the plus sign as it is, and then it reads as a space.
    assert query.time("offset") == 1795230000 * 10**9
    assert query.boolean("yes")
    assert not query.boolean("no")


@pytest.mark.parametrize(
    ("query", "method"),
    [
        (b"x=1.5", "integer"),
        (b"x=12345678901234567890123", "integer"),
        (b"x=100", "duration"),
        (b"x=-1s", "duration"),
        (b"x=yesterday", "time"),
        (b"x=15m", "time"),
        (b"x=2026-99-21T03:00:00Z", "time"),
        (b"x=maybe", "boolean"),
    ],
)
def test_a_value_that_does_not_parse_is_an_error_that_names_it(query: bytes, method: str) -> None:
    with pytest.raises(ClewError, match="malformed parameter x"):
        getattr(QueryString(query), method)("x")


@pytest.mark.parametrize("query", [b"a=%ff", b"&".join([b"a=1"] * 300), b"a" * 60_000])
def test_a_query_string_out_of_bounds_is_refused(query: bytes) -> None:
    with pytest.raises(ClewError) as raised:
        QueryString(query)
    assert raised.value.code is ErrorCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("key", "value", "field"),
    [
        ("error", "true", "status = error"),
        ("span.kind", "server", "kind = server"),
        ("otel.status_code", "ERROR", "status = error"),
        ("otel.status_description", "late", 'status_message = "late"'),
        ("otel.scope.name", "shop", 'scope = "shop"'),
        ("event", "retry", 'event = "retry"'),
    ],
)
def test_tags_that_jaeger_makes_of_fields_are_found_in_the_fields(
    key: str, value: str, field: str
) -> None:
    assert field in tag_condition(key, value)


@pytest.mark.parametrize("value", ['it\'s "quoted" \\', "a = b OR c", "", "\n\t", "x" * 900])
def test_any_tag_is_an_expression_whatever_its_text(value: str) -> None:
    parse_expression(tag_condition(value or "k", value), SPANS)


def _attr(key: str, level: str = "") -> dict[str, object]:
    return {"attr": {"key": key, "level": level}}


def _field(level: str, name: str) -> dict[str, object]:
    return {"field": {"level": level, "name": name}}


def _scalar(value: str, kind: str = "") -> dict[str, object]:
    return {"scalar": {"value": value, "type": kind}}


def _call(op: str, *args: dict[str, object]) -> Call:
    return Call(op=op, args=args)


def _nested(op: str, *args: dict[str, object]) -> dict[str, object]:
    return {"call": {"op": op, "args": list(args)}}


@pytest.mark.parametrize(
    ("call", "expression"),
    [
        (_call("eq", _attr("a b"), _scalar("1")), '"a b" = "1"'),
        (_call("eq", _scalar("1"), _attr("a", "span")), 'span."a" = "1"'),
        (_call("lt", _scalar("2s"), _field("span", "duration")), 'duration > "2s"'),
        (_call("ne", _attr("a", "event"), _scalar("1")), 'event."a" AND NOT (event."a" = "1")'),
        (_call("ne", _field("span", "kind"), _scalar("client")), 'NOT (kind = "client")'),
        (_call("regex", _field("span", "name"), _scalar("^a")), 'operation =~ "^a"'),
        (_call("exists", _attr("a", "resource")), 'resource."a"'),
        (
            _call("in", _field("resource", "service"), {"list": {"values": ["a", "b"]}}),
            'service IN ("a", "b")',
        ),
        (
            _call("not_in", _attr("k"), {"list": {"values": ["a"]}}),
            '"k" AND NOT ("k" IN ("a"))',
        ),
        (
            _call(
                "or", _nested("exists", _attr("a")), _nested("not", _nested("exists", _attr("b")))
            ),
            '("a") OR (NOT ("b"))',
        ),
    ],
)
def test_a_structured_filter_is_an_expression_of_ours(call: Call, expression: str) -> None:
    assert filter_expression(call) == expression
    parse_expression(expression, SPANS)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (_call("some", {"nested": {"level": "event"}}), ErrorCode.UNSUPPORTED),
        (_call("eq", _attr("a"), _scalar("1", "int")), ErrorCode.UNSUPPORTED),
        (_call("eq", _attr("a"), _attr("b")), ErrorCode.UNSUPPORTED),
        (_call("eq", _field("span", "startTime"), _scalar("1")), ErrorCode.UNSUPPORTED),
        (_call("exists", _field("span", "name")), ErrorCode.UNSUPPORTED),
        (_call("eq", _attr("a", "moon"), _scalar("1")), ErrorCode.UNSUPPORTED),
        (_call("and", _nested("exists", _attr("a"))), ErrorCode.INVALID_ARGUMENT),
        (_call("not", _attr("a")), ErrorCode.INVALID_ARGUMENT),
        (_call("in", _attr("a"), {"list": {"values": []}}), ErrorCode.INVALID_ARGUMENT),
        (_call("eq", _attr(""), _scalar("1")), ErrorCode.INVALID_ARGUMENT),
        (_call("eq"), ErrorCode.INVALID_ARGUMENT),
    ],
)
def test_a_filter_that_cannot_be_said_exactly_is_refused(call: Call, code: ErrorCode) -> None:
    with pytest.raises(ClewError) as raised:
        filter_expression(call)
    assert raised.value.code is code


def test_a_filter_of_any_depth_is_bounded() -> None:
    call = _call("exists", _attr("a"))
    for _ in range(40):
        call = Call(op="not", args=[{"call": call}])
    with pytest.raises(ClewError, match="levels"):
        filter_expression(call)
