"""What `clew doctor` looks at: each check says whether it is well, and else what to do.

A check never raises for what it finds; a finding is its result. What stands on this machine (ports,
disk, limits) is looked at only when the server does too.
"""

from __future__ import annotations

import platform
import resource
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from clew.answers.remote import AnswerClient
from clew.base.errors import ClewError, ErrorCode
from clew.base.version import compare_versions, own_version
from clew.remote.problems import LOOK, NoSuchAddressError
from clew.surfaces.cli.ports import (
    answers,
    find_locked_folder,
    find_owner,
    find_ports,
    is_here,
    read_file_limit,
)
from clew.surfaces.cli.text import plural, show_bytes, show_count, show_duration, show_percent
from clew.telemetry.group import GroupStatus, ShardList
from clew.telemetry.query.parameters import LogQuery, MetricQuery, SpanQuery

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from clew.remote.answer import Answer
    from clew.surfaces.cli.ports import Owner
    from clew.telemetry.documents import IngestStatus
    from clew.telemetry.remote import Reply, TelemetryClient

GIB: Final = 1 << 30

# The log may grow to 2 GiB and a merge writes its result beside its sources; below one gibibyte
# either can fail at any time.
DISK_BYTES_FEW: Final = 5 * GIB
DISK_BYTES_TOO_FEW: Final = 1 * GIB

# At half, the store has not kept up for a while; near the end the doors answer 429.
LOG_FILL_HIGH: Final = 0.5
LOG_FILL_FULL: Final = 0.9

# The Date header counts whole seconds, and asking takes a while; beyond that clocks differ.
CLOCK_SKEW_S: Final = 2.5

# The engine's threads hold a few descriptors each and every client one.
OPEN_FILES_FEW: Final = 4096

# What has the port and says nothing is told within this.
FIRST_SECONDS_MAX: Final = 10.0

# A leader that has nothing to send says so once a second.
SILENCE_S: Final = 5.0

SPANS_LATELY: Final = SpanQuery(last="60s", limit=1, count="exact")
LOGS_LATELY: Final = LogQuery(last="60s", limit=1, count="exact")
POINTS_LATELY: Final = MetricQuery(last="60s", limit=1, count="exact")

Status = Literal["ok", "warn", "fail"]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One line: what was looked at, how it is, and the next step where it is not well."""

    name: str
    status: Status
    detail: str
    hint: str | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The document of `clew doctor`."""

    ok: bool
    server: str
    checks: list[Check]
    count: int
    total: int
    truncated: bool


@dataclass(frozen=True, slots=True)
class Local:
    """What this machine's configuration says: doors by flag, and the folder of the data."""

    doors: Mapping[str, tuple[str, int]]
    data_dir: Path


def examine(client: TelemetryClient, local: Local | None) -> Report:
    """Return every check, in the order in which trouble is looked for."""
    server = client.server
    here = is_here(server.host)
    checks: list[Check] = []
    status: Reply[IngestStatus] | None = None
    shards: list[Check] = []
    owner = find_owner(server.port) if here else None
    try:
        with server.within(FIRST_SECONDS_MAX):
            # Whatever else takes time, this is answered at once.
            server.get("/healthz")
        status = client.get_ingest_status()
    except ClewError as error:
        checks.append(_check_failed(error, owner))
        owner = None
    else:
        checks.append(_check_server(status, server.url, owner))
        group = status.document().group
        shards = list(_check_shards(client))
        checks.append(_check_ready(client, group, is_tier=bool(shards)))
        if group is not None and group.enabled:
            checks.append(_check_settings(_check_group(group), group))
        checks.extend(shards)
        checks.append(_check_clock(status.answer.headers.get("date")))
    # A query tier takes nothing in and keeps nothing.
    if here and local is not None and not shards:
        checks.extend(_check_doors(local, owner, is_up=status is not None))
        folder = find_locked_folder(owner.pid) if owner else None
        checks.append(_check_disk(folder or local.data_dir))
    if status is not None:
        document = status.document()
        checks.append(_check_arrivals(client, document, group, is_tier=bool(shards)))
        checks.extend(_check_links(document))
        checks.extend(_check_log(document))
        checks.extend(_check_limits(client))
    checks.append(_check_files(owner))
    checks.append(_check_versions(status))
    return Report(
        ok=all(check.status != "fail" for check in checks),
        server=server.url,
        checks=checks,
        count=len(checks),
        total=len(checks),
        truncated=False,
    )


