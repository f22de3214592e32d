"""How each message looks as JSON: one plan a message, made once from its descriptor."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.descriptor import FieldDescriptor

from clew.telemetry.otlp.messages import PROFILE_FIELDS

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(StrEnum):
    """How the value of a field stands in JSON."""

    MESSAGE = "message"
    STRING = "string"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    WIDE_INTEGER = "wide integer"
    DOUBLE = "double"
    HEX = "hex"
    BASE64 = "base64"
    ENUM = "enum"


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """One field: its names in protobuf and in JSON, and how its value is read and written."""

    name: str
    json_name: str
    number: int
    kind: Kind
    is_repeated: bool
    oneof: str | None
    """The oneof in which the field excludes others; None for an optional member of its own."""
    integers: range = range(0)
    """What an integer field can hold."""
    enum_numbers: Mapping[str, int] = field(default_factory=dict)
    message: MessagePlan | None = None


@dataclass(slots=True)
class MessagePlan:
    """The fields of one message, by any of their JSON names and by number.

    Made empty and filled afterwards, because values nest in themselves.
    """

    by_name: dict[str, FieldPlan] = field(default_factory=dict)
    by_number: dict[int, FieldPlan] = field(default_factory=dict)


# The only byte fields that OTLP writes in hexadecimal.
_HEX_FIELDS: Final = frozenset({"trace_id", "span_id", "parent_span_id"})

_INT32: Final = range(-(2**31), 2**31)
_INT64: Final = range(-(2**63), 2**63)
_UINT32: Final = range(2**32)
_UINT64: Final = range(2**64)

_SCALARS: Final[dict[int, tuple[Kind, range]]] = {
    FieldDescriptor.TYPE_STRING: (Kind.STRING, range(0)),
    FieldDescriptor.TYPE_BOOL: (Kind.BOOLEAN, range(0)),
    FieldDescriptor.TYPE_DOUBLE: (Kind.DOUBLE, range(0)),
    FieldDescriptor.TYPE_ENUM: (Kind.ENUM, _INT32),
    FieldDescriptor.TYPE_INT32: (Kind.INTEGER, _INT32),
    FieldDescriptor.TYPE_SINT32: (Kind.INTEGER, _INT32),
    FieldDescriptor.TYPE_UINT32: (Kind.INTEGER, _UINT32),
    FieldDescriptor.TYPE_FIXED32: (Kind.INTEGER, _UINT32),
    FieldDescriptor.TYPE_INT64: (Kind.WIDE_INTEGER, _INT64),
    FieldDescriptor.TYPE_SFIXED64: (Kind.WIDE_INTEGER, _INT64),
    FieldDescriptor.TYPE_UINT64: (Kind.WIDE_INTEGER, _UINT64),
    FieldDescriptor.TYPE_FIXED64: (Kind.WIDE_INTEGER, _UINT64),
}
"""Every scalar type that OTLP's messages use, but bytes."""

_PLANS: Final[dict[str, MessagePlan]] = {}


def plan_message(descriptor: Any) -> MessagePlan:
    """Return the plan of a message type; the same object for the same type."""
    plan = _PLANS.get(descriptor.full_name)
    if plan is None:
        plan = _PLANS[descriptor.full_name] = MessagePlan()
        for field_descriptor in descriptor.fields:
            if field_descriptor.name not in PROFILE_FIELDS:
                field_plan = _plan_field(field_descriptor)
                plan.by_number[field_plan.number] = field_plan
                plan.by_name[field_plan.name] = plan.by_name[field_plan.json_name] = field_plan
    return plan


def _plan_field(descriptor: Any) -> FieldPlan:
    kind, integers = _kind_of(descriptor)
    oneof = descriptor.containing_oneof
    excludes = oneof is not None and len(oneof.fields) > 1
    return FieldPlan(
        name=descriptor.name,
        json_name=descriptor.json_name,
        number=descriptor.number,
        kind=kind,
        is_repeated=descriptor.is_repeated,
        oneof=oneof.name if excludes else None,
        integers=integers,
        enum_numbers=_enum_numbers(descriptor.enum_type) if kind is Kind.ENUM else {},
        message=plan_message(descriptor.message_type) if kind is Kind.MESSAGE else None,
    )


def _kind_of(descriptor: Any) -> tuple[Kind, range]:
    if descriptor.type == FieldDescriptor.TYPE_MESSAGE:
        return Kind.MESSAGE, range(0)
    if descriptor.type == FieldDescriptor.TYPE_BYTES:
        return (Kind.HEX if descriptor.name in _HEX_FIELDS else Kind.BASE64), range(0)
    return _SCALARS[descriptor.type]


def _enum_numbers(descriptor: Any) -> Mapping[str, int]:
    return {value.name: value.number for value in descriptor.values}
