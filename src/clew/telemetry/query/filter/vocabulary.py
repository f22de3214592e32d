"""What a filter can speak of: the fields of each signal and where its attributes are kept.

A field is a name in a filter expression that is not an attribute key: ``service``, ``duration``.
Its kind says which operators it takes and what its values look like; one table serves the parser
(which refuses what makes no sense, at the column where it stands) and the compiler.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from clew.base.errors import ClewError
from clew.base.times import parse_duration_ns
from clew.telemetry.query.filter.condition import Operator, Place, Value
from clew.telemetry.query.severity import SEVERITY_CLASSES, SEVERITY_SQL


class FieldKind(StrEnum):
    """What values of a field look like."""

    TEXT = "text"
    CHOICE = "choice"
    """One of a few words."""
    HEX = "hex"
    """An id: case does not matter."""
    DURATION = "duration"
    SEVERITY = "severity"
    FLAG = "flag"
    """True or false; the bare name means true."""
    MEMBERS = "members"
    """Several texts; a comparison holds when it holds of one."""
    SEARCH = "search"
    """All text of the record at once: contains, whatever the case of A to Z."""


_TEXT_OPERATORS: Final = frozenset({Operator.EQUALS, Operator.CONTAINS, Operator.MATCHES})
_SIZE_OPERATORS: Final = frozenset(
    {Operator.EQUALS, *(operator for operator in Operator if operator.is_order)}
)

OPERATORS: Final[Mapping[FieldKind, frozenset[Operator]]] = {
    FieldKind.TEXT: _TEXT_OPERATORS,
    FieldKind.CHOICE: frozenset({Operator.EQUALS}),
    FieldKind.HEX: frozenset({Operator.EQUALS}),
    FieldKind.DURATION: _SIZE_OPERATORS,
    FieldKind.SEVERITY: _SIZE_OPERATORS,
    FieldKind.FLAG: frozenset({Operator.EQUALS}),
    FieldKind.MEMBERS: _TEXT_OPERATORS,
    FieldKind.SEARCH: frozenset({Operator.CONTAINS}),
}
"""The operators that a field of a kind takes, their negated forms included."""


class NotAValueError(Exception):
    """A text is no value of a field; the message says what would be."""


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field: what it is in SQL, over the columns of the signal's table.

    `choices` maps the words of a `CHOICE` to the stored texts that each stands for. `words` is the
    alias whose index of words covers this text.
    """

    kind: FieldKind
    sql: str = ""
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    words: str | None = None

    def parse(self, text: str) -> Value:
        """Return the value that a text means for this field.

        Raises:
            NotAValueError: the text means none.
        """
        match self.kind:
            case FieldKind.CHOICE:
                return _parse_choice(text, self.choices)
            case FieldKind.HEX:
                return text.lower()
            case FieldKind.DURATION:
                return _parse_duration(text)
            case FieldKind.SEVERITY:
                return _parse_severity(text)
            case FieldKind.FLAG:
                return _parse_flag(text)
            case FieldKind.SEARCH if not text:
                raise NotAValueError("a text of at least one character")
            case _:
                return text


