"""Our own counters as Prometheus text (exposition format 0.0.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clew.surfaces.rest.desk import Desk

TEXT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Sample = tuple[dict[str, str], float]


def write_metrics(desk: Desk) -> str:
    """Return every counter and gauge of the server, families sorted as declared."""
    status = desk.pipeline.status()
    kinds = list(status.kinds.items())
    routes = sorted(desk.routes.items())
    families: list[tuple[str, str, str, list[Sample]]] = [
        (
            "clew_ingest_rows_total",
            "counter",
            "Rows acknowledged.",
            [({"signal": name}, kind.rows) for name, kind in kinds],
        ),
        (
            "clew_ingest_requests_total",
            "counter",
            "Requests acknowledged.",
            [({"signal": s.value}, c.requests) for s, c in desk.intake.counters.items()],
        ),
        (
            "clew_ingest_rejected_rows_total",
            "counter",
            "Rows refused alone, by reason.",
            [
                ({"signal": name, "reason": reason}, count)
                for name, kind in kinds
                for reason, count in sorted(kind.rejected.items())
            ],
        ),
        (
            "clew_ingest_malformed_requests_total",
            "counter",
            "Requests that were none.",
            [
                ({"signal": s.value}, c.malformed + status.kinds[s.value].malformed)
                for s, c in desk.intake.counters.items()
            ],
        ),
        (
            "clew_ingest_shed_requests_total",
            "counter",
            "Requests that were to be sent again.",
            [
                (
                    {"signal": s.value},
                    c.shed + status.kinds[s.value].shed + status.kinds[s.value].failed,
                )
                for s, c in desk.intake.counters.items()
            ],
        ),
        (
            "clew_ingest_held_bytes",
            "gauge",
            "Request bodies in memory.",
            [({}, desk.intake.budget.bytes_held)],
        ),
        (
            "clew_door_answers_total",
            "counter",
            "Answers of the OTLP doors, by status.",
            [
                ({"door": door, "status": str(code)}, count)
                for door, answers in sorted(desk.door_answers().items())
                for code, count in sorted(answers.items())
            ],
        ),
        ("clew_log_bytes", "gauge", "Size of the write-ahead log.", [({}, status.log_bytes)]),
        ("clew_hot_rows", "gauge", "Rows not yet in the engine.", [({}, status.hot_rows)]),
        ("clew_acked_frame", "counter", "Newest acknowledged frame.", [({}, status.acked)]),
        ("clew_flushed_frame", "counter", "Newest frame in the engine.", [({}, status.flushed)]),
        ("clew_damaged_frames", "gauge", "Frames found damaged.", [({}, status.damaged_frames)]),
        ("clew_refused_frames", "gauge", "Frames set aside.", [({}, status.refused_frames)]),
        ("clew_writable", "gauge", "1 when the log takes records.", [({}, status.writable)]),
        ("clew_live_clients", "gauge", "Live feeds open.", [({}, desk.live.clients)]),
        (
            "clew_live_dropped_records_total",
            "counter",
            "Records that live feeds left out because a client lagged.",
            [({}, desk.live.dropped)],
        ),
        (
            "clew_queries_waiting",
            "gauge",
            "Questions in line for a thread.",
            [({}, desk.threads.waiting)],
        ),
        (
            "clew_http_answers_total",
            "counter",
            "Answers of the HTTP door, by route and status.",
            [
                ({"route": path, "status": str(code)}, count)
                for path, counters in routes
                for code, count in sorted(counters.answers.items())
            ],
        ),
        (
            "clew_http_seconds_total",
            "counter",
            "Time until answers began, by route.",
            [({"route": path}, counters.seconds) for path, counters in routes],
        ),
    ]
    return "".join(_write_family(*family) for family in families)


def _write_family(name: str, kind: str, help_text: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {help_text}\n# TYPE {name} {kind}\n"]
    for labels, value in samples:
        inside = ",".join(f'{key}="{_escape(text)}"' for key, text in labels.items())
        shown = f"{{{inside}}}" if inside else ""
        lines.append(f"{name}{shown} {float(value):.17g}\n")
    return "".join(lines)


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
