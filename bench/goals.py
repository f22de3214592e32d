"""The figures to reach, and which measured figure answers each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bench.figures import Figure


@dataclass(frozen=True, slots=True)
class Goal:
    """One line of the table of goals.

    `figures` are names of measured figures, best first: the first one that was measured counts, and
    a later one is shown as standing in for it. `at_most` tells which side of `bound` is good.
    """

    what: str
    bound: float
    unit: str
    figures: tuple[str, ...]
    elsewhere: str
    at_most: bool = True

    def find(self, figures: dict[str, Figure]) -> tuple[str, Figure] | None:
        """Return the figure that answers this goal, with its name."""
        return next(((name, figures[name]) for name in self.figures if name in figures), None)

    def is_reached(self, value: float) -> bool:
        """Whether a value is on the good side of the bound."""
        return value <= self.bound if self.at_most else value >= self.bound

    def judge(self, value: float) -> str:
        """Return "reached", or by how much it falls short, where that is a share of anything."""
        if self.is_reached(value):
            return "reached"
        if not self.bound:
            return "too much"
        if self.at_most:
            return f"{100 * (value / self.bound - 1):.0f} % too much"
        return f"{100 * (1 - value / self.bound):.0f} % too little"


def _query(what: str, question: str, bound: float, elsewhere: str) -> Goal:
    names = tuple(f"queries.{size}.clew.{question}.warm_ms" for size in ("10m", "1m", "100k"))
    return Goal(f"{what} at 10 M spans, warm p50", bound, "ms", names, elsewhere)


def _loaded(what: str, question: str) -> Goal:
    name = f"mixed.p99_of_quiet_p50.{question}"
    return Goal(f"{what} while 50k spans/s come in, p99 to quiet p50", 4.0, "x", (name,), "")


GOALS: Final = (
    Goal(
        "durable ingest over OTLP/HTTP, background merges and the attribute index included",
        10.0,
        "CPU-s per million spans",
        ("ingest.http.500.cpu_s_per_million",),
        "Jaeger v2 + ClickHouse about 154 (6.5k spans/s a vCPU); Phoenix about 3,100",
    ),
    Goal(
        "the same, until the engine has them all",
        150_000.0,
        "spans/s",
        ("ingest.http.500.sustained_spans_per_s",),
        "Jaeger v2 + ClickHouse 52,129 on 8 vCPU",
        at_most=False,
    ),
    Goal(
        "decode of spans, OTLP to Arrow",
        1_500_000.0,
        "spans per CPU-s",
        ("decode.traces.native.records_per_cpu_s",),
        "",
        at_most=False,
    ),
    Goal(
        "size on disk, all indexes included",
        65.0,
        "bytes per span",
        tuple(f"queries.{size}.clew.settled.bytes_per_span" for size in ("10m", "1m", "100k")),
        "Jaeger v2 + ClickHouse 75.7 without its indexes",
    ),
    _query("trace by id", "trace_by_id", 10.0, "Jaeger v2 + ClickHouse 101"),
    _query("search by service", "service", 5.0, "Jaeger v2 + ClickHouse 37"),
    _query("search by any attribute", "attribute", 15.0, "Jaeger v2 + ClickHouse 1,769"),
    _query("search by all filters", "all_filters", 15.0, "Jaeger v2 + ClickHouse 139"),
    _query("summary of everything", "summary", 500.0, ""),
    _query("anomalies of everything", "anomalies", 500.0, ""),
    _loaded("trace by id", "trace_by_id"),
    _loaded("search by service", "service"),
    _loaded("search by any attribute", "attribute"),
    _loaded("search by all filters", "all_filters"),
    Goal(
        "memory of an idle app, 9,000 of them", 20.0, "KiB", ("tree.sqlite.idle.kib_per_app",), ""
    ),
    Goal(
        "durable messages of the tree, 8,000/s offered",
        8_000.0,
        "messages/s",
        ("tree.sqlite.messages.8000.per_s",),
        "",
        at_most=False,
    ),
    Goal("their acknowledgement, p50", 5.0, "ms", ("tree.sqlite.messages.8000.ack_p50_ms",), ""),
    Goal(
        "the last of 9,900 apps hears of a cancel",
        1.0,
        "s",
        ("tree.sqlite.cancel.last_notified_s",),
        "",
    ),
    Goal(
        "state of an object of 10,000 events at a moment, nothing of it in memory",
        30.0,
        "ms of CPU",
        ("twin.state.first_cpu_ms",),
        "",
    ),
    Goal(
        "replay of the events of an object",
        1_000_000.0,
        "events per CPU-s",
        ("twin.replay.engine.events_per_cpu_s",),
        "",
        at_most=False,
    ),
    Goal(
        "200 moments of an object, a question each over REST", 2.0, "s", ("twin.rest.scrub_s",), ""
    ),
    Goal(
        "a validated event, CPU until it is sent, to a plain OpenTelemetry record",
        2.0,
        "x",
        ("emit.validated.of_otel_record",),
        "",
    ),
    Goal(
        "next trace id",
        150.0,
        "ns",
        ("lineage.next_id.native_ns", "lineage.next_id.python_ns"),
        "",
    ),
    Goal("a link set of two parents, emitted", 1_000.0, "ns", ("lineage.emit.datagrams_ns",), ""),
    Goal(
        "memory that a million of them leave behind",
        0.0,
        "KiB",
        ("lineage.grown.resident_kib",),
        "",
    ),
    Goal(
        "which inputs made an output, twenty steps up in a million edges",
        100.0,
        "ms",
        ("graph.ancestry_ms",),
        "",
    ),
    Goal("first load of the page, packed", 80.0, "KiB", ("page.first_load_kib",), ""),
    Goal(
        "a frame while a trace of 50 000 spans is scrolled, 95 of 100",
        17.0,
        "ms",
        ("page.trace_50000.frame_p95_ms",),
        "",
    ),
    Goal(
        "a frame while a tree of ten thousand apps is scrolled, 95 of 100",
        17.0,
        "ms",
        ("page.tree_10000.frame_p95_ms",),
        "",
    ),
    Goal("start to ready", 1.5, "s", ("start.ready_s",), "Phoenix 10 to 28"),
    Goal("resident memory when idle", 350.0, "MiB", ("start.idle_rss_mib",), "Phoenix 454"),
)