@dataclass(frozen=True, slots=True)
class AttributeColumn:
    """A column of attribute maps.

    `items` is the column that shows it as ``key=value`` entries, where such a column is indexed;
    `many` says that the column is an array of maps. `words` is the alias whose index of words
    covers its values.
    """

    map: str
    items: str | None = None
    many: bool = False
    words: str | None = None


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What filters of one signal can speak of.

    `search` are the SQL texts, and `search_lists` the SQL lists of texts, that a text search reads;
    `words` is the alias that holds all of them, and whose words are indexed.
    """

    record: str
    places: Mapping[Place, tuple[AttributeColumn, ...]]
    fields: Mapping[str, FieldSpec]
    search: tuple[FieldSpec, ...] = ()
    search_lists: tuple[str, ...] = ()
    words: str | None = None


def _parse_choice(text: str, choices: Mapping[str, tuple[str, ...]]) -> str:
    word = text.lower()
    if word not in choices:
        raise NotAValueError(f"one of {', '.join(choices)}")
    return word


def _parse_duration(text: str) -> int:
    try:
        return parse_duration_ns(text)
    except ClewError as error:
        raise NotAValueError("a duration with its unit, such as 100ms or 1.5s") from error


def _parse_severity(text: str) -> Value:
    word = text.lower()
    if word in SEVERITY_CLASSES:
        return word
    if text.isascii() and text.isdigit() and len(text) <= 2 and int(text) <= 24:
        return int(text)
    raise NotAValueError(f"one of {', '.join(SEVERITY_CLASSES)}, or a number from 0 to 24")


def _parse_flag(text: str) -> bool:
    word = text.lower()
    if word not in {"true", "false"}:
        raise NotAValueError("true or false")
    return word == "true"


def _text(sql: str) -> FieldSpec:
    return FieldSpec(FieldKind.TEXT, sql)


_RESOURCE: Final = AttributeColumn("ResourceAttributes", "ResourceAttributeItems")
_SCOPE: Final = AttributeColumn("ScopeAttributes")
_SPAN: Final = AttributeColumn("SpanAttributes", "SpanAttributeItems", words="SpanText")
_EVENT: Final = AttributeColumn("`Events.Attributes`", many=True, words="SpanText")
_LOG: Final = AttributeColumn("LogAttributes", "LogAttributeItems", words="LogText")
_POINT: Final = AttributeColumn("Attributes")
_POINT_RESOURCE: Final = AttributeColumn("ResourceAttributes")

STATUSES: Final[Mapping[str, tuple[str, ...]]] = {
    "ok": ("Ok",),
    "error": ("Error",),
    "unset": ("Unset",),
}
KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "internal": ("Internal", "Unspecified"),
    "server": ("Server",),
    "client": ("Client",),
    "producer": ("Producer",),
    "consumer": ("Consumer",),
}

_EVERYWHERE: Final = {
    "service": _text("ServiceName"),
    "scope": _text("ScopeName"),
    "scope_version": _text("ScopeVersion"),
}

SPANS: Final = Vocabulary(
    record="span",
    places={
        Place.ANY: (_SPAN, _RESOURCE),
        Place.SPAN: (_SPAN,),
        Place.RESOURCE: (_RESOURCE,),
        Place.SCOPE: (_SCOPE,),
        Place.EVENT: (_EVENT,),
        Place.LINK: (AttributeColumn("`Links.Attributes`", many=True),),
    },
    fields={
        **_EVERYWHERE,
        "operation": _text("SpanName"),
        "name": _text("SpanName"),
        "duration": FieldSpec(FieldKind.DURATION, "Duration"),
        "status": FieldSpec(FieldKind.CHOICE, "StatusCode", choices=STATUSES),
        "status_message": _text("StatusMessage"),
        "kind": FieldSpec(FieldKind.CHOICE, "SpanKind", choices=KINDS),
        "trace_id": FieldSpec(FieldKind.HEX, "TraceId"),
        "span_id": FieldSpec(FieldKind.HEX, "SpanId"),
        "parent_span_id": FieldSpec(FieldKind.HEX, "ParentSpanId"),
        "trace_state": _text("TraceState"),
        "root": FieldSpec(FieldKind.FLAG, "ParentSpanId = ''"),
        "event": FieldSpec(FieldKind.MEMBERS, "`Events.Name`"),
        "link_trace_id": FieldSpec(FieldKind.MEMBERS, "`Links.TraceId`"),
        "text": FieldSpec(FieldKind.SEARCH),
    },
    search=(_text("SpanName"), _text("StatusMessage")),
    search_lists=(
        "mapValues(SpanAttributes)",
        "`Events.Name`",
        "arrayFlatten(arrayMap(each -> mapValues(each), `Events.Attributes`))",
    ),
    words="SpanText",
)

_BODY: Final = FieldSpec(FieldKind.TEXT, "Body", words="LogText")

LOGS: Final = Vocabulary(
    record="log record",
    places={
        Place.ANY: (_LOG, _RESOURCE),
        Place.RESOURCE: (_RESOURCE,),
        Place.SCOPE: (_SCOPE,),
    },
    fields={
        **_EVERYWHERE,
        "severity": FieldSpec(FieldKind.SEVERITY, SEVERITY_SQL),
        "severity_text": _text("SeverityText"),
        "body": _BODY,
        "name": _text("EventName"),
        "event_name": _text("EventName"),
        "trace_id": FieldSpec(FieldKind.HEX, "TraceId"),
        "span_id": FieldSpec(FieldKind.HEX, "SpanId"),
        "text": FieldSpec(FieldKind.SEARCH),
    },
    search=(_BODY,),
    search_lists=("mapValues(LogAttributes)",),
    words="LogText",
)

POINTS: Final = Vocabulary(
    record="data point",
    places={
        Place.ANY: (_POINT, _POINT_RESOURCE),
        Place.RESOURCE: (_POINT_RESOURCE,),
        Place.SCOPE: (_SCOPE,),
    },
    fields={**_EVERYWHERE, "name": _text("MetricName"), "unit": _text("MetricUnit")},
)
