"""Patterns of log records: masked and counted by the engine, put together here.

The engine replaces what is variable for certain (ids, numbers, addresses, quoted text) and counts
equal texts over every record of the window, so that a million records come down to some thousand
texts with exact counts; `templates` puts those together. How many texts are taken is bounded, the
most frequent ones first, and the answer says how many records they cover. Why not a library:
docs/adr/0007.
"""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from clew.base.times import format_time
from clew.store.engine.groups import Aggregate, Groups
from clew.telemetry.analytics import reports as doc
from clew.telemetry.analytics.templates import PLACEHOLDER, find_templates
from clew.telemetry.analytics.windows import Window, read_current
from clew.telemetry.query.logs import log_predicate
from clew.telemetry.query.newest import LIMITS
from clew.telemetry.query.parameters import LogQuery
from clew.telemetry.query.severity import SEVERITY_CLASSES, SEVERITY_SQL
from clew.telemetry.query.slices import cut_slice, read_slice
from clew.telemetry.query.window import time_condition
from clew.telemetry.tables import LOGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from clew.store.engine.contract import Snapshot
    from clew.telemetry.analytics import parameters as ask
    from clew.telemetry.query.slices import Slice
    from clew.telemetry.query.store import Store

TEXTS_MAX: Final = 10_000
"""Masked texts that are put together: 10,000 of ten words take about 0.2 s of Python."""

BODY_CHARS_MAX: Final = 500
"""How much of a body is looked at: the message of a log line; what follows are dumps and stacks."""

# RE2 prefers the first alternative that fits: the longer kinds stand first. Quoted text is masked
# in prose only, since in JSON it is the message as well. There are no counted repeats: a brace
# would be read as a parameter of the statement.
_HEX: Final = "[0-9a-fA-F]"
_IDS: Final = "|".join(
    (
        "-".join(_HEX * digits for digits in (8, 4, 4, 4, 12)),
        f"0x{_HEX}+",
        f"{_HEX * 16}+",
        "[0-9]+(?:[.:,][0-9]+)*",
    )
)
_QUOTED: Final = '"[^"]*"'


def body_sql(body: str) -> str:
    """Return the SQL of what is looked at of a body."""
    return f"if(length({body}) > {BODY_CHARS_MAX}, leftUTF8({body}, {BODY_CHARS_MAX}), {body})"


BODY_SQL: Final = body_sql("Body")
"""What is looked at of a body, over the columns of the log table."""

_OPENING_BRACE: Final = ord("{")


def mask_sql(body: str) -> str:
    """Return the SQL of a body with placeholders for what is variable for certain."""
    return (
        f"if(ascii({body}) = {_OPENING_BRACE},"
        f" replaceRegexpAll({body}, '{_IDS}', '{PLACEHOLDER}'),"
        f" replaceRegexpAll({body}, '{_QUOTED}|{_IDS}', '{PLACEHOLDER}'))"
    )


SEVERITY_CLASS_SQL: Final = f"intDiv({SEVERITY_SQL} + 3, 4)"
"""The place of a record's severity in `SEVERITY_CLASSES`."""

_CLASSES: Final = tuple(SEVERITY_CLASSES)

_AT: Final = "toUnixTimestamp64Nano(Timestamp)"
_TEXTS: Final = Groups(
    LOGS,
    {
        "text": mask_sql(BODY_SQL),
        "service": "ServiceName",
        "severity": SEVERITY_CLASS_SQL,
    },
    (
        Aggregate("n", "count"),
        Aggregate("first", "min", _AT),
        Aggregate("last", "max", _AT),
        Aggregate("example", "any", f"tuple({_AT}, {BODY_SQL}, TraceId, SpanId)"),
    ),
    (
        "Body",
        "ServiceName",
        "SeverityNumber",
        "SeverityText",
        "Timestamp",
        "TraceId",
        "SpanId",
    ),
)


