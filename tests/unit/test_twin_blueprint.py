"""Classes of a blueprint: what they take, what they refuse, what they keep."""

from __future__ import annotations

import gc
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.twin.blueprint.entity import observe
from clew.twin.blueprint.registry import registry_of
from clew.twin.dsl import (
    Boolean,
    Dict,
    Field,
    FieldError,
    Float,
    Integer,
    List,
    Object,
    PhaseError,
    Process,
    Reference,
    Registry,
    RegistryExporter,
    String,
    Timestamp,
    TriLogMeta,
    default_registry,
    invariant,
)


class Base(Object):
    """What all have."""

    label = String(default="none", renamed_from="title")
    seen = Timestamp(auto_now_add=True)


class Cart(Base):
    """What a customer is about to buy."""

    item_count = Integer(default=0, min_value=0)
    total_value = Float(default=0.0, precision=2)
    items = List(String())
    extra = Dict()
    owner = Reference("Owner")
    secret = String(sensitive=True)
    lines = List(Dict({"card": String(sensitive=True), "n": Integer()}))
    changed = Timestamp(auto_now=True)
    version = Integer(default=7, description="a field may hide a property")

    not_negative = invariant("total_value >= 0")

    @invariant
    def counts(self) -> bool:
        """The count is that of the items."""
        return self.item_count >= len(self.items)


class Owner(Object):
    name = String(required=True)


class Gold(Owner):
    pass


class Flow(Process):
    steps = ["begin", "middle", "end"]  # noqa: RUF012
    transitions = {"begin": ["middle"], "middle": ["end"]}  # noqa: RUF012
    amount = Float()


def define(name: str, prefix: str = "", **namespace: Any) -> type[Object]:
    return cast("type[Object]", TriLogMeta(name, (Object,), namespace, prefix=prefix))


def test_the_classes_are_made_by_the_metaclass_that_is_exported() -> None:
    assert isinstance(Cart, TriLogMeta)
    assert isinstance(Flow, TriLogMeta)
    with pytest.raises(TypeError, match="a field is an Integer"):
        Field()


def test_fields_are_inherited_and_keep_their_order() -> None:
    assert list(Cart.get_fields())[:3] == ["label", "seen", "item_count"]
    assert Cart.schema()["description"] == "What a customer is about to buy."
    assert Cart.get_type_name() == "Cart"


def test_a_default_is_each_objects_own() -> None:
    first, second = Cart(), Cart()
    first.items.append("a")
    first.extra["k"] = 1
    assert (second.items, second.extra) == ([], {})
    assert Cart().items == []


def test_what_is_given_shares_nothing_with_the_object() -> None:
    given = ["a"]
    cart = Cart(items=given)
    given.append("b")
    assert cart.items == ["a"]


def test_null_stays_null_and_what_is_absent_is_the_default() -> None:
    cart = Cart(label=None)
    assert cart.label is None
    assert Cart().label == "none"
    with pytest.raises(FieldError):
        Owner(name=None)
    with pytest.raises(FieldError) as caught:
        Owner()
    assert caught.value.code == "required"


def test_a_name_that_is_no_fields_is_told_with_the_one_that_was_meant() -> None:
    with pytest.raises(TypeError, match="did you mean item_count"):
        Cart(item_cuont=1)
    with pytest.raises(AttributeError, match="did you mean item_count"):
        Cart().item_cuont = 1  # type: ignore[attr-defined]


def test_identity_is_type_and_id() -> None:
    assert Cart("a") == Cart("a", item_count=3)
    assert Cart("a") != Owner("a", name="x")
    assert len({Cart("a"), Cart("a"), Cart("b")}) == 2
    assert len(Cart().id) == 36
    with pytest.raises(TypeError):
        Cart(5)  # type: ignore[arg-type]


def test_times_are_aware_and_in_utc() -> None:
    cart = Cart()
    assert cart.created_at.tzinfo is UTC
    assert cart.seen == cart.created_at
    before = cart.changed
    cart.item_count = 5
    assert cart.updated_at >= cart.created_at
    assert cart.changed >= before