def _check_failed(error: ClewError, owner: Owner | None) -> Check:
    """Tell why no clew server answers, and who has the port where that is known."""
    who = f"; process {owner.pid} ({owner.name}) listens there" if owner else ""
    hint = error.hint
    if error.code is ErrorCode.TIMEOUT:
        hint = "a server that hangs, or another program that waits for something else"
    return Check(
        name="server",
        status="fail",
        detail=f"{error.message}{who}",
        hint=None if hint is None else hint.removesuffix(LOOK),
    )


def _check_server(status: Reply[IngestStatus], url: str, owner: Owner | None) -> Check:
    spent = f", {show_duration(status.server_ms)}" if status.server_ms is not None else ""
    process = f", process {owner.pid}" if owner else ""
    return Check(name="server", status="ok", detail=f"answers at {url}{process}{spent}")


def _check_ready(client: TelemetryClient, group: GroupStatus | None, *, is_tier: bool) -> Check:
    try:
        client.server.get("/readyz")
    except ClewError as error:
        return Check(
            name="ready",
            status="fail",
            detail=error.message,
            hint=f"see {client.server.url}/readyz and the server's own output",
        )
    if group is not None and group.enabled and not group.is_leader:
        detail = "answers questions; as a standby it takes records from its leader alone"
        return Check(name="ready", status="ok", detail=detail)
    if is_tier:
        detail = "answers questions; as a query tier it takes no records"
        return Check(name="ready", status="ok", detail=detail)
    return Check(name="ready", status="ok", detail="takes records and answers questions")


def _check_group(group: GroupStatus) -> Check:
    """Tell who leads, and who of the others is missing."""
    ask_all = "clew servers shows how each of them is"
    if group.is_leader:
        away = ", ".join(f"{each.url} ({each.detail})" for each in group.peers if not each.ok)
        there = sum(each.ok for each in group.peers)
        count = plural(len(group.peers), "standby")
        detail = f"leads epoch {group.epoch}; {there} of {count} there"
        if not away:
            return Check(name="group", status="ok", detail=detail)
        is_enough = there >= group.required_acks
        return Check(
            name="group",
            status="warn" if is_enough else "fail",
            detail=f"{detail}{'' if is_enough else ', too few to take records'}; missing: {away}",
            hint=f"start what is missing; {ask_all}",
        )
    if group.leader_url is None or group.leader_url == group.url:
        detail = f"a standby, and nobody leads, as far as it knows (epoch {group.epoch})"
        return Check(name="group", status="fail", detail=detail, hint=ask_all)
    heard = group.heard_seconds
    if heard is None or heard > SILENCE_S:
        since = "since it started" if heard is None else f"for {show_duration(heard * 1000)}"
        return Check(
            name="group",
            status="fail",
            detail=f"a standby of {group.leader_url}, not heard {since}",
            hint=f"start the leader, or have another lead with clew promote; {ask_all}",
        )
    behind = plural(group.behind or 0, "frame")
    detail = f"a standby of {group.leader_url} under epoch {group.epoch}, {behind} behind"
    return Check(name="group", status="ok", detail=detail)


def _check_settings(check: Check, group: GroupStatus) -> Check:
    """Tell of a group that is well that its servers are not set alike."""
    if check.status != "ok" or group.warning is None:
        return check
    hint = "start one after the other again with the same, while all of them are there"
    return Check(name="group", status="warn", detail=group.warning, hint=hint)


def _check_shards(client: TelemetryClient) -> Iterator[Check]:
    """Look at each shard, where the server is a query tier."""
    try:
        body = client.server.get("/api/v1/shards").body
    except ClewError:
        # A server that holds data itself, or an older one: it has none.
        return
    for shard in msgspec.json.decode(body, type=ShardList).shards:
        if shard.error is None and shard.warning is not None:
            yield Check(
                name=f"shard {shard.name}",
                status="warn",
                detail=shard.warning,
                hint=f"see who is away: clew servers --server {shard.url}",
            )
        elif shard.error is None:
            spent = f", {shard.latency_ms:.1f} ms" if shard.latency_ms is not None else ""
            yield Check(
                name=f"shard {shard.name}", status="ok", detail=f"answers at {shard.url}{spent}"
            )
        else:
            yield Check(
                name=f"shard {shard.name}",
                status="fail",
                detail=f"{shard.url}: {shard.error}",
                hint="answers lack what it holds; start it, or take it out of --shards",
            )


