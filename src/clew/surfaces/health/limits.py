"""How near the server is to each of its limits, and what to do there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.answers.health_documents import Limit
from clew.surfaces.health.machine import disk_of, memory_bytes_max, open_files_max, read_usage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

    from clew.answers.health_documents import LimitState
    from clew.store.status import PipelineStatus
    from clew.surfaces.rest.desk import Desk

NEAR: Final = 0.8
"""From this share on a limit is near: what grows steadily gives an hour's notice at least."""


NO_WALLS: Final = frozenset({"query_threads"})
"""What may be full and all is well: whoever is busy is not in trouble, and whoever lets others wait
may be, which the line tells."""


def describe_limits(desk: Desk) -> list[Limit]:
    """Return every limit, the nearest first; those that nobody set come last."""
    limits = [*_intake(desk), *_questions(desk), *_tree(desk), *_machine(desk)]
    return sorted(limits, key=_nearness)


def _nearness(limit: Limit) -> tuple[bool, bool, bool, float, str]:
    is_far = limit.share is None
    return limit.state == "ok", is_far, limit.name in NO_WALLS, -(limit.share or 0), limit.name


def make_limit(
    name: str,
    title: str,
    used: float,
    most: float | None,
    advice: str,
    *,
    unit: Literal["bytes", "count", "per_second"] = "count",
    setting: str | None = None,
) -> Limit:
    """Return one limit with its share and state."""
    share = None if not most else used / most
    state: LimitState = "ok"
    if name not in NO_WALLS and share is not None and share >= NEAR:
        state = "full" if share >= 1 else "near"
    return Limit(
        name=name,
        title=title,
        unit=unit,
        used=used,
        max=most or None,
        share=share,
        state=state,
        setting=setting,
        advice=advice,
    )


def _intake(desk: Desk) -> Iterator[Limit]:
    budget = desk.intake.budget
    yield make_limit(
        "otlp_bodies",
        "request bodies in memory",
        budget.bytes_held,
        budget.bytes_max,
        "when it is full, OTLP is answered with 429: send fewer requests at a time, or raise it",
        unit="bytes",
        setting="--otlp-inflight-bytes-max",
    )
    yield from _store(desk.pipeline.status())
    for each in desk.vitals.rates:
        yield make_limit(
            f"rate_{each.flag.removeprefix('--').replace('-', '_')}:{each.place}",
            f"{each.rate.noun} in a second at {each.place}",
            each.rate.used,
            each.rate.per_second or None,
            "what comes faster is refused, and datagrams are dropped: slow down, or raise the rate",
            unit="per_second",
            setting=each.flag,
        )


def _store(status: PipelineStatus) -> Iterator[Limit]:
    slow = "the engine does not keep up: look at its errors and at the disk, or send less"
    yield make_limit(
        "log",
        "log of what is not yet in the engine",
        status.log_bytes,
        status.log_bytes_max,
        f"when it is full, OTLP is answered with 429; {slow}",
        unit="bytes",
        setting="--log-bytes-max",
    )
    yield make_limit(
        "hot_bytes",
        "rows in memory",
        status.hot_bytes,
        status.hot_bytes_max,
        f"when it is full, OTLP is answered with 429; {slow}",
        unit="bytes",
    )
    yield make_limit(
        "batches",
        "batches that wait for the engine",
        status.batches_waiting,
        status.batches_waiting_max,
        f"beyond it OTLP is answered with 429; {slow}",
    )


def _questions(desk: Desk) -> Iterator[Limit]:
    yield make_limit(
        "query_threads",
        "questions at work",
        desk.threads.busy,
        desk.threads.threads,
        "further questions wait their turn: ask fewer at a time, or raise it where cores are idle",
        setting="--query-threads",
    )
    yield make_limit(
        "queries_waiting",
        "questions in line",
        desk.threads.waiting,
        desk.threads.waiting_max,
        "when the line is full, questions are answered with 429: look for slow ones below",
        setting="--query-threads",
    )
    yield make_limit(
        "live_feeds",
        "live feeds",
        desk.live.clients,
        desk.live.clients_max,
        "one more is answered with 429: close pages that nobody looks at, or raise it",
        setting="--live-clients-max",
    )


def _tree(desk: Desk) -> Iterator[Limit]:
    door = desk.trails()
    if door is not None:
        yield make_limit(
            "sockets",
            "sockets of apps",
            door.sockets,
            door.limits.sockets_max,
            "one more is turned away: let several apps of a process share one socket",
        )
    yield make_limit(
        "registry_queue",
        "writes that wait for the registry",
        desk.registry_status().queued,
        desk.vitals.registry_queue_max,
        "when it is full, writes are answered with 429: look at the disk of the registry",
    )


def _machine(desk: Desk) -> Iterator[Limit]:
    usage = read_usage()
    yield make_limit(
        "memory",
        "memory of the process",
        usage.resident_bytes,
        memory_bytes_max(),
        "beyond it the system ends the process: give it more, or ask and send less at once",
        unit="bytes",
    )
    if usage.open_files is not None:
        yield make_limit(
            "open_files",
            "open files",
            usage.open_files,
            open_files_max(),
            "beyond it connections fail: raise it with ulimit -n before the start",
        )
    disk = disk_of(desk.vitals.data_dir)
    if disk is not None:
        yield make_limit(
            "disk",
            "disk of the data folder",
            *disk,
            "when it is full, nothing is kept any more: free some, or keep less with --retention-…",
            unit="bytes",
            setting="--data-dir",
        )
