"""`clew watch`: one short sample after the other, until a condition holds.

Samples are taken at fixed moments, counted from the first, so that an answer that takes long does
not shift those after it; moments that passed meanwhile are left out.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

from cyclopts import Group, Parameter

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_S, parse_duration_ns
from clew.surfaces.cli import output
from clew.surfaces.cli.conditions import Condition, Sample, parse_condition
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import ANSWER, PAGE, Format, ServerFlags, Service, read_whole_number
from clew.surfaces.cli.views.watch import sample_line
from clew.telemetry.analytics.parameters import SummaryQuery
from clew.telemetry.analytics.remote import AnalyticsClient

if TYPE_CHECKING:
    from clew.telemetry.analytics.documents import Summary

WATCHED: Final = Group("Watch", sort_key=1)

WINDOW_DEFAULT: Final = "1m"
INTERVAL_NS_DEFAULT: Final = 10 * NS_PER_S

INTERVAL_NS_MIN: Final = NS_PER_S // 10
"""Ten samples a second: more is a load on the server, and nobody reads it."""


@Parameter(name="*", group=WATCHED)
@dataclass(frozen=True, kw_only=True)
class WatchFlags:
    """What to watch, how often, and when to end."""

    service: Service = None
    """Exact name of the service."""

    last: Annotated[str | None, Parameter(group=PAGE)] = None
    """How far each sample looks back: 30s, 5m, or bare seconds. [default: 1m]"""

    interval: str | None = None
    """From one sample to the next: 500ms, 30s, or bare seconds. [default: 10s]"""

    exit_on: Annotated[
        list[str] | None, Parameter(name="--exit-on", negative=(), consume_multiple=False)
    ] = None
    """Repeatable: end with code 6 once FIELD OP VALUE holds; 2x means twice the first sample."""

    max_ticks: Annotated[int | None, Parameter(converter=read_whole_number)] = None
    """End after so many samples. [default: never]"""


@Parameter(name="*", group=ANSWER)
@dataclass(frozen=True, kw_only=True)
class WatchAnswerFlags(ServerFlags):
    """The server, and how samples are written."""

    format: Format | None = None
    """How a sample is written. [default: a table's line on a terminal, json when piped]"""


def watch(*, flags: WatchFlags | None = None, answer: WatchAnswerFlags | None = None) -> ExitCode:
    """Show how a service or all of them are doing, over and over."""
    flags = flags or WatchFlags()
    answer = answer or WatchAnswerFlags()
    interval_s = _read_interval(flags.interval) / NS_PER_S
    conditions = [parse_condition(each, FIELDS) for each in flags.exit_on or []]
    if flags.max_ticks is not None and flags.max_ticks < 1:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, "--max-ticks is below 1", hint="ask for one sample or more"
        )
    client = AnalyticsClient(answer.open())
    query = SummaryQuery(last=flags.last or WINDOW_DEFAULT, service=flags.service, limit=1)
    writer = _Writer(answer.format, conditions)
    pause = threading.Event().wait
    begun = time.monotonic()
    try:
        while True:
            if writer.take(client.summarize(query).document()):
                return ExitCode.CONDITION_MET
            if writer.ticks == flags.max_ticks:
                return ExitCode.OK
            spent = time.monotonic() - begun
            pause((spent // interval_s + 1) * interval_s - spent)
    except KeyboardInterrupt:
        # Ending what has no end is how it is meant to be used.
        return ExitCode.OK


def sample_of(summary: Summary) -> dict[str, float | None]:
    """Return the fields that can be watched; a duration of no spans has no value."""
    spans, logs, genai = summary.traces, summary.logs, summary.genai
    sample: dict[str, float | None] = {
        "spans": spans.span_count,
        "traces": spans.trace_count,
        "errors": spans.error_count,
        "error_rate": spans.error_rate if spans.span_count else None,
        "rate_per_second": spans.rate_per_second,
        "logs": logs.total,
        "error_logs": logs.error,
        "warn_logs": logs.warn,
        "metric_points": summary.metrics.point_count,
        "genai_calls": genai.call_count,
        "genai_errors": genai.error_count,
        "input_tokens": genai.input_tokens,
        "output_tokens": genai.output_tokens,
        "cost_usd": genai.cost_usd,
    }
    for name in ("avg_ms", "p50_ms", "p95_ms", "p99_ms", "max_ms"):
        sample[name] = getattr(spans, name) if spans.span_count else None
    return sample


FIELDS: Final = (
    "spans",
    "traces",
    "errors",
    "error_rate",
    "rate_per_second",
    "avg_ms",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "max_ms",
    "logs",
    "error_logs",
    "warn_logs",
    "metric_points",
    "genai_calls",
    "genai_errors",
    "input_tokens",
    "output_tokens",
    "cost_usd",
)
"""What `sample_of` gives, in the order in which it is written."""


class _Writer:
    """Writes samples and what changed since the one before, and judges them."""

    def __init__(self, wished: Format | None, conditions: list[Condition]) -> None:
        self._screen = output.find_screen()
        self._is_table = output.choose_format(wished, self._screen) == "table"
        self._conditions = conditions
        self._first: Sample | None = None
        self._previous: Sample = {}
        self.ticks = 0

    def take(self, summary: Summary) -> bool:
        """Write one sample; return whether a condition holds."""
        self.ticks += 1
        sample = sample_of(summary)
        met = [each.text for each in self._conditions if each.holds(sample, self._first)]
        told: dict[str, Any] = {"at": summary.window.end_time, "tick": self.ticks}
        if summary.service_filter is not None:
            told["service"] = summary.service_filter
        told["window_seconds"] = summary.window_seconds
        told |= {name: sample[name] for name in FIELDS}
        told["delta"] = _changes(self._previous, sample)
        if met:
            told["met"] = met
        if self._is_table:
            self._screen.write_lines([sample_line(told, self._screen.width)])
        else:
            output.write(output.json_line(told, self._screen))
        self._previous = sample
        self._first = self._first or sample
        return bool(met)


def _changes(before: Sample, now: Sample) -> dict[str, float]:
    """Return by how much each field changed; those that did not, or had no value, are left out."""
    changes = {}
    for name in FIELDS:
        old, new = before.get(name), now[name]
        if old is not None and new is not None and new != old:
            changes[name] = new - old
    return changes


def _read_interval(text: str | None) -> int:
    if text is None:
        return INTERVAL_NS_DEFAULT
    interval = parse_duration_ns(text, bare=NS_PER_S)
    if interval < INTERVAL_NS_MIN:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"--interval {text} is too short",
            hint="leave 100ms or more from one sample to the next",
        )
    return interval