def _check_clock(date: str | None) -> Check:
    try:
        there = parsedate_to_datetime(date or "")
    except ValueError:
        return Check(name="clock", status="ok", detail="the server does not tell its time")
    skew_s = (datetime.now(UTC) - there).total_seconds()
    if abs(skew_s) <= CLOCK_SKEW_S:
        return Check(name="clock", status="ok", detail="this machine and the server agree")
    ahead = "behind" if skew_s < 0 else "ahead of"
    return Check(
        name="clock",
        status="warn",
        detail=f"this machine is {show_duration(abs(skew_s) * 1000)} {ahead} the server",
        hint="--last counts by the server's clock; set both by NTP",
    )


def _check_doors(local: Local, server: Owner | None, *, is_up: bool) -> Iterator[Check]:
    own = find_ports(server.pid) if server is not None else []
    for flag, (host, port) in local.doors.items():
        place = f"{host}:{port}"
        name = f"door {flag.removeprefix('--')}"
        if answers(host, port):
            yield _check_open_door(name, flag, place, find_owner(port), server)
        elif not is_up:
            yield Check(name=name, status="ok", detail=f"{place} is free")
        elif len(own) > 1:
            listed = ", ".join(map(str, own))
            detail = f"{place} is closed; this server listens at the ports {listed}"
            yield Check(name=name, status="ok", detail=detail)
        else:
            yield Check(
                name=name,
                status="warn",
                detail=f"{place} is closed",
                hint=f"open it with: clew serve {flag} {place}",
            )


def _check_open_door(
    name: str, flag: str, place: str, owner: Owner | None, server: Owner | None
) -> Check:
    if owner is None:
        return Check(name=name, status="ok", detail=f"{place} is open; by whom cannot be told")
    who = f"{owner.name} (process {owner.pid})"
    if server is not None and owner.pid == server.pid:
        return Check(name=name, status="ok", detail=f"{place} is open")
    if owner.is_clew:
        return Check(name=name, status="ok", detail=f"{place} is held by another clew, {who}")
    return Check(
        name=name,
        status="warn",
        detail=f"{place} is held by {who}, not by clew",
        hint=f"stop it, or choose another port: clew serve {flag} HOST:PORT",
    )


def _check_disk(folder: Path) -> Check:
    present = next(each for each in (folder, *folder.parents) if each.exists())
    try:
        usage = shutil.disk_usage(present)
    except OSError as error:
        return Check(name="disk", status="warn", detail=f"{present}: {error.strerror}")
    detail = f"{show_bytes(usage.free)} free for {folder}"
    hint = "free some, choose another --data-dir, or keep less with --retention-traces"
    if usage.free < DISK_BYTES_TOO_FEW:
        return Check(name="disk", status="fail", detail=detail, hint=hint)
    if usage.free < DISK_BYTES_FEW:
        return Check(name="disk", status="warn", detail=detail, hint=hint)
    return Check(name="disk", status="ok", detail=detail)


def _check_arrivals(
    client: TelemetryClient, status: IngestStatus, group: GroupStatus | None, *, is_tier: bool
) -> Check:
    try:
        lately = {
            "span": _count(client.find_spans(SPANS_LATELY).document()),
            "log record": _count(client.find_logs(LOGS_LATELY).document()),
            "point": _count(client.find_metrics(POINTS_LATELY).document()),
        }
    except ClewError as error:
        return Check(name="arrivals", status="fail", detail=error.message, hint=error.hint)
    shown = ", ".join(plural(count, noun) for noun, count in lately.items())
    records = plural(sum(signal.records for signal in status.signals), "record")
    since = "the shards that answer" if is_tier else "the server"
    detail = f"last minute: {shown}; {records} since {since} started"
    if any(lately.values()):
        return Check(name="arrivals", status="ok", detail=detail)
    hint = "send some: clew demo, or set OTEL_EXPORTER_OTLP_ENDPOINT in your program"
    if is_tier:
        hint = "send some to the shards: docs/guide/collector.md divides them among these"
    elif group is not None and group.enabled and not group.is_leader:
        hint = f"send some to the one that leads: {group.leader_url or 'clew servers names it'}"
    return Check(name="arrivals", status="warn", detail=detail, hint=hint)


def _check_links(status: IngestStatus) -> Iterator[Check]:
    """Tell what became of link sets, of which nobody else hears when they are lost."""
    for signal in status.signals:
        if signal.signal != "links" or not signal.requests:
            continue
        lost = dict(signal.dropped or {})
        # What came twice is kept once.
        lost.pop("replayed", None)
        reasons = [f"{reason} {show_count(n)}" for reason, n in {**signal.rejected, **lost}.items()]
        detail = f"{plural(signal.records, 'set')} kept since the server started"
        if not reasons:
            yield Check(name="link sets", status="ok", detail=detail)
            continue
        yield Check(
            name="link sets",
            status="warn",
            detail=f"{detail}; not kept: {', '.join(reasons)}",
            hint="docs/guide/provenance.md tells what the reasons mean",
        )


