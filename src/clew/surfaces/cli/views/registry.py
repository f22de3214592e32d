"""Registries on a terminal: what differs between two, which ones there are, what one says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.surfaces.cli.grid import Column, Style, cut_line, lay_out, plain, styled
from clew.surfaces.cli.text import Clock, escape, show_count, show_duration
from clew.surfaces.cli.views.values import show_value
from clew.twin.schema.comparison import Verdict
from clew.twin.schema.values import ProcessSchema

if TYPE_CHECKING:
    from clew.surfaces.cli.grid import Line
    from clew.twin import documents as doc
    from clew.twin.schema.codec import RegistryFile
    from clew.twin.schema.comparison import Comparison
    from clew.twin.schema.values import FieldSchema, ObjectSchema

_COLUMNS: Final = (
    Column("verdict"),
    Column("where", flexible=True),
    Column("change", drop=1),
    Column("what", flexible=True),
)

_VERSION_COLUMNS: Final = (
    Column("name", flexible=True, least=12),
    Column("version", flexible=True),
    Column("checksum"),
    Column(""),
    Column("objects", right=True, drop=3),
    Column("processes", right=True, drop=4),
    Column("stored", drop=1),
    Column("by", flexible=True, drop=2),
)

_FIELD_COLUMNS: Final = (
    Column("field", flexible=True, least=16),
    Column("type", flexible=True, least=16),
    Column("rules", flexible=True),
)

_RULES: Final = {
    "min_value": "at least",
    "max_value": "at most",
    "precision": "precision",
    "min_length": "no shorter than",
    "max_length": "no longer than",
    "pattern": "like",
    "choices": "one of",
    "min_items": "items at least",
    "max_items": "items at most",
    "renamed_from": "was",
    "auto_now": "set at each change",
    "auto_now_add": "set at the first",
}
"""What a field may be held to, in words that its value follows."""

_STYLES: Final = {Verdict.BREAKING: Style.RED, Verdict.COMPATIBLE: Style.GREEN}


def difference_table(document: Comparison, width: int) -> list[Line]:
    """Return a line per difference; none when there is no difference."""
    if not document.differences:
        return []
    rows = [
        [
            styled(each.verdict, _STYLES[each.verdict]),
            plain(escape(each.path)),
            styled(each.change, Style.DIM),
            plain(escape(each.message)),
        ]
        for each in document.differences
    ]
    return lay_out(_COLUMNS, rows, width)


def difference_legend(document: Comparison) -> str:
    """Return how many break."""
    return f"{document.breaking} breaking"


def stored_lines(document: doc.RegistryStored, width: int) -> list[Line]:
    """Return which registry the server has now, and what it changes."""
    said = "kept" if document.created else "was there already; it is the current one now"
    lines: list[Line] = [
        [
            (f"{escape(document.name)} {escape(document.version)} ", Style.BOLD),
            (escape(document.checksum), Style.DIM),
            (f"  {said}", Style.PLAIN),
        ]
    ]
    changes = [(Verdict.BREAKING, each) for each in document.breaking]
    changes += [(Verdict.COMPATIBLE, each) for each in document.compatible]
    for verdict, change in changes:
        told: Line = [(f"{verdict}  ", _STYLES[verdict]), (escape(change), Style.PLAIN)]
        lines.append(cut_line(told, width))
    return lines


def version_table(document: doc.RegistryList, width: int) -> list[Line]:
    """Return a line per version; the newest of its name is marked."""
    clock = Clock(each.stored_at for each in document.registries)
    rows = [
        [
            plain(escape(each.name)),
            styled(escape(each.version), Style.BOLD if each.is_current else Style.PLAIN),
            styled(escape(each.checksum), Style.DIM),
            styled("current" if each.is_current else "", Style.GREEN),
            plain(show_count(each.objects)),
            plain(show_count(each.processes)),
            styled(clock.show(each.stored_at), Style.DIM),
            plain(escape(each.stored_by)),
        ]
        for each in document.registries
    ]
    return lay_out(_VERSION_COLUMNS, rows, width) if rows else []


def version_legend(document: doc.RegistryList) -> str:
    """Return which day and zone the times are of."""
    return Clock(each.stored_at for each in document.registries).legend()


def registry_lines(document: RegistryFile, width: int) -> list[Line]:
    """Return a heading, and each type with its fields."""
    head = document.registry
    lines: list[Line] = [
        [
            (f"{escape(head.name)} {escape(head.version)} ", Style.BOLD),
            (escape(head.checksum), Style.DIM),
        ]
    ]
    types: list[ObjectSchema | ProcessSchema] = [
        *document.objects.values(),
        *document.processes.values(),
    ]
    for each in types:
        lines.extend([[], cut_line(_type_line(each), width)])
        if isinstance(each, ProcessSchema):
            lines.extend(cut_line(line, width) for line in _phase_lines(each))
        rows = [
            [plain(f"  {escape(field.name)}"), styled(_kind(field), Style.CYAN), _rules(field)]
            for field in each.fields.values()
        ]
        # The header of one table says nothing that the first row does not.
        lines.extend(lay_out(_FIELD_COLUMNS, rows, width)[1:])
        for invariant in each.invariants:
            rule = invariant.expression or "in Python"
            told: Line = [("  always ", Style.DIM), (escape(invariant.name), Style.PLAIN)]
            lines.append(cut_line([*told, (f": {escape(rule)}", Style.DIM)], width))
    return [*lines, []]


def first_types(document: RegistryFile, kept: int) -> RegistryFile:
    """Return a registry with its first so many types."""
    objects = dict(list(document.objects.items())[:kept])
    processes = dict(list(document.processes.items())[: max(0, kept - len(document.objects))])
    return msgspec.structs.replace(document, objects=objects, processes=processes)


def _type_line(kind: ObjectSchema | ProcessSchema) -> Line:
    line: Line = [(escape(kind.name), Style.BOLD), (f"  {kind.type}", Style.DIM)]
    line.append((f"  {escape(kind.prefix)}.*", Style.DIM))
    if kind.description:
        line.append((f"  {escape(kind.description)}", Style.PLAIN))
    return line


def _phase_lines(kind: ProcessSchema) -> list[Line]:
    lines: list[Line] = []
    if kind.phases and not kind.transitions:
        path = " → ".join(map(escape, kind.phases))
        lines.append([("  phases ", Style.DIM), (path, Style.MAGENTA)])
    for name, following in kind.transitions.items():
        onward = ", ".join(map(escape, following)) or "the end"
        lines.append([("  phase  ", Style.DIM), (f"{escape(name)} → {onward}", Style.MAGENTA)])
    allowed = show_duration(kind.timeout_seconds * 1000)
    return [*lines, [("  may take ", Style.DIM), (allowed, Style.PLAIN)]]


def _kind(field: FieldSchema) -> str:
    """Return what a field holds: ``list of string``, ``reference to Customer``."""
    if field.item is not msgspec.UNSET:
        return f"list of {_kind(field.item)}"
    if field.ref_type is not msgspec.UNSET:
        return f"reference to {escape(field.ref_type)}"
    return str(field.type)


def _rules(field: FieldSchema) -> Line:
    """Return what a value has to keep to, and what the field is for."""
    flags = [
        word
        for word, holds in (
            ("required", field.required),
            ("not null", not field.nullable),
            ("indexed", field.indexed),
            ("sensitive", field.sensitive is True),
        )
        if holds
    ]
    if field.default is not None:
        flags.append(f"default {show_value(field.default)}")
    for name, word in _RULES.items():
        value: Any = getattr(field, name)
        if value is True:
            flags.append(word)
        elif value is not msgspec.UNSET and value is not False:
            flags.append(f"{word} {show_value(value)}")
    line: Line = [(", ".join(flags), Style.PLAIN)]
    if field.description:
        line.append((f"{'  ' if flags else ''}{escape(field.description)}", Style.DIM))
    return line
