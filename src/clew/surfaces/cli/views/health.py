"""How the server is, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError
from clew.surfaces.cli.grid import Column, Style, lay_out, plain, styled
from clew.surfaces.cli.servers import TIER
from clew.surfaces.cli.text import (
    NOTHING,
    escape,
    plural,
    show_bytes,
    show_count,
    show_duration,
    show_number,
    show_percent,
    show_time,
)
from clew.surfaces.cli.views.servers import server_lines

if TYPE_CHECKING:
    from clew.answers.health_documents import Health, Limit, Loss, SignalStorage, SlowQuestion
    from clew.surfaces.cli.grid import Line
    from clew.surfaces.cli.servers import ServerReport

_LIMITS: Final = (
    Column("limit", flexible=True, least=16),
    Column("used", right=True),
    Column("of", right=True),
    Column("share", right=True),
    Column("set by", drop=1),
)
_SIGNALS: Final = (
    Column("kept", flexible=True),
    Column("rows", right=True),
    Column("on disk", right=True),
    Column("indexes", right=True, drop=1),
    Column("uncompressed", right=True, drop=2),
)
_QUESTIONS: Final = (
    Column("when", drop=2),
    Column("took", right=True),
    Column("status", right=True),
    Column("route"),
    Column("asked", flexible=True),
    Column("by", drop=1),
)
_LOSSES: Final = (
    Column("lost"),
    Column("count", right=True),
    Column("what", drop=1),
    Column("why", flexible=True),
    Column("last", drop=2),
)

_OF_STATE: Final = {"ok": Style.PLAIN, "near": Style.YELLOW, "full": Style.BOLD_RED}


def health_lines(
    found: Health, width: int, *, questions: int, servers: ServerReport | ClewError | None = None
) -> list[Line]:
    """Return limits (the nearest first), sizes, the slowest questions and what was lost.

    `servers` are those of the group or the shards, or why they were not told; None of one alone.
    """
    lines = lay_out(_LIMITS, [_limit(each) for each in found.limits if each.max], width)
    for limit in found.limits:
        if limit.state != "ok":
            style = _OF_STATE[limit.state]
            lines.append([(f"  {escape(limit.title)}: ", style), (escape(limit.advice), style)])
    is_tier = servers is not None and not isinstance(servers, ClewError) and servers.kind == TIER
    if not is_tier:
        lines.append([])
        lines += lay_out(_SIGNALS, [_signal(each) for each in found.storage.signals], width)
    slowest = found.questions.slowest[:questions]
    if slowest:
        lines.append([])
        lines += lay_out(_QUESTIONS, [_question(each) for each in slowest], width)
    if found.losses:
        lines.append([])
        lines += lay_out(_LOSSES, [_loss(each) for each in found.losses], width)
    if isinstance(servers, ClewError):
        told = f"the servers of its group were not told: {servers.message}"
        lines += [[], styled(escape(told), Style.YELLOW)]
    elif servers is not None:
        lines += [[], *server_lines(servers, width)]
    lines.append([])
    lines += _state(found, is_tier=is_tier)
    return lines


def _limit(limit: Limit) -> list[Line]:
    show = show_bytes if limit.unit == "bytes" else show_count
    style = _OF_STATE[limit.state]
    return [
        styled(escape(limit.title), style),
        styled(show(round(limit.used)), style),
        plain(show(round(limit.max or 0))),
        styled(show_percent(limit.share or 0.0), style),
        styled(escape(limit.setting or NOTHING), Style.DIM),
    ]


def _signal(signal: SignalStorage) -> list[Line]:
    return [
        plain(escape(signal.signal)),
        plain(show_count(signal.rows)),
        plain(show_bytes(signal.bytes)),
        styled(show_bytes(signal.index_bytes), Style.DIM),
        styled(show_bytes(signal.uncompressed_bytes), Style.DIM),
    ]


def _question(question: SlowQuestion) -> list[Line]:
    has_failed = question.status >= 400
    return [
        styled(show_time(question.at), Style.DIM),
        plain(show_duration(question.duration_ms)),
        styled(str(question.status), Style.RED if has_failed else Style.DIM),
        plain(escape(f"{question.method} {question.route}")),
        plain(escape(NOTHING if question.asked is None else question.asked)),
        styled(escape(question.caller or NOTHING), Style.DIM),
    ]


def _loss(loss: Loss) -> list[Line]:
    return [
        plain(escape(loss.signal)),
        styled(show_count(loss.count), Style.YELLOW),
        plain(loss.outcome),
        plain(escape(loss.reason)),
        styled(show_time(loss.last_at) if loss.last_at else NOTHING, Style.DIM),
    ]


def _state(found: Health, *, is_tier: bool) -> list[Line]:
    process, storage, own = found.process, found.storage, found.own
    free = (
        "" if storage.disk_free_bytes is None else f", {show_bytes(storage.disk_free_bytes)} free"
    )
    registry = NOTHING if storage.registry_bytes is None else show_bytes(storage.registry_bytes)
    telling = "off"
    if own.interval_seconds is not None:
        records = plural(own.records, "record")
        telling = f"{records} since the start, one round in {own.interval_seconds:g} s"
    kept = f"{show_bytes(storage.bytes)}, log {show_bytes(storage.log_bytes)}{free}"
    if is_tier:
        kept = "nothing here: its shards keep it, see clew health --server URL of each"
    facts = [
        (
            "process",
            (
                f"clew {process.version}, up {show_duration(process.uptime_seconds * 1000)}, "
                f"{show_number(process.cpu_seconds)} s of processor time"
            ),
        ),
        ("store", kept),
        *([] if is_tier else [("registry", registry)]),
        (
            "slow",
            (
                f"{plural(found.questions.seen, 'question')} from "
                f"{show_duration(found.questions.threshold_ms)} on, or failed"
            ),
        ),
        ("own", telling),
    ]
    return [[(name.ljust(9), Style.DIM), (escape(text), Style.PLAIN)] for name, text in facts]
