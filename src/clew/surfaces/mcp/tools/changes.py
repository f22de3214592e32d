"""What changed and what repeats: anomalies, differences, log patterns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from clew.surfaces.mcp.answers import Answer, Call, Draft, LeftOut, Table, table
from clew.surfaces.mcp.tool import (
    Attribute,
    Cursor,
    Expression,
    Limit,
    Service,
    Timed,
    Tool,
    again,
    call,
    figure,
    pick,
    times,
)
from clew.surfaces.mcp.tools.find import Severity, draft_page
from clew.telemetry.analytics import reports as doc
from clew.telemetry.analytics.documents import Window
from clew.telemetry.analytics.parameters import AnomalyQuery, DiffQuery, PatternQuery

if TYPE_CHECKING:
    from clew.surfaces.mcp.questions import Questions

ANOMALY_COLUMNS = (
    *("kind", "severity", "service", "what", "current", "baseline", "unit", "confidence"),
    *("trace_id",),
)
VALUE_COLUMNS = ("place", "key", "value", "bad_share", "good_share", "lift", "confidence", "filter")
PATTERN_COLUMNS = ("pattern", "count", "share", "severity", "services", "last_seen", "trace_id")

OUTLINES_OFFERED = 3
"""Services with a trace to look at: where the first is not the cause, one of the next is."""

BASELINES = ("baseline", "baseline_start", "baseline_end")

Baseline = Annotated[
    str | None, Meta(description="How long the time before is; 6 times the window by default")
]


class Compared(Timed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A window, the last hour when no time is given, and the one it is compared with."""

    service: Service = None
    baseline: Baseline = None
    baseline_start: Annotated[str | None, Meta(description="Or by moments: from here")] = None
    baseline_end: Annotated[str | None, Meta(description="up to here")] = None


