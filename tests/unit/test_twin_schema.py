"""Registries as values: what fits a field, what contradicts itself, what a change breaks."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.twin.schema import limits
from clew.twin.schema.checks import ProblemCode, check_registry
from clew.twin.schema.clickhouse import to_clickhouse
from clew.twin.schema.codec import checksum, encode_registry, parse_registry
from clew.twin.schema.coercion import coerce
from clew.twin.schema.collector import to_collector_config
from clew.twin.schema.comparison import compare
from clew.twin.schema.contract import encode_contract
from clew.twin.schema.conversion import to_attribute
from clew.twin.schema.expressions import ExpressionError, parse_expression
from clew.twin.schema.faults import FieldError
from clew.twin.schema.invariants import find_broken
from clew.twin.schema.kubernetes import to_configmap
from clew.twin.schema.lookup import RegistryIndex
from clew.twin.schema.names import otel_prefix
from clew.twin.schema.patterns import Pattern, PatternError
from clew.twin.schema.transitions import may_follow
from clew.twin.schema.typescript import to_typescript
from clew.twin.schema.values import (
    FieldSchema,
    FieldType,
    InvariantSchema,
    ObjectSchema,
    ProcessSchema,
    RegistrySchema,
)

ROOT = Path(__file__).parents[2]


class Colour(Enum):
    RED = "red"
    FIVE = 5


def field(kind: str, name: str = "f", **options: Any) -> FieldSchema:
    return FieldSchema(name=name, type=FieldType(kind), **options)


def registry(*fields: FieldSchema, **options: Any) -> RegistrySchema:
    kind = ObjectSchema(
        name="Cart", prefix="cart", fields={each.name: each for each in fields}, **options
    )
    return RegistrySchema(name="shop", objects={"Cart": kind})


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("integer", True, 1),
        ("integer", 3.0, 3),
        ("integer", " +5 ", 5),
        ("integer", "5.00", 5),
        ("integer", "1e3", 1000),
        ("integer", Decimal(7), 7),
        ("integer", Colour.FIVE, 5),
        ("integer", str(2**63 - 1), 2**63 - 1),
        ("float", "2.5", 2.5),
        ("float", 3, 3.0),
        ("float", ".5", 0.5),
        ("string", 5, "5"),
        ("string", 5.0, "5.0"),
        ("string", True, "true"),
        ("string", Colour.RED, "red"),
        ("string", Path("a/b"), "a/b"),
        ("string", UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("boolean", "YES", True),
        ("boolean", 0, False),
        ("boolean", 1.0, True),
        ("list", (1, "a"), [1, "a"]),
        ("list", "[1]", [1]),
        ("list", [date(2026, 1, 1), UUID(int=1), Colour.RED],
         ["2026-01-01T00:00:00.000000000Z", "00000000-0000-0000-0000-000000000001", "red"]),
        ("dict", '{"a": [1]}', {"a": [1]}),
        ("timestamp", datetime(2026, 1, 1), "2026-01-01T00:00:00.000000000Z"),  # noqa: DTZ001
        ("timestamp", datetime(2026, 1, 1, 5, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))),
         "2026-01-01T00:00:00.000000000Z"),
        ("timestamp", date(2026, 1, 1), "2026-01-01T00:00:00.000000000Z"),
        ("timestamp", "2026-01-01 03:00", "2026-01-01T03:00:00.000000000Z"),
        ("timestamp", "2026-01-01T03:00:00.123456789+01:00", "2026-01-01T02:00:00.123456789Z"),
        ("timestamp", 1705314600, "2024-01-15T10:30:00.000000000Z"),
        ("timestamp", 1705314600123, "2024-01-15T10:30:00.123000000Z"),
        ("timestamp", 1705314600.1, "2024-01-15T10:30:00.100000000Z"),
        ("timestamp", -1, "1969-12-31T23:59:59.000000000Z"),
        ("timestamp", "0001-01-01", "0001-01-01T00:00:00.000000000Z"),
        ("reference", UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("reference", 7, "7"),
        ("integer", None, None),
    ],
)  # fmt: skip
def test_a_value_of_another_notation_is_taken(kind: str, value: object, expected: Any) -> None:
    taken = coerce(field(kind), value)
    assert (type(taken), taken) == (type(expected), expected)


@pytest.mark.parametrize(
    ("kind", "value", "code"),
    [
        ("integer", 3.7, "not_exact"),
        ("integer", "3.7", "not_exact"),
        ("integer", "1e99999", "too_large"),
        ("integer", 2**63, "too_large"),
        ("integer", -(2**63) - 1, "too_small"),
        ("integer", "five", "wrong_type"),
        ("integer", float("nan"), "not_exact"),
        ("integer", [], "wrong_type"),
        ("integer", "9" * 5000, "wrong_type"),
        ("float", float("inf"), "not_finite"),
        ("float", "nan", "wrong_type"),
        ("float", "1e999", "not_finite"),
        ("float", 10**400, "not_finite"),
        ("float", Decimal("sNaN"), "not_finite"),
        ("string", [], "wrong_type"),
        ("string", b"x", "wrong_type"),
        ("string", "\ud800", "not_text"),
        ("boolean", "perhaps", "wrong_type"),
        ("boolean", 2, "wrong_type"),
        ("boolean", Decimal("sNaN"), "wrong_type"),
        ("list", {1}, "wrong_type"),
        ("list", "{}", "wrong_type"),
        ("list", "[", "wrong_type"),
        ("list", "[" * 100_000, "too_deep"),
        ("list", [float("nan")], "not_finite"),
        ("list", [2**64], "too_large"),
        ("list", [object()], "wrong_type"),
        ("dict", {1: 2}, "wrong_type"),
        ("dict", {"\ud800": 2}, "not_text"),
        ("timestamp", "yesterday", "bad_time"),
        ("timestamp", "15m", "bad_time"),
        ("timestamp", "2026-02-30", "bad_time"),
        ("timestamp", True, "bad_time"),
        ("timestamp", Decimal("1E+999999"), "bad_time"),
        ("timestamp", "9999-12-31T23:59:59-01:00", "bad_time"),
        ("reference", 1.5, "wrong_type"),
        ("reference", True, "wrong_type"),
    ],
)
def test_a_value_that_would_lose_something_is_refused(kind: str, value: object, code: str) -> None:
    with pytest.raises(FieldError) as caught:
        coerce(field(kind), value)
    assert caught.value.code == code
    assert len(str(caught.value)) < 400


def test_a_value_nested_too_deep_is_refused_whether_it_is_text_or_not() -> None:
    deep: Any = []
    for _ in range(limits.VALUE_DEPTH_MAX + 2):
        deep = [deep]
    for value in (deep, json.dumps(deep)):
        with pytest.raises(FieldError, match="levels"):
            coerce(field("list"), value)


@pytest.mark.parametrize(
    ("options", "value", "code"),
    [
        ({"type": "integer", "min_value": 1}, 0, "too_small"),
        ({"type": "float", "max_value": 1}, 1.5, "too_large"),
        ({"type": "string", "min_length": 2}, "a", "too_short"),
        ({"type": "string", "max_length": 2}, "abc", "too_long"),
        ({"type": "string", "choices": ["a"]}, "b", "not_a_choice"),
        ({"type": "string", "pattern": "[a-z]+$"}, "a1", "no_match"),
        ({"type": "list", "min_items": 1}, [], "too_few_items"),
        ({"type": "list", "max_items": 1}, [1, 2], "too_many_items"),
        (
            {"type": "dict", "schema": {"k": field("integer", "k", required=True)}},
            {},
            "missing_key",
        ),
        ({"type": "dict", "schema": {"k": field("integer", "k")}}, {"k": "x"}, "wrong_type"),
        ({"type": "list", "item": field("integer", nullable=False)}, [None], "null"),
        ({"type": "integer", "nullable": False}, None, "null"),
        ({"type": "integer", "required": True}, None, "null"),
    ],
)
def test_a_limit_of_a_field_holds(options: dict[str, Any], value: object, code: str) -> None:
    kind = options.pop("type")
    with pytest.raises(FieldError) as caught:
        coerce(field(kind, **options), value)
    options["type"] = kind
    assert caught.value.code == code


def test_null_has_no_attribute() -> None:
    with pytest.raises(ValueError, match="null has no attribute"):
        to_attribute(field("string"), None)


@pytest.mark.parametrize(
    "text",
    ["(", ")", "a**", "(" * 30 + ")" * 30,
     "*", "(?=a)", "(?P<n>a)", "\\1", "\\b", "[", "[]a]", "[[a]", "[a--b]",
     "{1}", "a{2,1}", "a{201}", "(a{200}){200}", "^*", "\\", "[z-a]", "a" * 300],
)  # fmt: skip
def test_a_pattern_beyond_the_subset_is_refused(text: str) -> None:
    with pytest.raises(PatternError):
        Pattern(text)


def test_a_pattern_that_explodes_elsewhere_is_linear() -> None:
    # A backtracking matcher needs 2 ** 4000 steps for these.
    assert not Pattern("(a+)+$").matches("a" * 4000 + "b")
    assert not Pattern("(a|a)*b").matches("a" * 4000)
    assert Pattern("(?:x?){100}y").matches("x" * 100 + "y")


def test_a_pattern_is_held_against_the_beginning_of_a_long_text() -> None:
    long = "a" * (limits.PATTERN_TEXT_CHARS_MAX + 1)
    assert Pattern("a+").matches(long)
    assert not Pattern("a+$").matches(long)
    assert Pattern("a+$").matches(long[1:])
    assert not Pattern("a+b").matches(long + "b")


@pytest.mark.parametrize(
    "text",
    ["", "a.b > 1", "__import__('os')", "a()", "len(a, b)", "a if b else c", "[a]", "lambda: 1",
     "a in b", "a is 5", "f'{a}'", "a ** 9", "a / 2", "a = 1", "a > '\\n'", "x" * 600,
     "not " * 100 + "a", "(" * 300],
)  # fmt: skip
def test_an_expression_beyond_the_grammar_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse_expression(text)


@pytest.mark.parametrize(
    ("text", "state", "holds"),
    [
        ("a > 0", {"a": 1}, True),
        ("a > 0", {}, None),
        ("a > 0", {"a": "text"}, None),
        ("not (a > 0)", {}, None),
        ("a > 0 or b == 1", {"b": 1}, True),
        ("a > 0 and b == 1", {"b": 2}, False),
        ("a is None", {}, True),
        ("a is not None", {"a": None}, False),
        ("len(a) >= 2", {"a": [1, 2]}, True),
        ("len(a) >= 2", {"a": 5}, None),
        ("a in ['x', 'y']", {"a": "z"}, False),
        ("0 <= a <= 10", {"a": 11}, False),
        ("a * 3 == '999'", {"a": "9"}, None),
        ("flag", {"flag": False}, False),
        ("flag", {"flag": 0}, None),
    ],
)
def test_a_condition_is_true_false_or_unknown(
    text: str, state: dict[str, Any], holds: bool | None
) -> None:
    assert parse_expression(text).holds(state) is holds


def test_names_give_prefixes_that_keep_acronyms() -> None:
    names = ["ShoppingCart", "NOGEntity", "HTTPServer", "APIRequest", "User"]
    prefixes = ["shopping_cart", "nog_entity", "http_server", "api_request", "user"]
    assert [otel_prefix(each) for each in names] == prefixes


def test_what_contradicts_itself_is_told_at_once() -> None:
    cart = ObjectSchema(
        name="Cart",
        prefix="cart",
        fields={
            "id": field("integer", "id"),
            "low": field("integer", "low", min_value=5, max_value=1),
            "bad": field("string", "bad", default=5),
            "far": field("reference", "far", ref_type="Nobody"),
            "odd": field("boolean", "odd", min_length=3),
            "now": field("string", "now", renamed_from=["low"]),
            "re": field("string", "re", pattern="(a"),
            "a.b": field("integer", "a.b"),
        },
        invariants=[
            InvariantSchema(name="one", expression="nobody > 1"),
            InvariantSchema(name="two", expression="import os"),
        ],
    )
    flow = ProcessSchema(
        name="Flow",
        prefix="cart",
        phases=["a", "a"],
        transitions={"a": ["z"]},
        timeout_seconds=0,
    )
    problems = check_registry(
        RegistrySchema(objects={"Cart": cart}, processes={"Flow": flow, "Cart": flow})
    )
    assert {each.code for each in problems} == set(ProblemCode) - {ProblemCode.TOO_LARGE}
    with pytest.raises(ClewError) as caught:
        parse_registry(
            msgspec.json.encode({"objects": {"Cart": cart}, "processes": {"Flow": flow}})
        )
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT
    for each in ("Cart.low", "Cart.far", "Cart.two", "nobody is no field", "'z'"):
        assert each in caught.value.message


def test_a_registry_that_is_too_large_is_refused() -> None:
    nested = field("list", "deep")
    for _ in range(limits.SCHEMA_DEPTH_MAX + 2):
        nested = field("list", "deep", item=nested)
    wide = [field("integer", f"f{place}") for place in range(limits.FIELDS_MAX + 1)]
    for each in (registry(nested), registry(*wide)):
        assert [problem.code for problem in check_registry(each)] == [ProblemCode.TOO_LARGE]
    patterns = {
        f"T{n}": ObjectSchema(
            name=f"T{n}",
            prefix=f"t{n}",
            fields={f"f{m}": field("string", f"f{m}", pattern=f"a{n}-{m}") for m in range(600)},
        )
        for n in range(2)
    }
    assert [each.code for each in check_registry(RegistrySchema(objects=patterns))] == ["too_large"]
    many = {f"T{n}": ObjectSchema(name=f"T{n}", prefix=f"t{n}") for n in range(1001)}
    assert [each.code for each in check_registry(RegistrySchema(objects=many))] == ["too_large"]
    with pytest.raises(ClewError) as caught:
        parse_registry(b" " * (limits.REGISTRY_BYTES_MAX + 1))
    assert caught.value.code is ErrorCode.TOO_LARGE


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"{}", b"null", b"\xff", b'{"objects": 5}', b'{"objects": {"A": 5}}',
     b'{"objects": {"A": {"fields": {"f": {"type": "colour"}}}}}', b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_registry_is_refused(text: bytes) -> None:
    with pytest.raises(ClewError) as caught:
        parse_registry(text)
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT
    assert caught.value.message.startswith("not a registry")


def test_an_older_file_is_understood() -> None:
    older = {
        "registry": {"name": "old", "version": "1", "checksum": "of names", "more": 1},
        "objects": {
            "NOGEntity": {
                "type": "object",
                "name": "NOGEntity",
                "fields": {"tags": {"type": "list", "item_type": "string", "default": None}},
            }
        },
        "processes": {"Flow": {"type": "process", "name": "Flow", "steps": ["a"]}},
        "expected_keys": [],
    }
    read = parse_registry(json.dumps(older).encode())
    assert read.objects["NOGEntity"].prefix == "nog_entity"
    tags = read.objects["NOGEntity"].fields["tags"]
    assert isinstance(tags.item, FieldSchema)
    assert tags.item.type is FieldType.STRING
    assert read.processes["Flow"].phases == ["a"]
    assert read.checksum == checksum(read)


def test_a_whole_number_is_the_same_however_it_is_written() -> None:
    text = encode_registry(registry(field("float", default=1.0, min_value=0)))
    other = text.replace(b'"default": 1.0', b'"default": 1').replace(
        b'"min_value": 0', b'"min_value": 0.0'
    )
    assert text != other
    assert parse_registry(other).checksum == parse_registry(text).checksum


BASE = registry(
    field("integer", "count", min_value=0, max_value=10),
    field("string", "status", choices=["a", "b"]),
    field("string", "name"),
)


@pytest.mark.parametrize(
    ("changes", "breaking", "compatible"),
    [
        ([field("string", "more")], [], ["a new field"]),
        ([field("string", "more", required=True)], ["a new field that is required"], []),
        ([field("float", "count", min_value=0, max_value=10)], [],
         ["the integer became a float"]),
        ([field("string", "count")], ["the integer became a string"], []),
        ([field("integer", "count", min_value=1, max_value=11)],
         ["min_value was 0 and is 1"], ["max_value was 10 and is 11"]),
        ([field("integer", "count")], [],
         ["max_value was 10 and is not given", "min_value was 0 and is not given"]),
        ([field("string", "status", choices=["a", "c"])], ["choices are gone: b"], []),
        ([field("string", "status", choices=["a", "b", "c"])], [], ["more choices: c"]),
        ([field("string", "name", nullable=False, sensitive=True)],
         ["it may no longer be null"], ["it became sensitive"]),
        ([field("string", "name", pattern="a", description="x", indexed=True)],
         ["pattern was not given and is a"], ["description changed", "indexed changed"]),
    ],
)  # fmt: skip
def test_a_change_of_a_field_breaks_or_does_not(
    changes: list[FieldSchema], breaking: list[str], compatible: list[str]
) -> None:
    cart = BASE.objects["Cart"]
    fields = {**cart.fields, **{each.name: each for each in changes}}
    new = msgspec.structs.replace(
        BASE, objects={"Cart": msgspec.structs.replace(cart, fields=fields)}
    )
    found = compare(BASE, new)
    assert [each.message for each in found if each.is_breaking] == breaking
    assert [each.message for each in found if not each.is_breaking] == compatible


def test_a_field_that_moves_breaks_only_when_nobody_reads_its_old_name() -> None:
    old = registry(field("string", "title"))
    lost = compare(old, registry(field("string", "label")))
    assert [each.change for each in lost if each.is_breaking] == ["removed"]
    kept = compare(old, registry(field("string", "label", renamed_from=["title"])))
    assert [each.change for each in kept if each.is_breaking] == []
    assert "renamed" in {each.change for each in kept}


def test_types_phases_and_invariants_are_compared() -> None:
    flow = ProcessSchema(name="Flow", prefix="flow", phases=["a", "b"], transitions={"a": ["b"]})
    old = RegistrySchema(objects=registry().objects, processes={"Flow": flow})
    narrow = msgspec.structs.replace(flow, phases=["a"], transitions={"a": []}, prefix="flw")
    rule = InvariantSchema(name="rule", expression="1 > 0")
    new = RegistrySchema(
        objects=registry(invariants=[rule]).objects | {"New": ObjectSchema(name="New", prefix="n")},
        processes={"Flow": narrow},
    )
    paths = [(each.path, each.is_breaking) for each in compare(old, new)]
    assert paths == [
        ("Cart.rule", True),
        ("Flow.phases", True),
        ("Flow.prefix", True),
        ("Flow.transitions", True),
        ("New", False),
    ]
    assert {each.is_breaking for each in compare(new, old)} == {True, False}
    assert compare(old, RegistrySchema(objects=old.objects))[0].message == "the process is gone"


def test_phases_follow_as_the_type_says() -> None:
    free = ProcessSchema(name="F", prefix="f")
    assert may_follow(free, "", "anything")
    flow = ProcessSchema(name="F", prefix="f", phases=["a", "b"], transitions={"a": ["b"]})
    assert may_follow(flow, "", "b")
    assert may_follow(flow, "a", "b")
    assert may_follow(flow, "a", "a")
    assert not may_follow(flow, "b", "a")
    assert not may_follow(flow, "a", "c")


def test_an_index_finds_types_and_fields_by_what_events_carry() -> None:
    index = RegistryIndex(registry(field("string", "label", renamed_from=["title"])))
    cart = index.by_name("Cart")
    assert cart is not None
    assert index.by_prefix("cart") is cart
    found = index.by_attribute("cart.title")
    assert found is not None
    assert (found.type, found.field.name) == (cart, "label")
    nobody = (index.by_attribute("cart.more"), index.by_name("x"), index.by_prefix("x"))
    assert nobody == (None, None, None)
    assert "cart.title" not in index.expected_keys()


HOSTILE = RegistrySchema(
    name='x" */ \n#',
    version="1: {a}",
    objects={
        "Cart": ObjectSchema(
            name="Cart",
            prefix="cart",
            description="ends */ alert(1)",
            fields={
                "kind": field("string", "kind", choices=['a"', "b"], indexed=True),
                "tags": field("list", "tags", item=field("string", nullable=False), required=True),
                "more": field("dict", "more", schema={"a-b": field("integer", "a-b")}),
            },
        )
    },
)


def test_typescript_says_what_a_state_may_hold() -> None:
    text = to_typescript(HOSTILE)
    assert 'kind?: "a\\"" | "b" | null;' in text
    assert "tags: Array<string>;" in text
    assert 'more?: { "a-b"?: number | null; [key: string]: unknown } | null;' in text
    assert "export type AnyObject = Cart;" in text
    assert "export type AnyProcess = never;" in text
    assert "*/ alert" not in text
    assert text.splitlines()[0].startswith("// Types of the registry x")


def test_a_configmap_holds_the_very_file_whatever_the_names() -> None:
    text = to_configmap(HOSTILE)
    head, _, block = text.partition("  registry.json: |\n")
    assert 'registry-name: "x"' in head
    assert 'registry-version: "1-a"' in head
    assert re.sub(r"^    ", "", block, flags=re.MULTILINE).encode() == encode_registry(HOSTILE)


def test_a_collector_limits_memory_first_and_filters_before_it_batches() -> None:
    text = to_collector_config(HOSTILE)
    order = re.findall(r"processors: \[(.*)\]", text)[0].split(", ")
    assert order == ["memory_limiter", "filter/fingerprints", "resource/registry", "batch"]
    assert 'value: "x\\" */ \\n#"' in text
    assert "trilog.obj.id" in text


def test_indexed_fields_become_columns() -> None:
    text = to_clickhouse(HOSTILE)
    assert text.count("ALTER TABLE") == 1
    assert "attr_cart_kind Nullable(String)" in text


def test_the_contract_is_what_its_writer_says_today() -> None:
    assert (ROOT / "contracts" / "registry.schema.json").read_bytes() == encode_contract()


def test_times_stay_exact_to_the_nanosecond() -> None:
    text = coerce(field("timestamp"), "2026-11-21T03:00:00.000000001Z")
    assert text.endswith(".000000001Z")
    assert to_attribute(field("timestamp"), text) == text
    assert coerce(field("timestamp"), datetime(2026, 1, 1, tzinfo=UTC)) == (
        "2026-01-01T00:00:00.000000000Z"
    )


def test_a_state_is_held_against_the_invariants_that_anybody_can_check() -> None:
    cart = registry(
        field("integer", "count"),
        invariants=[
            InvariantSchema(name="low", expression="count < 10"),
            InvariantSchema(name="high", expression="count > 0"),
            InvariantSchema(name="in_python"),
        ],
    ).objects["Cart"]
    assert [each.name for each in find_broken(cart, {"count": 11})] == ["low"]
    assert find_broken(cart, {}) == []
