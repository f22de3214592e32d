"""Render docs/reference/performance.md from bench/results and bench/notes.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.cells import brief, number, show, table
from bench.figures import Figure, read_reports
from bench.goals import GOALS
from bench.machine import ROOT
from bench.questions import OURS, PEERS, SEARCHES
from bench.servers_table import tell_fanout, tell_replication

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bench.figures import Report

PAGE: Final = ROOT / "docs/reference/performance.md"
RESULTS: Final = ROOT / "bench/results"
NOTES: Final = ROOT / "bench/notes.md"

_SIZES: Final = ("100k", "1m", "10m")

_QUESTIONS: Final = {
    "trace_by_id": "a trace by its id",
    "service": "newest 20 of a service",
    "operation": "newest 20 of an operation",
    "duration": "newest 20 longer than 100 ms",
    "time": "newest 20 of five minutes",
    "attribute": "newest 20 with an attribute (1 in 9,700)",
    "attribute_absent": "an attribute value that nothing has",
    "all_filters": "service, operation, duration, time and attribute",
    "services_1h": "rate, errors and duration of all services, one hour",
    "span_text": "newest 20 spans that hold a word (1 in 100)",
    "span_text_absent": "spans that hold words that none has",
    "log_text": "newest 20 logs that hold a word (1 in 10,000)",
    "series_1h": "rate of a counter by minute, one hour",
    "summary": "summary of everything",
    "anomalies": "anomalies of the last seventh against the rest",
    "topology": "topology of everything",
}


def render() -> str:
    """Return the page as it should be for the results and notes as they are."""
    reports = read_reports(RESULTS)
    figures = {
        name: figure for report in reports.values() for name, figure in report.figures.items()
    }
    notes = _sections(NOTES.read_text())
    parts = [
        "<!-- made by: python -m bench table -->",
        "# Performance",
        notes["Figures against goals"],
        _goals(figures),
        "## How to read",
        notes["How to read"],
        _runs(reports.values()),
        "## What falls short, and why",
        notes["What falls short, and why"],
        "## Ingest in detail",
        *_ingest(figures),
        "## Engine beside the exporter's tables",
        *_engine(figures),
        "## Queries in detail",
        *_queries(figures),
        "## Questions while spans come in",
        *_mixed(figures),
        "## The tree",
        *_tree(figures),
        "## What an event costs the program that says it",
        *_emit(figures),
        "## What objects were",
        *_twin(figures),
        "## What lineage costs the program that tells of it",
        *_lineage(figures),
        "## What sharing with a team costs",
        *_team(figures),
        "## What a standby costs, and a change of leader",
        *tell_replication(figures),
        "## What a query tier costs",
        *tell_fanout(figures),
        "## The page",
        *_page(figures),
        "## Decoders",
        *_decoders(figures),
        "## Remarks of the runs",
        *_remarks(reports.values()),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def write_page() -> Path:
    """Write the page and return where it is."""
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(render())
    return PAGE


def _sections(text: str) -> dict[str, str]:
    """Return the sections of the notes by their headings."""
    pieces = re.split(r"^## (.+)$", text, flags=re.MULTILINE)[1:]
    return {heading: body.strip() for heading, body in zip(pieces[::2], pieces[1::2], strict=True)}


def _goals(figures: dict[str, Figure]) -> str:
    rows = []
    for goal in GOALS:
        sign = "≤" if goal.at_most else "≥"
        wanted = f"{sign} {number(goal.bound)} {goal.unit}"
        found = goal.find(figures)
        if found is None:
            rows.append((goal.what, wanted, "not measured yet", "", goal.elsewhere))
            continue
        name, figure = found
        size = "" if name == goal.figures[0] else f" (at {name.split('.')[1]})"
        verdict = goal.judge(figure.value)
        rows.append((goal.what, wanted, f"{show(figures, name)}{size}", verdict, goal.elsewhere))
    return table(("what", "goal", "ours", "verdict", "best known elsewhere"), rows)


def _runs(reports: Iterable[Report]) -> str:
    rows = [
        (
            report.bench + (" (quick)" if report.quick else ""),
            report.date[:10],
            f"{report.machine.cpu}, {report.machine.cores} cores, {report.machine.memory_gib} GiB",
            ", ".join(f"{name} {version}" for name, version in report.versions.items()),
            f"{report.others_cpu} cores",
        )
        for report in reports
    ]
    return table(("run", "date", "machine", "versions", "used by others meanwhile"), rows)


def _ingest(figures: dict[str, Figure]) -> list[str]:
    names = sorted(
        {match[1] for name in figures if (match := re.match(r"(ingest\.\w+\.\d+)\.", name))},
        key=lambda name: (name.split(".")[1] != "http", -int(name.split(".")[2])),
    )
    if not names:
        return ["Not measured yet."]
    columns = {
        "spans/s": "spans_per_s",
        "until in the engine": "sustained_spans_per_s",
        "CPU-s/M": "cpu_s_per_million",
        "ack p50 ms": "ack_p50_ms",
        "ack p99 ms": "ack_p99_ms",
        "most memory MiB": "rss_max_mib",
        "CPU-s/M of the load": "client_cpu_s_per_million",
    }
    overview = table(
        ("door, spans a request", *columns),
        [
            (_door(name), *(show(figures, f"{name}.{column}") for column in columns.values()))
            for name in names
        ],
    )
    stages = sorted(
        {
            figure.rpartition(".")[2]
            for figure in figures
            if re.match(r"ingest\.\w+\.\d+\.cpu_s_per_million\.", figure)
        }
    )
    split = table(
        ("CPU-s per million spans", *(stage.replace("_", " ") for stage in stages)),
        [
            (_door(name), *(show(figures, f"{name}.cpu_s_per_million.{s}") for s in stages))
            for name in names
        ],
    )
    return [overview, "By the threads that spent it, background merges included:", split]


def _door(name: str) -> str:
    _, door, spans = name.split(".")
    return f"{'OTLP/HTTP' if door == 'http' else 'OTLP/gRPC'}, {spans}"


def _engine(figures: dict[str, Figure]) -> list[str]:
    lines = {
        "insert and background merges, CPU-s/M": "cpu_s_per_million",
        "insert, spans/s": "insert_spans_per_s",
        "merging all into one part, CPU-s/M": "optimize_cpu_s_per_million",
        "bytes per span, background merges done": "settled.bytes_per_span",
        "of it columns": "settled.bytes_per_span.columns",
        "of it indexes": "settled.bytes_per_span.indexes",
        "bytes per span, merged into one part": "merged.bytes_per_span",
        "of that columns": "merged.bytes_per_span.columns",
        "of that indexes": "merged.bytes_per_span.indexes",
    }
    if "engine.clew.cpu_s_per_million" not in figures:
        return ["Not measured yet."]
    rows = [
        (what, *(show(figures, f"engine.{layout}.{name}") for layout in ("clew", "exporter")))
        for what, name in lines.items()
    ]
    return [
        table(("same rows, same engine, batches of 50,000", "ours", "exporter's"), rows),
        f"CPU of ours to the exporter's: {show(figures, 'engine.cpu_of_exporter')}.",
    ]


def _queries(figures: dict[str, Figure]) -> list[str]:
    parts = []
    for size in _SIZES:
        name = f"queries.{size}"
        if f"{name}.clew.trace_by_id.warm_ms" not in figures:
            continue
        rows = [
            (
                _QUESTIONS[question],
                show(figures, f"{name}.clew.{question}.warm_ms"),
                show(figures, f"{name}.clew.{question}.cold_ms"),
                show(figures, f"{name}.rest.{question}.wall_ms"),
                show(figures, f"{name}.rest.{question}.server_ms"),
                *(
                    show(figures, f"{name}.exporter.{question}.{column}")
                    if question in PEERS
                    else "-"
                    for column in ("warm_ms", "cold_ms")
                ),
                show(figures, f"{name}.of_exporter.{question}"),
            )
            for question in OURS
        ]
        head = (
            f"{size.upper()} spans; ms",
            "warm",
            "cold",
            "over REST",
            "of it said by the server",
            "exporter's tables, warm",
            "cold",
            "ours to the exporter's",
        )
        parts += [f"### {size.upper()} spans", table(head, rows)]
    return parts or ["Not measured yet."]


def _mixed(figures: dict[str, Figure]) -> list[str]:
    if "mixed.load.spans_per_s" not in figures:
        return ["Not measured yet."]
    rows = [
        (
            _QUESTIONS[question],
            *(
                brief(figures, f"mixed.{state}.{question}.{column}")
                for state in ("quiet", "loaded")
                for column in ("p50_ms", "p99_ms")
            ),
            show(figures, f"mixed.p99_of_quiet_p50.{question}"),
        )
        for question in SEARCHES
    ]
    head = (
        "over REST; ms",
        "quiet p50",
        "quiet p99",
        "loaded p50",
        "loaded p99",
        "loaded p99 to quiet p50",
    )
    load = (
        f"The load: {show(figures, 'mixed.load.spans_per_s')} spans/s, "
        f"ack p50 {show(figures, 'mixed.load.ack_p50_ms')} ms, "
        f"p99 {show(figures, 'mixed.load.ack_p99_ms')} ms, "
        f"{show(figures, 'mixed.load.cpu_s_per_million')} CPU-s per million with the queries."
    )
    return [load, table(head, rows)]


_TREE: Final = {
    "idle.kib_per_app": "memory of an idle app, KiB",
    "idle.join_cpu_ms": "CPU of joining, ms",
    "idle.joined_per_s": "apps that joined a second",
    "idle.idle_cores": "CPU of all of them idle, cores",
    **{
        f"messages.{rate}.{figure}": f"{rate:,} messages/s offered: {what}"
        for rate in (500, 8_000, 12_000)
        for figure, what in (
            ("per_s", "acknowledged a second"),
            ("ack_p50_ms", "ack p50, ms"),
            ("ack_p99_ms", "ack p99, ms"),
            ("cpu_us", "CPU of each, µs"),
            ("load_cpu_us", "CPU of the load for each, µs"),
        )
    },
    "cancel.last_notified_s": "cancel of all: the last hears of it, s",
    "cancel.answered_s": "cancel of all: every outcome is told, s",
    "cancel.cpu_us": "cancel of all: CPU for each app, µs",
    "storm.messages": "storm: messages, all kept once",
    "storm.returns": "storm: returns of apps",
    "storm.last_back_s": "storm: the last is back, start of the server included, s",
}


def _tree(figures: dict[str, Figure]) -> list[str]:
    rows = [
        (what, *(show(figures, f"tree.{registry}.{name}") for registry in ("sqlite", "postgres")))
        for name, what in _TREE.items()
        if f"tree.sqlite.{name}" in figures
    ]
    if not rows:
        return ["Not measured yet."]
    told = (
        "9,000 idle apps with a socket each; 9,900 below one root on a hundred sockets are "
        "cancelled; 2,000 go through three `kill -9` of the server. CPU is of the server, its "
        "journal into telemetry included; the load runs on the same cores."
    )
    return [told, table(("", "SQLite", "PostgreSQL"), rows)]


_WAYS: Final = {
    "validated": "a change of three fields, validated",
    "unvalidated": "the same with validation off",
    "otel_same_record": "a plain record with the same twelve attributes",
    "otel_record": "a plain record with five: id, type, three fields",
}


def _emit(figures: dict[str, Figure]) -> list[str]:
    if "emit.validated.cpu_us" not in figures:
        return ["Not measured yet."]
    columns = ("call_us", "cpu_us")
    rows = [
        (what, *(show(figures, f"emit.{way}.{column}") for column in columns))
        for way, what in _WAYS.items()
    ]
    told = (
        f"A validated change takes {show(figures, 'emit.validated.of_otel_same_record')} times "
        "the CPU of the plain record that says the same, and "
        f"{show(figures, 'emit.validated.of_otel_record')} times that of the one that says less."
    )
    return [table(("CPU of each, µs", "in the call", "until it is sent"), rows), told]


_LINEAGE: Final = {
    "next_id.native_ns": "a trace id",
    "next_id.python_ns": "a trace id without the native extension",
    "emit.ring_ns": "a link set of two parents, within the process",
    "emit.datagrams_ns": "the same, to be sent as a datagram",
    "emit.tidied_ns": "a set of four, of which one is 0 and one comes twice",
}


_STAGES: Final = {
    "bare_ns": "a call of a function that adds two numbers",
    "plain_off_ns": "the same as a stage, tracing off",
    "off_ns": "the same with inputs of other stages, tracing off",
    "on_ns": "the same, tracing on: an id, and a set of two parents within the process",
}

_GRAPH: Final = {
    "ancestry_ms": "twenty steps up, 651 nodes",
    "ancestry_cpu_ms": "of it CPU of the server, on average",
    "descent_ms": "twenty steps down",
    "near_ms": "the inputs of one output",
    "engine_ms": "twenty steps up within a time range, which the engine is asked for",
    "engine_cpu_ms": "of it CPU of the server, on average",
}

_TWIN: Final = {
    "state.first_ms": "state of an object of 10,000 events, in the engine, ms",
    "state.first_cpu_ms": "of it CPU, ms",
    "state.again_ms": "the same for who asks again, ms",
    "replay.engine.events_per_cpu_s": "replay of a million events by the engine, events per CPU-s",
    "replay.definition.events_per_cpu_s": "replay by the definition, events per CPU-s",
    "state.of_replayed_ms": "any moment of those million, after one replay, ms",
    "rest.first_ms": "the first question about an object of 10,000 events, over REST, ms",
    "rest.scrub_s": "200 moments of it, a question each, s",
    "rest.scrub_cpu_ms": "of it CPU for each, ms",
    "rest.scrub_batch_s": "200 moments of it in one question, s",
    "rest.list_page_ms": "the newest 100 of 100,000 objects with their states, ms",
    "rest.list_all_s": "all of them with their states, ten pages, s",
    "rest.list_cpu_us": "of it CPU for each object, µs",
    "ingest.cpu_us": "CPU of taking in an event, as a log record and as an event, µs",
}


def _listed(
    figures: dict[str, Figure], bench: str, lines: Mapping[str, str], told: str
) -> list[str]:
    """Return the figures of a bench below each other; its first one is there if any is."""
    if f"{bench}.{next(iter(lines))}" not in figures:
        return ["Not measured yet."]
    rows = [(what, show(figures, f"{bench}.{name}")) for name, what in lines.items()]
    return [told, table(("", "median and range"), rows)]


def _twin(figures: dict[str, Figure]) -> list[str]:
    told = (
        "Events that set three fields each. CPU over REST is of the server, which shares the cores "
        "with who asks."
    )
    return _listed(figures, "twin", _TWIN, told)


_PAGE: Final = {
    "first_load_kib": "the first load, packed, KiB",
    "whole_kib": "all of it, packed, KiB",
    "interactive.first_ms": "until a list of traces can be used, nothing kept before, ms",
    "interactive.again_ms": "the same, opened again, ms",
    "interactive.cpu_ms": "work of the main thread until then, ms",
    "trace_50000.shown_ms": "until a trace of 50 000 spans is shown, ms",
    "trace_50000.frame_ms": "a frame while it is scrolled, ms",
    "trace_50000.frame_p95_ms": "95 of 100 such frames are within, ms",
    "trace_50000.frame_cpu_ms": "work of the main thread for one of them, ms",
    "live_1000000.frame_ms": "a frame while a live list of a million rows is scrolled, ms",
    "live_1000000.frame_p95_ms": "95 of 100 such frames are within, ms",
    "live_1000000.frame_cpu_ms": "work of the main thread for one of them, ms",
    "live_1000000.heap_mib": "memory of its million records, MiB",
    "tree_10000.shown_ms": "until a tree of ten thousand apps is shown, ms",
    "tree_10000.frame_ms": "a frame while it is scrolled, ms",
    "tree_10000.frame_p95_ms": "95 of 100 such frames are within, ms",
    "tree_10000.frame_cpu_ms": "work of the main thread for one of them, ms",
}


def _page(figures: dict[str, Figure]) -> list[str]:
    told = (
        "Chromium without a graphics card, 1440 by 900, on the cores that the server has too. A "
        "frame of 60 in a second is 16.7 ms, and the browser makes no more of them."
    )
    return _listed(figures, "page", _PAGE, told)


_TEAM: Final = {
    "enqueue.cpu_us": "to write and queue one, µs of CPU",
    "drain.cpu_s_per_1000": "to send 1,000 of 10,000 that wait, CPU-s",
    "posts.cpu_s_per_1000": "1,000 plain requests of the same records, nothing kept, CPU-s",
    "drain.of_posts": "ratio of the two",
    "drain.per_s": "sent a second",
    "pull.cpu_s_per_1000": "to pull 1,000 of 100,000 changes, CPU-s",
    "pull.per_s": "pulled a second",
    "idle_round.cpu_ms": "a round in which nothing happened, ms of CPU",
}


def _lineage(figures: dict[str, Figure]) -> list[str]:
    if "lineage.emit.ring_ns" not in figures:
        return ["Not measured yet."]
    rows = [(what, show(figures, f"lineage.{name}")) for name, what in _LINEAGE.items()]
    rows += [(what, show(figures, f"stages.{name}")) for name, what in _STAGES.items()]
    tables = [table(("CPU of the thread that calls, ns", ""), rows)]
    if "graph.ancestry_ms" in figures:
        asked = [(what, show(figures, f"graph.{name}")) for name, what in _GRAPH.items()]
        told = (
            "A graph of a million edges, 25 stages of outputs that are made of four each, with the "
            "items and spans of each node, as the document that REST answers."
        )
        tables += [told, table(("ms", "median and range"), asked)]
    return tables


def _team(figures: dict[str, Figure]) -> list[str]:
    told = (
        "A saved query each, in batches of 50. CPU is of the process that syncs, its ledger in a "
        "file included; the server is the fake, in another process on the same cores, so times of "
        "the clock are mostly its own."
    )
    return _listed(figures, "team", _TEAM, told)


def _decoders(figures: dict[str, Figure]) -> list[str]:
    ways = ("native", "native_request_by_request", "reference", "upb_parse_only")
    rows = [
        (
            signal,
            way.replace("_", " "),
            show(figures, f"decode.{signal}.{way}.records_per_cpu_s"),
            show(figures, f"decode.{signal}.{way}.of_upb_parse"),
        )
        for signal in ("traces", "logs", "metrics")
        for way in ways
        if f"decode.{signal}.{way}.records_per_cpu_s" in figures
    ]
    if not rows:
        return ["Not measured yet."]
    return [table(("signal", "way", "records per CPU-s", "to upb's parse alone"), rows)]


def _remarks(reports: Iterable[Report]) -> list[str]:
    lines = [f"- {report.bench}: {note}" for report in reports for note in report.notes]
    return ["\n".join(lines)] if lines else ["None."]


def main() -> None:
    """Write the page."""
    print(f"wrote {write_page()}")


if __name__ == "__main__":
    main()