def _check_log(status: IngestStatus) -> Iterator[Check]:
    fill = status.log_bytes / status.log_bytes_max if status.log_bytes_max else 0.0
    size = f"{show_bytes(status.log_bytes)} of {show_bytes(status.log_bytes_max)}"
    detail = f"{size} ({show_percent(fill)}), {plural(status.batches_waiting, 'batch')} waiting"
    hint = status.last_error or "the store does not keep up; see the server's own output"
    if not status.writable or fill >= LOG_FILL_FULL:
        yield Check(name="log", status="fail", detail=detail, hint=hint)
    elif fill >= LOG_FILL_HIGH:
        yield Check(name="log", status="warn", detail=detail, hint=hint)
    else:
        yield Check(name="log", status="ok", detail=detail)
    if status.damaged_frames or status.refused_frames:
        yield Check(
            name="frames",
            status="warn",
            detail=f"{status.damaged_frames} damaged, {status.refused_frames} refused",
            hint="they are kept beside the log; see the server's own output",
        )
    else:
        yield Check(name="frames", status="ok", detail="none damaged, none refused")


def _check_limits(client: TelemetryClient) -> Iterator[Check]:
    """Tell of every limit of the server that is near; older servers tell of none."""
    try:
        health = AnswerClient(client.server).get_health().document()
    except NoSuchAddressError:
        return
    except ClewError as error:
        yield Check(name="limits", status="warn", detail=error.message, hint=error.hint)
        return
    near = [limit for limit in health.limits if limit.state != "ok"]
    for limit in near:
        yield Check(
            name="limits",
            status="warn",
            detail=f"{limit.title}: {show_percent(limit.share or 0.0)} in use",
            hint=limit.advice,
        )
    if not near:
        nearest = health.limits[0]
        detail = f"none is near; the nearest is {nearest.title}, {show_percent(nearest.share or 0)}"
        yield Check(name="limits", status="ok", detail=detail)


def _check_files(owner: Owner | None) -> Check:
    limit = read_file_limit(owner.pid) if owner else None
    whose = "the server"
    if limit is None:
        limit, whose = resource.getrlimit(resource.RLIMIT_NOFILE)[1], "a process here"
    if limit == resource.RLIM_INFINITY:
        return Check(name="files", status="ok", detail=f"{whose} may open any number")
    detail = f"{whose} may open {show_count(limit)} files"
    if limit >= OPEN_FILES_FEW:
        return Check(name="files", status="ok", detail=detail)
    return Check(name="files", status="warn", detail=detail, hint="raise it: ulimit -n 65536")


def _check_versions(status: Reply[IngestStatus] | None) -> Check:
    ours = own_version()
    theirs = _server_version(status.answer) if status is not None else None
    is_same = theirs is not None and compare_versions(ours, theirs) == 0
    parts = [f"clew {ours}" + (" here and on the server" if is_same else "")]
    parts += [f"Python {platform.python_version()}", f"chdb {_version_of('chdb')}"]
    if status is not None:
        parts.append(f"decoder {status.document().decoder}")
        if theirs is None:
            parts.append("the server does not tell its version")
        elif not is_same:
            parts.append(f"the server is clew {theirs}")
    detail = ", ".join(parts)
    if theirs is not None and not is_same:
        hint = _upgrade_hint(ours, theirs)
        return Check(name="versions", status="warn", detail=detail, hint=hint)
    if status is not None and status.document().decoder != "native":
        return Check(
            name="versions",
            status="warn",
            detail=detail,
            hint="the Python decoder is some 60 times slower: install clew-native",
        )
    return Check(name="versions", status="ok", detail=detail)


def _server_version(answer: Answer) -> str | None:
    """Return the version in a server's own words; a proxy may put its name in their place."""
    name, _, theirs = answer.headers.get("server", "").partition("/")
    return theirs if name == "clew" and theirs else None


def _upgrade_hint(ours: str, theirs: str) -> str:
    match compare_versions(ours, theirs):
        case -1:
            return f"the server is newer: upgrade clew here to {theirs}"
        case 1:
            return f"the server is older: upgrade clew there to {ours} and start it again"
        case _:
            return "install the same version on both sides"


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _count(document: msgspec.Struct) -> int:
    total: int | None = getattr(document, "total", None)
    at_least: int | None = getattr(document, "at_least", None)
    return total if total is not None else at_least or 0
