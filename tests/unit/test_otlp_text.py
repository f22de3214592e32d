"""The texts that stand in the columns, letter by letter."""

from __future__ import annotations

import math

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from clew.telemetry.otlp.residue import read_attributes
from clew.telemetry.otlp.text import Reach, double_text, quote, value_text

# From the algorithm of ECMA-262, Number::toString.
DOUBLES = {
    0.0: "0",
    1.0: "1",
    -1.0: "-1",
    0.1: "0.1",
    100.0: "100",
    123456789012345680.0: "123456789012345680",
    1e15: "1000000000000000",
    1e16: "10000000000000000",
    1.2e17: "120000000000000000",
    123456789012345680000.0: "123456789012345680000",
    1e21: "1e+21",
    1.5e300: "1.5e+300",
    0.001: "0.001",
    0.0001: "0.0001",
    0.00001: "0.00001",
    0.000001: "0.000001",
    0.00000125: "0.00000125",
    0.0000001: "1e-7",
    1.5e-7: "1.5e-7",
    -1.5e-7: "-1.5e-7",
    5e-324: "5e-324",
    1.7976931348623157e308: "1.7976931348623157e+308",
    9007199254740993.0: "9007199254740992",
    math.inf: "Infinity",
    -math.inf: "-Infinity",
}


@pytest.mark.parametrize("number", DOUBLES)
def test_a_double_reads_as_in_ecmascript(number: float) -> None:
    assert double_text(number) == DOUBLES[number]


def test_a_double_keeps_the_sign_of_zero_and_nan_has_a_name() -> None:
    assert double_text(-0.0) == "-0"
    assert double_text(math.nan) == "NaN"


def test_a_json_string_escapes_only_what_it_must() -> None:
    assert quote('a"\\\n\x1f\x7f/é\u2028😀') == '"a\\"\\\\\\u000a\\u001f\x7f/é\u2028😀"'


def _entry(key: str, **value: object) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(**value))  # type: ignore[arg-type]


def test_a_nested_value_is_compact_json_in_the_order_it_came() -> None:
    elements = [
        AnyValue(string_value='"'),
        AnyValue(bool_value=True),
        AnyValue(int_value=-5),
        AnyValue(double_value=2.0),
        AnyValue(double_value=-0.0),
        AnyValue(double_value=1e21),
        AnyValue(),
        AnyValue(array_value=ArrayValue()),
        AnyValue(
            kvlist_value=KeyValueList(values=[_entry("z", int_value=1), _entry("a", int_value=2)])
        ),
    ]
    reach = Reach()
    text = value_text(AnyValue(array_value=ArrayValue(values=elements)), reach)
    assert text == '["\\"",true,-5,2.0,-0.0,1e+21,null,[],{"z":1,"a":2}]'
    assert reach == Reach(entries=9, depth=3, reversible=True)


@pytest.mark.parametrize(
    ("member", "text"),
    [
        (_entry("k", bytes_value=b"\xfb\xff"), '{"k":"+/8="}'),
        (_entry("k", double_value=math.nan), '{"k":"NaN"}'),
        (_entry("k", double_value=-math.inf), '{"k":"-Infinity"}'),
        (KeyValue(key="k"), '{"k":null}'),
    ],
)
def test_a_nested_value_that_json_would_not_bring_back_is_not_reversible(
    member: KeyValue, text: str
) -> None:
    reach = Reach()
    assert value_text(AnyValue(kvlist_value=KeyValueList(values=[member])), reach) == text
    assert not reach.reversible


def test_types_are_noted_by_letter_and_strings_left_out() -> None:
    entries = [
        KeyValue(key="unset"),
        _entry("text", string_value="x"),
        KeyValue(key="empty", value=AnyValue()),
        _entry("second", int_value=2),
        _entry("list", array_value=ArrayValue()),
        _entry("bytes", bytes_value=b"\x01"),
        _entry("flag", bool_value=False),
        _entry("half", double_value=0.5),
        _entry("first", int_value=1),
    ]
    attributes = read_attributes(entries, Reach())
    assert attributes.keys == [entry.key for entry in entries]
    assert attributes.texts == ["", "x", "", "2", "[]", "AQ==", "false", "0.5", "1"]
    assert attributes.loss == (
        '{"i":["second","first"],"d":["half"],"b":["flag"],"y":["bytes"],'
        '"j":["list"],"n":["empty"],"u":["unset"]}'
    )


def test_strings_with_unique_keys_lose_nothing() -> None:
    entries = [_entry("a", string_value="1"), _entry("b", string_value="")]
    assert read_attributes(entries, Reach()).loss == ""
    assert read_attributes([], Reach()).loss == ""