def test_a_change_is_applied_whole_or_not_at_all() -> None:
    cart = Cart("a")
    with pytest.raises(FieldError):
        cart.apply_change({"cart.item_count": 5, "cart.total_value": "much"})
    assert cart.item_count == 0
    changed = cart.apply_change(
        {
            "cart.item_count": "5",
            "title": "old name",
            "trilog.obj.id": "stolen",
            "other.item_count": 9,
            "unknown": 1,
            "trilog.obj.nulls": ["cart.owner", "extra"],
        },
        at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert changed == {"item_count": (0, 5), "label": ("none", "old name"), "extra": ({}, None)}
    assert (cart.id, cart.to_dict()["__version__"]) == ("a", 1)
    assert cart.updated_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert cart.apply_change({"unknown": 1}) == {}
    assert cart.to_dict()["__version__"] == 1


def test_a_dictionary_goes_out_and_comes_in_without_being_changed() -> None:
    cart = Cart("a", items=["x"], owner=Gold("g", name="n"), secret="pw")
    cart.apply_change({"item_count": 2})
    document = cart.to_dict()
    kept = json.dumps(document)
    copy = Cart.from_dict(document)
    assert json.dumps(document) == kept
    assert copy.to_dict() == document
    assert copy.diff(cart) == {}
    copy.item_count = 3
    assert cart.diff(copy) == {"item_count": (2, 3), "changed": cart.diff(copy)["changed"]}
    with pytest.raises(TypeError):
        cart.diff(Owner("o", name="n"))
    with pytest.raises(ValueError, match="expected a Owner"):
        Owner.from_dict(document)
    with pytest.raises(ValueError, match="no __id__"):
        Cart.from_dict({})


def test_what_is_sensitive_stays_inside() -> None:
    cart = Cart("a", secret="pw", lines=[{"card": "4111", "n": 1, "free": 2}])
    said = cart.to_otel_attributes()
    assert said["cart.secret"] == "[redacted]"
    assert said["cart.lines"] == '[{"card":"[redacted]","n":1,"free":2}]'
    assert cart.lines[0]["card"] == "4111"
    told = repr(cart) + json.dumps(cart.to_dict(redacted=True)) + json.dumps(said)
    assert "pw" not in told.replace("[redacted]", "")
    assert "4111" not in told
    with pytest.raises(FieldError) as caught:
        cart.secret = ["pw"]
    assert "pw" not in str(caught.value)
    assert Cart("b", secret="[redacted]").secret == "[redacted]"


def test_a_reference_takes_an_object_of_its_type_or_of_one_below_it() -> None:
    class Ring(Object):
        holder = Reference(Owner)

    assert Ring(holder=Gold("g", name="n")).holder == "g"
    with pytest.raises(FieldError) as caught:
        Ring(holder=Cart("c"))
    assert caught.value.code == "wrong_reference"


def test_invariants_are_told_and_what_is_unknown_is_none() -> None:
    cart = Cart("a", items=["x"], total_value=-1)
    assert [(each.invariant, each.message) for each in cart.check_invariants()] == [
        ("not_negative", "total_value >= 0"),
        ("counts", "The count is that of the items."),
    ]
    cart.total_value = None
    cart.item_count = 1
    assert cart.check_invariants() == []


def test_an_observer_hears_of_assignments() -> None:
    heard: list[Any] = []
    cart = Cart("a")
    observe(cart, lambda _, name, old, new: heard.append((name, old, new)))
    cart.item_count += 1
    observe(cart, None)
    cart.item_count = 7
    assert heard == [("item_count", 0, 1)]


def test_a_process_goes_only_where_it_may() -> None:
    flow = Flow("f" * 32, amount=1)
    assert (flow.trace_id, flow.status, flow.phase) == ("f" * 32, "started", "")
    flow.record_step("begin", {"k": 1})
    flow.record_step("begin")
    with pytest.raises(PhaseError, match="may not follow"):
        flow.record_step("end")
    with pytest.raises(PhaseError, match="has no phase"):
        flow.record_step("elsewhere")
    flow.record_step("middle")
    flow.fail(RuntimeError("out of stock"))
    assert (flow.status, flow.error, flow.phase) == ("failed", "out of stock", "middle")
    with pytest.raises(PhaseError, match="failed"):
        flow.record_step("end")
    with pytest.raises(PhaseError, match="already"):
        flow.complete()
    assert [each["name"] for each in flow.recorded_steps] == ["begin", "begin", "middle"]
    copy = Flow.from_dict(flow.to_dict())
    assert (copy.status, copy.phase, copy.amount) == ("failed", "middle", 1.0)
    assert flow.to_otel_attributes()["trilog.process.current_phase"] == "middle"
    assert Flow.schema()["phases"] == ["begin", "middle", "end"]


@pytest.mark.parametrize(
    ("field", "why"),
    [
        (Integer(min_value=5, max_value=1), "min_value 5 is above max_value 1"),
        (Integer(default="x"), "default: expected an integer"),
        (String(pattern="(a"), "pattern"),
        (String(pattern="(?=a)"), "pattern"),
        (String(choices=[]), "choices"),
        (Float(precision=99), "precision"),
        (List(min_items=-1), "below zero"),
        (Boolean(default="perhaps"), "default"),
    ],
)
def test_a_class_that_contradicts_itself_cannot_be_defined(field: Field[Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        define("Wrong", field=field)


@pytest.mark.parametrize("name", ["id", "diff", "to_dict", "schema", "_hidden", "obj_id"])
def test_a_field_cannot_hide_what_every_object_has(name: str) -> None:
    with pytest.raises(ValueError, match=r"taken|reserved"):
        define("Wrong", "", **{name: Integer()})


def test_two_classes_of_one_name_or_prefix_cannot_be_registered() -> None:
    registry = Registry()
    registry.register(Cart)
    registry.register(Cart)
    other = define("Cart", __module__="elsewhere")
    with pytest.raises(ClewError) as caught:
        registry.register(other)
    assert caught.value.code is ErrorCode.ALREADY_EXISTS
    assert "elsewhere.Cart" in caught.value.message
    clash = define("Trolley", "cart", __module__="elsewhere")
    with pytest.raises(ClewError, match="the prefix cart"):
        registry.register(clash)
    with pytest.raises(ClewError, match="not a class"):
        registry.register(int)  # type: ignore[type-var]
    with pytest.raises(ClewError, match="describes no type"):
        registry.register(Object)


def test_a_reserved_prefix_is_refused_and_another_can_be_chosen() -> None:
    with pytest.raises(ValueError, match="reserved"):
        define("Event")

    class Event(Object, prefix="domain_event"):
        name = String()

    assert Event.get_otel_prefix() == "domain_event"


def test_the_default_registry_has_every_class_and_tells_of_ambiguous_names() -> None:
    assert default_registry().get("Flow") is Flow
    assert default_registry().get("Nobody") is None
    kept = [define("Twice", __module__=each) for each in ("one", "two")]
    with pytest.raises(ClewError) as caught:
        default_registry().get("Twice")
    assert "one" in caught.value.message
    assert "two" in caught.value.message
    assert "Twice" not in default_registry().get_all_objects()
    # Classes of other tests that nobody holds any more must not leave in between.
    gc.collect()
    define("Fleeting", __module__="three")
    gc.collect()
    before = default_registry().compute_checksum()
    again = define("Twice", __module__="one", more=Integer())
    assert default_registry().compute_checksum() == before
    fresh = define("Once", __module__="one")
    assert default_registry().compute_checksum() != before
    assert [*kept, again, fresh]


def test_a_registry_is_whole_after_its_file(tmp_path: Path) -> None:
    registry = Registry("shop", "2.0")
    registry.register_all([Cart, Owner, Flow])
    path = tmp_path / "registry.json"
    registry.export(path)
    assert [each.name for each in tmp_path.iterdir()] == ["registry.json"]
    loaded = Registry.load(path)
    assert loaded.to_dict() == registry.to_dict()
    assert loaded.get_expected_keys() == registry.get_expected_keys()
    assert "cart.item_count" in loaded.get_expected_keys()
    assert "trilog.obj.id" in loaded.get_expected_keys()
    cart_class = loaded.get_object("Cart")
    assert cart_class is not None
    cart = cart_class("a", item_count="2", total_value=-1)
    assert cart.to_dict()["item_count"] == 2
    assert [each.invariant for each in cart.check_invariants()] == ["not_negative"]
    assert loaded.get_process("Flow") is not None
    assert [loaded.get_process("Cart"), loaded.get_object("Flow"), loaded.get("No")] == [None] * 3
    assert set(loaded.get_all_objects()) == {"Cart", "Owner"}
    assert set(loaded.get_all_processes()) == {"Flow"}
    assert loaded.get_schema("Cart") == Cart.schema()
    assert loaded.validate("Owner", {}).warnings[0].code == "MISSING_REQUIRED_FIELD"
    assert not loaded.validate("Owner", {"name": None})
    assert not loaded.validate("Nobody", {})


def test_events_of_classes_from_a_file_name_its_registry(tmp_path: Path) -> None:
    path = tmp_path / "registry.json"
    written = Registry(name="file")
    written.register(Owner)
    written.export(path)
    loaded = Registry.load(path)
    owner_class = loaded.get_object("Owner")
    assert owner_class is not None
    assert registry_of(owner_class) is loaded
    assert registry_of(owner_class).compute_checksum() == written.compute_checksum()


def test_a_registry_that_refers_to_nobody_is_not_exported(tmp_path: Path) -> None:
    registry = Registry()
    registry.register(Cart)
    with pytest.raises(ClewError) as caught:
        registry.export(tmp_path / "registry.json")
    assert "Cart.owner: it refers to Owner" in caught.value.message
    assert list(tmp_path.iterdir()) == []


def test_the_exporter_writes_what_others_read() -> None:
    registry = Registry()
    registry.register_all([Cart, Owner, Flow])
    exporter = RegistryExporter(registry)
    assert json.loads(exporter.to_json())["registry"]["checksum"] == registry.compute_checksum()
    assert "export interface Cart {" in exporter.to_typescript()
    assert "attr_" not in exporter.to_clickhouse_schema()
    assert registry.compute_checksum() in exporter.to_otel_config()
    assert "kind: ConfigMap" in registry.to_configmap_yaml()
