"""Indexed fields as columns of ClickHouse, for those who ask `trilog_events` in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.twin.schema.lookup import types_of
from clew.twin.schema.values import FieldType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.twin.schema.lookup import types_of
from clew.twin.schema.values import FieldSchema, RegistrySchema

TABLE: Final = "trilog_events"

# A type, and how it is read from the JSON text of a value; null and what does not fit give null.
_COLUMNS: Final[Mapping[FieldType, tuple[str, str]]] = {
    FieldType.INTEGER: ("Int64", "toInt64OrNull({0})"),
    FieldType.FLOAT: ("Float64", "toFloat64OrNull({0})"),
    FieldType.STRING: ("String", "JSONExtract({0}, 'Nullable(String)')"),
    FieldType.REFERENCE: ("String", "JSONExtract({0}, 'Nullable(String)')"),
    FieldType.BOOLEAN: ("UInt8", "JSONExtract({0}, 'Nullable(Bool)')"),
    FieldType.TIMESTAMP: (
        "DateTime64(9)",
        "parseDateTime64BestEffortOrNull(JSONExtractString({0}), 9)",
    ),
    FieldType.LIST: ("String", "{0}"),
    FieldType.DICT: ("String", "{0}"),
}


def to_clickhouse(registry: RegistrySchema) -> str:
    """Return statements that give the table of events a column for each indexed field.

    A column is ``attr_<prefix>_<field>``, null in events that do not tell of the field. It is
    computed as rows are read, and kept for those that come later.
    """
    statements = [
        _statement(kind.name, f"attr_{kind.prefix}_{name}", field)
        for kind in types_of(registry)
        for name, field in kind.fields.items()
        if field.indexed
    ]
    head = "-- Made by clew from a registry: columns of its indexed fields.\n"
    return head + "".join(statements)


def _statement(type_name: str, column: str, field: FieldSchema) -> str:
    kind, reading = _COLUMNS[field.type]
    source = f"Patch['{field.name}']"
    expression = f"if(ObjType = '{type_name}' AND mapContains(Patch, '{field.name}'), "
    expression += f"{reading.format(source)}, NULL)"
    # Names of types, prefixes and fields hold letters, digits and _ alone: nothing to quote.
    return (
        f"ALTER TABLE {TABLE} ADD COLUMN IF NOT EXISTS {column} Nullable({kind}) "
        f"MATERIALIZED {expression};\n"
    )