class AnomaliesAsked(Compared, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is not as it was."""

    limit: Limit = 50


class AnomaliesAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """What is not as it was, the worst first; none is an answer: see `compared`.

    `what` is the operation or log pattern, empty where it is about the whole service.
    """

    window: Window
    baseline: Window
    total: int
    anomalies: Table
    compared: doc.Compared
    notes: list[str] = msgspec.field(default_factory=list)


def _anomalies(questions: Questions, asked: AnomaliesAsked) -> Draft:
    found = questions.ask("/anomalies", doc.AnomalyReport, pick(asked, AnomalyQuery))

    def write(items: int) -> AnomaliesAnswer:
        rest = found.total - items
        more = again("anomalies", "all of them", asked, limit=1000, max_tokens=20_000)
        return AnomaliesAnswer(
            window=found.window,
            baseline=found.baseline,
            total=found.total,
            anomalies=table(ANOMALY_COLUMNS, map(_anomaly_row, found.anomalies[:items])),
            compared=found.compared,
            notes=found.notes,
            left_out=[LeftOut(what="anomalies", count=rest, get=more)] if rest > 0 else [],
            next=_after_anomalies(asked, found),
        )

    return Draft(most=found.count, write=write)


def _anomaly_row(each: doc.Anomaly) -> list[Any]:
    return [
        *(each.kind, each.severity, each.service, each.operation or each.pattern or ""),
        *(figure(each.current, 4), figure(each.baseline, 4), each.unit),
        *(figure(each.confidence, 4), each.exemplar_trace_id),
    ]


def _after_anomalies(asked: AnomaliesAsked, found: doc.AnomalyReport) -> list[Call]:
    if not found.anomalies:
        return [call("summary", "what there is at all", **times(asked))]
    steps = []
    told: set[str] = set()
    # More traffic alone does no harm, so it is not what a trace is looked at for.
    harmful = [each for each in found.anomalies if each.kind != "throughput"]
    for each in harmful or found.anomalies:
        if each.service in told or each.exemplar_trace_id is None:
            continue
        told.add(each.service)
        why = f"a trace of it: {each.kind} of {each.service}"
        steps.append(call("trace_outline", why, trace_id=each.exemplar_trace_id))
    worst = (harmful or found.anomalies)[0]
    why = f"what the bad spans of {worst.service} have in common"
    diff = call("diff", why, service=worst.service, **times(asked), **_baseline(asked))
    return [*steps[:OUTLINES_OFFERED], diff, call("topology", "who calls whom", **times(asked))]


def _baseline(asked: Compared) -> dict[str, Any]:
    return {name: getattr(asked, name) for name in BASELINES}


class DiffAsked(Compared, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which spans are bad: failed ones, or the slowest, unless an expression says so."""

    bad: Annotated[str | None, Meta(description="Filter expression of the bad spans")] = None
    good: Annotated[str | None, Meta(description="Of the good ones; by default all others")] = None
    against: Annotated[
        Literal["rest", "baseline"], Meta(description="Where the good ones are looked for")
    ] = "rest"
    limit: Limit = 20


class DiffAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Two windows side by side, and the attribute values that set bad spans apart, ranked.

    `filter` selects the spans with that value in `q`.
    """

    window: Window
    baseline: Window
    changes: Table
    bad: dict[str, Any]
    good: dict[str, Any]
    values: Table
    values_compared: int
    caveat: str | None = None


def _diff(questions: Questions, asked: DiffAsked) -> Draft:
    found = questions.ask("/diff", doc.DifferenceReport, pick(asked, DiffQuery))
    changes = msgspec.structs.asdict(found.metrics)

    def write(items: int) -> DiffAnswer:
        return DiffAnswer(
            window=found.window,
            baseline=found.baseline,
            changes=table(
                ("figure", "current", "baseline", "ratio"),
                (
                    [name, figure(each.current, 4), figure(each.baseline, 4), figure(each.ratio)]
                    for name, each in changes.items()
                ),
            ),
            bad={"spans": found.bad.spans, "which": found.bad.description},
            good={"spans": found.good.spans, "which": found.good.description},
            values=table(VALUE_COLUMNS, map(_value_row, found.values[:items])),
            values_compared=found.values_compared,
            caveat=found.note,
            left_out=_left_out_of_diff(asked, found, items),
            next=_after_diff(asked, found),
        )

    return Draft(most=found.count, write=write)


def _left_out_of_diff(asked: DiffAsked, found: doc.DifferenceReport, items: int) -> list[LeftOut]:
    more = again("diff", "more values", asked, limit=200, max_tokens=20_000)
    collapsed = len(found.keys_collapsed)
    all_of_them = [
        LeftOut(what="values", count=found.total - items, get=more),
        LeftOut(what="values of the fewest bad spans, not compared", count=found.values_left_out),
        LeftOut(what="keys of too many values, compared by presence alone", count=collapsed),
    ]
    return [each for each in all_of_them if each.count > 0]


def _value_row(each: doc.ValueDifference) -> list[Any]:
    return [
        *(each.place, each.key, each.value),
        *(figure(each.bad_share), figure(each.good_share), figure(each.lift)),
        *(figure(each.confidence, 4), each.filter),
    ]


def _after_diff(asked: DiffAsked, found: doc.DifferenceReport) -> list[Call]:
    steps = []
    if found.values:
        best = found.values[0]
        why = "traces with the value that sets the bad ones apart"
        narrow = {"service": asked.service, **times(asked)}
        steps.append(call("find_traces", why, q=best.filter, **narrow))
    why = "who calls it, and whom it calls"
    steps.append(call("topology", why, service=asked.service, **times(asked)))
    return steps


class PatternsAsked(Timed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which log records; of the last hour when no time is given."""

    service: Service = None
    min_severity: Annotated[Severity | None, Meta(description="This class and above")] = None
    attribute: Attribute = msgspec.field(default_factory=list)
    q: Expression = None
    limit: Limit = 50
    cursor: Cursor = None


class PatternsAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """What log records say, most frequent first; ``<*>`` stands where they differ."""

    window: Window
    log_records: int
    total: int | None = None
    at_least: int | None = None
    patterns: Table


def _log_patterns(questions: Questions, asked: PatternsAsked) -> Draft:
    def fetch(limit: int) -> doc.LogPatternList:
        query = pick(asked, PatternQuery, limit=limit, next=asked.cursor)
        return questions.ask("/logs/patterns", doc.LogPatternList, query)

    def write(found: doc.LogPatternList, items: int, page: dict[str, Any]) -> PatternsAnswer:
        shown = found.patterns[:items]
        steps = [
            call("trace_outline", "where the first is said", trace_id=each.example.trace_id)
            for each in shown
            if each.example.trace_id
        ]
        apart = found.log_records - found.log_records_grouped
        if apart > 0:
            what = "log records in no pattern, too many to be told apart"
            page["left_out"].append(LeftOut(what=what, count=apart))
        return PatternsAnswer(
            window=found.window,
            log_records=found.log_records,
            patterns=table(PATTERN_COLUMNS, map(_pattern_row, shown)),
            next=steps[:1],
            **page,
        )

    return draft_page("log_patterns", asked, fetch, write, "patterns")


def _pattern_row(each: doc.LogPattern) -> list[Any]:
    return [
        *(each.pattern, each.count, figure(each.share), each.severity),
        *(list(each.services), each.last_seen[:23], each.example.trace_id),
    ]


ANOMALIES = Tool(
    name="anomalies",
    title="What is not as it was",
    description=(
        "Every service, operation and log pattern against the time before: error rates, latency, "
        "traffic, what is new and what vanished; tested, ranked, each with an example trace."
    ),
    parameters=AnomaliesAsked,
    answer=AnomaliesAnswer,
    run=_anomalies,
    example={"last": "15m"},
)
DIFF = Tool(
    name="diff",
    title="What sets bad spans apart",
    description=(
        "Which attribute values (version, host, tenant, tool ...) are commoner among bad spans "
        "than among good ones, ranked, and the figures of two windows side by side. Bad are failed "
        "spans, else the slowest, unless `bad` says which."
    ),
    parameters=DiffAsked,
    answer=DiffAnswer,
    run=_diff,
    example={"last": "15m"},
)
LOG_PATTERNS = Tool(
    name="log_patterns",
    title="What log records say",
    description="Templates of the log records with exact counts: what is typical, what is rare.",
    parameters=PatternsAsked,
    answer=PatternsAnswer,
    run=_log_patterns,
    example={"min_severity": "warn", "last": "1h"},
)