@dataclass(slots=True)
class _Found:
    """A pattern as it is put together from masked texts."""

    text: str
    count: int = 0
    severities: Counter[str] = field(default_factory=Counter)
    services: Counter[str] = field(default_factory=Counter)
    first: int = 0
    last: int = 0
    example: tuple[Any, ...] = ()

    def add(self, row: Mapping[str, Any]) -> None:
        """Add the records of one masked text, service and severity."""
        if not self.count:
            self.first, self.last, self.example = row["first"], row["last"], _example(row)
        self.count += row["n"]
        self.severities[_CLASSES[row["severity"]]] += row["n"]
        self.services[row["service"]] += row["n"]
        self.first = min(self.first, row["first"])
        self.last = max(self.last, row["last"])


def list_patterns(store: Store, query: ask.PatternQuery, now: int) -> doc.LogPatternList:
    """Return what the log records of a window say, most frequent first.

    Raises:
        ClewError: INVALID_ARGUMENT for a filter that does not parse; TOO_LARGE when the window
            holds more different texts than memory does.
    """
    snapshot = store.snapshot()
    asked = read_current(query, now=now).range
    page = read_slice("patterns", query, snapshot, window=asked, now=now)
    start, end = page.window.start or 0, page.window.end
    window = Window(start, page.now if end is None else end, is_open=end is None)
    rows, records = _read_texts(store, snapshot, query, page)
    found = put_together(rows)
    patterns = sorted(found, key=lambda each: (-each.count, each.text))
    grouped = sum(each.count for each in patterns)
    shown, rest = cut_slice(patterns, page)
    return doc.LogPatternList(
        window=window.describe(),
        patterns=[_document(each, records) for each in shown],
        count=len(shown),
        total=len(patterns),
        truncated=rest is not None or grouped < records,
        log_records=records,
        log_records_grouped=grouped,
        next=rest,
    )


def put_together(rows: Sequence[Mapping[str, Any]]) -> list[_Found]:
    """Return the patterns of rows, one for each masked text (and service and severity)."""
    places: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        places.setdefault(row["text"], []).append(row)
    texts = list(places)
    patterns = []
    for template in find_templates(texts):
        one = _Found(template.text)
        for place in template.members:
            for row in places[texts[place]]:
                one.add(row)
        patterns.append(one)
    return patterns


def _read_texts(
    store: Store, snapshot: Snapshot, query: ask.PatternQuery, page: Slice
) -> tuple[list[dict[str, Any]], int]:
    """Return the most frequent masked texts by service and severity, and how many records match."""
    filters = LogQuery(
        service=query.service,
        severity=query.severity,
        min_severity=query.min_severity,
        attribute=query.attribute,
        q=query.q,
    )
    predicate = log_predicate(store, filters)
    grouped, scan = _TEXTS.ask(
        snapshot,
        "logs",
        f"{time_condition(LOGS, page.window)} AND {page.condition} AND ({predicate.sql})",
    )
    answer = store.engine.query(
        f"SELECT *, sum(n) OVER () AS records FROM ({grouped})"
        " ORDER BY n DESC, text, service, severity LIMIT {texts:UInt32}",
        snapshot=snapshot,
        scans={"logs": scan},
        parameters={**predicate.parameters, "texts": TEXTS_MAX},
        limits=LIMITS,
    )
    rows: list[dict[str, Any]] = answer.to_pylist()
    return rows, rows[0]["records"] if rows else 0


def _example(row: Mapping[str, Any]) -> tuple[Any, ...]:
    example = row["example"]
    values: Iterable[Any] = example.values() if isinstance(example, dict) else example
    return (row["service"], *values)


def _document(found: _Found, records: int) -> doc.LogPattern:
    service, at, body, trace_id, span_id = found.example
    return doc.LogPattern(
        pattern=found.text,
        count=found.count,
        share=found.count / records,
        severity=found.severities.most_common(1)[0][0],
        severities=dict(found.severities.most_common()),
        services=dict(found.services.most_common()),
        first_seen=format_time(found.first),
        last_seen=format_time(found.last),
        example=doc.LogExample(
            timestamp=format_time(at),
            service=service,
            body=body,
            trace_id=trace_id or None,
            span_id=span_id or None,
        ),
    )
