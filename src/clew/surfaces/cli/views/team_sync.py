"""The sync of a team: what it came to, what waits and why, what met and what was made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.surfaces.cli.grid import Column, Style, lay_out, plain, styled
from clew.surfaces.cli.naming import short_id
from clew.surfaces.cli.text import NOTHING, Clock, escape, plural, show_count, show_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.surfaces.cli.grid import Line
    from clew.team.teams import documents as doc

NAME_CHARS: Final = 40
"""Of what a conflict is about, in its list."""

_QUEUE_COLUMNS: Final = (
    Column("id"),
    Column("what"),
    Column("of"),
    Column("written"),
    Column("tries", right=True),
    Column("why it waits", flexible=True, least=20),
)

_ROUND_COLUMNS: Final = (
    Column("began"),
    Column("came to"),
    Column("sent", right=True),
    Column("aside", right=True),
    Column("in", right=True),
    Column("met", right=True),
    Column("why", flexible=True),
)

_CONFLICT_COLUMNS: Final = (
    Column("id"),
    Column("met"),
    Column("of"),
    Column("about", flexible=True, least=12),
    Column("winner"),
    Column("lost in", flexible=True),
    Column("decided", drop=1),
)

_SIDE_COLUMNS: Final = (
    Column(""),
    Column("field"),
    Column("before", flexible=True, least=10, drop=1),
    Column("here", flexible=True, least=10),
    Column("there", flexible=True, least=10),
    Column("became", flexible=True, least=10),
)

_OUTCOME_STYLES: Final = {
    "done": Style.GREEN,
    "offline": Style.YELLOW,
    "paused": Style.YELLOW,
    "failed": Style.BOLD_RED,
}

_KINDS: Final = {
    "teams": "team",
    "members": "member",
    "shared_sessions": "session",
    "comments": "comment",
    "saved_queries": "query",
}
"""What one of a type is called."""

_TITLES: Final = ("title", "name", "body", "email", "display_name")
"""Fields that say of an entity what it is, the best first."""


def report_lines(document: doc.SyncReport, _width: int) -> list[Line]:
    """Return what a sync came to, and the next step where something is left."""
    told = (
        f": {document.synced} sent · {document.pulled} in · {document.pending} waiting ·"
        f" {document.failed} set aside · {plural(document.conflicts, 'conflict')}"
    )
    style = _OUTCOME_STYLES.get(document.outcome, Style.PLAIN)
    lines: list[Line] = [[(escape(document.outcome), style), (told, Style.PLAIN)]]
    if document.error:
        lines.append(styled(f"  {escape(document.error)}", Style.YELLOW))
    if document.failed:
        lines.append(styled("  see why: clew team queue --failed", Style.DIM))
    if document.conflicts:
        lines.append(styled("  look at them: clew team conflicts", Style.DIM))
    return lines


def queue_table(document: doc.OperationList, width: int) -> list[Line]:
    """Return a line per operation, with why it is not sent yet."""
    clock = Clock(each.created_at for each in document.operations)
    rows = [
        [
            plain(short_id(escape(each.op_id))),
            plain(escape(each.operation)),
            plain(_kind(each.entity_type)),
            plain(clock.show(each.created_at, digits=0)),
            plain(show_count(each.tries)),
            _why(each),
        ]
        for each in document.operations
    ]
    lines = lay_out(_QUEUE_COLUMNS, rows, width)
    return [*lines, styled(clock.legend(), Style.DIM)] if rows else lines


def round_table(document: doc.RoundList, width: int) -> list[Line]:
    """Return a line per round."""
    clock = Clock(each.began_at for each in document.rounds)
    rows = [
        [
            plain(clock.show(each.began_at, digits=0)),
            styled(escape(each.outcome), _OUTCOME_STYLES.get(each.outcome, Style.PLAIN)),
            plain(show_count(each.sent)),
            plain(show_count(each.failed)),
            plain(show_count(each.pulled)),
            plain(show_count(each.conflicts)),
            plain(escape(each.error or "")),
        ]
        for each in document.rounds
    ]
    lines = lay_out(_ROUND_COLUMNS, rows, width)
    return [*lines, styled(clock.legend(), Style.DIM)] if rows else lines


def conflict_table(document: doc.ConflictList, width: int) -> list[Line]:
    """Return a line per conflict."""
    clock = Clock(each.created_at for each in document.conflicts)
    rows = [
        [
            plain(short_id(escape(each.id))),
            plain(clock.show(each.created_at, digits=0)),
            plain(_kind(each.entity_type)),
            plain(_title(each)),
            plain(escape(each.winner)),
            styled(", ".join(map(escape, each.fields)) or "all of it", Style.YELLOW),
            styled(escape(each.resolution or NOTHING), Style.DIM),
        ]
        for each in document.conflicts
    ]
    lines = lay_out(_CONFLICT_COLUMNS, rows, width)
    return [*lines, styled(clock.legend(), Style.DIM)] if rows else lines


def conflict_lines(document: doc.ConflictHead, width: int) -> list[Line]:
    """Return the sides of a conflict beside each other; what somebody lost is marked."""
    sides = (document.base, document.local, document.remote, document.outcome)
    names = sorted({name for side in sides for name in side or {}})
    differing = [name for name in names if len({_text(side, name) for side in sides if side}) > 1]
    lost = set(document.fields)
    rows = [
        [
            styled("!" if name in lost else " ", Style.YELLOW),
            styled(escape(name), Style.BOLD if name in lost else Style.PLAIN),
            styled(_text(document.base, name), Style.DIM),
            *(_side(side, document.base, name) for side in sides[1:3]),
            styled(_text(document.outcome, name), Style.GREEN),
        ]
        for name in differing
    ]
    decided = (
        f"decided for {document.resolution}, {show_time(document.resolved_at)}"
        if document.resolution and document.resolved_at
        else f"by {document.strategy.replace('_', ' ')}: {document.winner} won"
    )
    lines: list[Line] = [
        [
            (f"{_kind(document.entity_type)} ", Style.DIM),
            (_title(document), Style.BOLD),
            (f" · {decided}", Style.PLAIN),
        ],
        styled(f"here {show_time(document.local_at)}", Style.DIM),
        styled(f"there {show_time(document.remote_at)}", Style.DIM),
        styled(f"id {escape(document.id)}", Style.DIM),
        [],
        *_deletions(document),
        *(lay_out(_SIDE_COLUMNS, rows, width) if rows else []),
    ]
    same = len(names) - len(differing)
    told = f"! somebody's change is lost · {plural(same, 'field')} alike on all sides"
    step = f"decide with: clew team resolve {short_id(document.id)} --take local|remote|outcome"
    return [*lines, styled(told, Style.DIM), styled(step, Style.DIM)]


def _deletions(document: doc.ConflictHead) -> list[Line]:
    told = [("deleted here", document.local), ("deleted there", document.remote)]
    return [styled(said, Style.BOLD_RED) for said, side in told if side is None]


def _side(side: Mapping[str, Any] | None, base: Mapping[str, Any] | None, name: str) -> Line:
    text = _text(side, name)
    changed = side is not None and text != _text(base, name)
    return styled(text, Style.CYAN if changed else Style.DIM)


def _text(side: Mapping[str, Any] | None, name: str) -> str:
    """Return what a side says of a field, on one line."""
    if side is None or name not in side or side[name] is None:
        return NOTHING
    value = side[name]
    return escape(value if isinstance(value, str) else msgspec.json.encode(value).decode())


def _why(operation: doc.QueuedOperation) -> Line:
    if operation.error is None:
        return styled("on its way" if operation.in_flight else "its turn", Style.DIM)
    line = styled(escape(operation.error), Style.YELLOW)
    if operation.in_flight:
        return [*line, (" · on its way again", Style.DIM)]
    if operation.next_attempt_at is not None:
        line.append((f" · again {show_time(operation.next_attempt_at)}", Style.DIM))
    return line


def _kind(entity_type: str) -> str:
    return _KINDS.get(entity_type, escape(entity_type))


def _title(conflict: doc.ConflictHead) -> str:
    for side in (conflict.outcome, conflict.local, conflict.remote, conflict.base):
        for name in _TITLES:
            if side and side.get(name):
                return escape(str(side[name]))[:NAME_CHARS]
    return short_id(escape(conflict.entity_id))
