"""`clew timeline`, `history`, `state-diff` and `rejected`: how objects came to be as they are."""

from __future__ import annotations

import dataclasses
import difflib
from functools import partial
from typing import TYPE_CHECKING

from clew.base.errors import ClewError, ErrorCode, shorten
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import AnswerFlags, to_query
from clew.surfaces.cli.objects import FieldName, ObjId, ObjType, suggesting
from clew.surfaces.cli.session import Listing, Session, Sheet, paged
from clew.surfaces.cli.twin_flags import (
    DifferenceFlags,
    HistoryFlags,
    RejectedFlags,
    TimelineFlags,
)
from clew.surfaces.cli.views.timeline import (
    difference_lines,
    event_legend,
    event_table,
    fields_of,
    first_differences,
    rejected_legend,
    rejected_table,
    value_legend,
    value_table,
)
from clew.twin.parameters import (
    DifferenceQuery,
    HistoryQuery,
    RejectedQuery,
    StateQuery,
    TimelineQuery,
)
from clew.twin.remote import TwinClient

if TYPE_CHECKING:
    from clew.twin import documents as doc


def timeline(
    obj_type: ObjType,
    obj_id: ObjId,
    /,
    *,
    flags: TimelineFlags | None = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """List the events of an object."""
    session = Session(answer)
    client = TwinClient(session.client.server)
    find = paged(partial(client.find_events, obj_type, obj_id), to_query(flags, TimelineQuery))
    with suggesting(client, obj_type, obj_id):
        found = find()
    listing = Listing(found, "events", "event", event_table, find, legend=event_legend)
    return session.show(listing, partial(_nothing, "event", f"clew timeline {obj_type} {obj_id}"))


def history(
    obj_type: ObjType,
    obj_id: ObjId,
    field: FieldName,
    /,
    *,
    flags: HistoryFlags | None = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """List the values that a field had."""
    session = Session(answer)
    client = TwinClient(session.client.server)
    query = to_query(flags, HistoryQuery, **_distinct(flags))
    find = paged(partial(client.find_values, obj_type, obj_id, field), query)
    with suggesting(client, obj_type, obj_id):
        found = find()
    listing = Listing(found, "values", "value", value_table, find, legend=value_legend)
    warnings = found.document().warnings
    return session.show(listing, partial(_no_value, client, (obj_type, obj_id), field, warnings))


def state_diff(
    obj_type: ObjType,
    obj_id: ObjId,
    /,
    *,
    flags: DifferenceFlags,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Show what differs between two moments of an object."""
    session = Session(answer)
    client = TwinClient(session.client.server)
    with suggesting(client, obj_type, obj_id):
        reply = client.compare(obj_type, obj_id, to_query(flags, DifferenceQuery))
    fields = len(fields_of(reply.document()))
    return session.show_sheet(Sheet(reply, difference_lines, first_differences, fields))


def rejected(*, flags: RejectedFlags | None = None, answer: AnswerFlags | None = None) -> ExitCode:
    """List events that do not count."""
    session = Session(answer)
    client = TwinClient(session.client.server)
    find = paged(client.find_rejected, to_query(flags, RejectedQuery))
    listing = Listing(find(), "events", "event", rejected_table, find, legend=rejected_legend)
    return session.show(listing, partial(_nothing_rejected, flags or RejectedFlags()))


def _distinct(flags: HistoryFlags | None) -> dict[str, bool]:
    """Return the one switch that is on unless it is turned off."""
    return {"distinct": False} if flags is not None and not flags.distinct else {}


def _no_value(
    client: TwinClient, name: tuple[str, str], field: str, warnings: list[doc.Remark]
) -> ClewError:
    """Return the error for an empty history, with the fields that may have been meant."""
    if warnings:
        hint = "ask for what is known now, or for a later recorded time"
        return ClewError(ErrorCode.NOT_FOUND, warnings[0].message, hint=hint)
    known = client.get_state(*name, StateQuery()).document().state
    if field in known:
        return _nothing("value", f"clew history {' '.join(name)} {field}")
    near = difflib.get_close_matches(field, known, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"it has: {', '.join(known) or '-'}"
    said = f"no value matched: it has no field {shorten(field, 80)!r} now"
    return ClewError(ErrorCode.NOT_FOUND, said, hint=hint)


def _nothing_rejected(flags: RejectedFlags) -> ClewError:
    is_all = dataclasses.replace(flags, warned=False) == RejectedFlags()
    if flags.warned:
        said = "no event looks wrong" if is_all else "no such event looks wrong"
        other = "what does not count: clew rejected"
    else:
        said = "no event was rejected" if is_all else "no rejected event matched"
        other = "what counts and looks wrong: clew rejected --warned"
    hint = other if is_all else f"widen the filters, or see {other}"
    return ClewError(ErrorCode.NOT_FOUND, said, hint=hint)


def _nothing(noun: str, look: str) -> ClewError:
    hint = f"widen the filters, or look at: {look}"
    return ClewError(ErrorCode.NOT_FOUND, f"no {noun} matched", hint=hint)
