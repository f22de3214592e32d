"""Our own counters as Prometheus text (exposition format 0.0.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.surfaces.health.families import OWN_KINDS, Family, Sample, vital_families
from clew.surfaces.rest.registry_metrics import registry_families
from clew.tree.keeper.upkeep import REMOVED
from clew.tree.machine.app import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from clew.surfaces.rest.desk import Desk
    from clew.surfaces.ws.door import TrailsDoor
    from clew.tree.journal.journal import Journal
    from clew.tree.keeper.keeper import TreeKeeper
    from clew.tree.keeper.upkeep import Upkeep
    from clew.tree.machine.options import TreeOptions

TEXT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def write_metrics(desk: Desk, apps: Mapping[Status, int]) -> str:
    """Return every counter and gauge of the server as text, as `collect_families` gives them."""
    return "".join(_write_family(*family) for family in collect_families(desk, apps))


def collect_families(desk: Desk, apps: Mapping[Status, int]) -> list[Family]:
    """Return every counter and gauge of the server, families sorted as declared.

    `apps` are how many apps of the tree have each status.
    """
    status = desk.pipeline.status()
    # What we tell of ourselves is in no count of what was sent to us.
    kinds = [(name, kind) for name, kind in status.kinds.items() if name not in OWN_KINDS]
    routes = sorted(desk.routes.items())
    families: list[Family] = [
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
            "clew_twin_events_total",
            "counter",
            "Fingerprints taken in, by what validation says of them; rejected ones never count.",
            [
                ({"verdict": verdict}, count)
                for verdict, count in desk.registries.count_judged().items()
            ],
        ),
        *_links(desk),
        (
            "clew_ingest_malformed_requests_total",
            "counter",
            "Requests that were none.",
            [
                *(
                    ({"signal": s.value}, c.malformed + status.kinds[s.value].malformed)
                    for s, c in desk.intake.counters.items()
                ),
                (
                    {"signal": "links"},
                    sum(door.malformed for door in desk.links.counters().values()),
                ),
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
        *registry_families(desk.registry_status()),
        ("clew_live_clients", "gauge", "Live feeds open.", [({}, desk.live.clients)]),
        (
            "clew_live_dropped_records_total",
            "counter",
            "Records that live feeds left out because a client lagged.",
            [({}, desk.live.dropped)],
        ),
        (
            "clew_session_looks_dropped_total",
            "counter",
            "Looks of work sessions that found no room while the registry took no writes.",
            [({}, desk.sessions.looks_dropped)],
        ),
        (
            "clew_access_denials_total",
            "counter",
            "Requests that were refused to their callers.",
            [({}, desk.identity.access.audit.denials)],
        ),
        (
            "clew_access_denials_unwritten_total",
            "counter",
            "Denials that came too fast to be written to the audit log one by one.",
            [({}, desk.identity.access.audit.unwritten)],
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
    families += _tree_families(desk.keeper, apps)
    families += _upkeep_families(desk.upkeep, desk.journal)
    door = desk.trails()
    if door is not None:
        families += _door_families(door)
    return [*families, *vital_families(desk)]


def _links(desk: Desk) -> list[Family]:
    """Return what became of link sets and descriptors, by door."""
    doors = sorted(desk.links.counters().items())
    accepted: list[Sample] = [({"door": name}, door.accepted) for name, door in doors]
    return [
        ("clew_links_accepted_total", "counter", "Link sets and descriptors kept.", accepted),
        (
            "clew_links_refused_total",
            "counter",
            "Messages that were in disorder or none of ours.",
            [
                ({"door": name, "reason": reason}, count)
                for name, door in doors
                for reason, count in sorted(door.refused.items())
            ],
        ),
        (
            "clew_links_dropped_total",
            "counter",
            "Messages that nothing was wrong with and that are not kept.",
            [
                ({"door": name, "reason": reason}, count)
                for name, door in doors
                for reason, count in sorted(door.dropped.items())
            ],
        ),
        (
            "clew_node_leases_refused_total",
            "counter",
            "Wishes for a node id of trace ids that were refused.",
            [({"reason": code}, count) for code, count in desk.nodes.count_refused().items()],
        ),
    ]


def _tree_families(keeper: TreeKeeper, apps: Mapping[Status, int]) -> list[Family]:
    counters = keeper.counters
    by_status: list[Sample] = [({"status": each.value}, apps.get(each, 0)) for each in Status]
    return [
        ("clew_tree_ready", "gauge", "1 when the tree decides.", [({}, keeper.is_well)]),
        ("clew_tree_apps", "gauge", "Apps kept, by status.", by_status if apps else []),
        ("clew_tree_links", "gauge", "Sockets of apps.", [({}, keeper.links)]),
        ("clew_tree_feeds", "gauge", "Feeds of what happens.", [({}, keeper.hub.feeds)]),
        ("clew_tree_events_waiting", "gauge", "Events in the queue.", [({}, keeper.waiting)]),
        ("clew_tree_callers_waiting", "gauge", "Who waits for answers.", [({}, keeper.callers)]),
        ("clew_tree_events_total", "counter", "Events decided.", [({}, counters.events)]),
        ("clew_tree_commits_total", "counter", "Batches kept.", [({}, counters.commits)]),
        ("clew_tree_changes_total", "counter", "Changes kept.", [({}, counters.changes)]),
        (
            "clew_tree_failures_total",
            "counter",
            "Batches that could not be kept.",
            [({}, counters.failures)],
        ),
        ("clew_tree_outbox_entry", "counter", "Newest outbox entry.", [({}, keeper.hub.newest)]),
        ("clew_tree_window_seconds", "gauge", "How long it waits.", _windows(keeper.options)),
    ]


def _upkeep_families(upkeep: Upkeep, journal: Journal) -> list[Family]:
    removed: list[Sample] = [({"what": each}, upkeep.removed[each]) for each in REMOVED]
    lost = max(upkeep.lost, journal.lost)
    return [
        ("clew_tree_removed_total", "counter", "Old rows removed, by what they were.", removed),
        ("clew_tree_journal_entry", "counter", "Last entry told.", [({}, journal.position)]),
        ("clew_tree_journal_behind", "gauge", "Entries to be told.", [({}, journal.behind)]),
        (
            "clew_tree_journal_lost_total",
            "counter",
            "Entries removed from the outbox before telemetry had taken them.",
            [({}, lost)],
        ),
    ]


def _windows(options: TreeOptions) -> list[Sample]:
    """Return what the tree was told to wait for: those who look at it from outside must know."""
    seconds = {
        "resume": options.resume_window_ms / 1000,
        "recovery": options.recovery_window_ms / 1000,
        "restart": options.restart_window_ms / 1000,
        "start_deadline": options.start_deadline_s,
    }
    return [({"window": name}, value) for name, value in seconds.items()]


def _door_families(door: TrailsDoor) -> list[Family]:
    counters = door.counters
    return [
        ("clew_trails_sockets", "gauge", "Connections of apps.", [({}, door.sockets)]),
        ("clew_trails_opened_total", "counter", "Connections.", [({}, counters.opened)]),
        (
            "clew_trails_frames_total",
            "counter",
            "Frames of apps, by direction.",
            [
                ({"direction": "in"}, counters.frames_in),
                ({"direction": "out"}, counters.frames_out),
            ],
        ),
        (
            "clew_trails_answers_total",
            "counter",
            "Answers in place of a socket, by HTTP status; 0 for connections that were cut.",
            [({"status": str(each)}, count) for each, count in sorted(counters.refused.items())],
        ),
        (
            "clew_trails_closed_total",
            "counter",
            "Sockets that we closed, by code.",
            [({"code": str(each)}, count) for each, count in sorted(counters.closes.items())],
        ),
    ]


def _write_family(name: str, kind: str, help_text: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {help_text}\n# TYPE {name} {kind}\n"]
    for labels, value in samples:
        inside = ",".join(f'{key}="{_escape(text)}"' for key, text in labels.items())
        shown = f"{{{inside}}}" if inside else ""
        lines.append(f"{name}{shown} {float(value):.17g}\n")
    return "".join(lines)


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
