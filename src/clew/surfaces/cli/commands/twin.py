"""`clew objects` and `clew twin`: what there is, and what one of them was at a moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec
from cyclopts import Parameter

from clew.surfaces.cli.completion import complete_types
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import (
    FILTERS,
    AnswerFlags,
    Service,
    ServiceFlags,
    Switch,
    to_query,
)
from clew.surfaces.cli.objects import ObjId, ObjType, explain_no_object, suggesting
from clew.surfaces.cli.session import Listing, Session, Sheet, paged
from clew.surfaces.cli.views.twin import first_fields, object_legend, object_table, twin_lines
from clew.twin.parameters import ObjectQuery, StateQuery
from clew.twin.remote import TwinClient


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class ObjectFlags(ServiceFlags):
    """`ObjectQuery`, but for the type, which is the argument."""

    id: str | None = None
    """The whole id of an object whose type you do not know."""

    text: str | None = None
    """A part of the id."""

    service: Service = None
    """Exact name of the service that changed it."""

    deleted: Switch = False
    """Those that are gone as well."""


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class StateFlags:
    """`StateQuery`."""

    at: str | None = None
    """A time, 15m (ago), or the place of an event or a span: event:ID, span:ID. [default: now]"""

    raw: Switch = False
    """Values as they were sent, not as the registry's fields say."""


def objects(
    obj_type: Annotated[
        str | None,
        Parameter(name="TYPE", help="Only objects of this type."),
        Parameter(completer=complete_types),
    ] = None,
    /,
    *,
    flags: ObjectFlags | None = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """List objects as they are now."""
    session = Session(answer)
    client = TwinClient(session.client.server)
    query = to_query(flags, ObjectQuery, type=obj_type)
    find = paged(client.find_objects, query)
    listing = Listing(find(), "objects", "object", object_table, find, legend=object_legend)
    is_narrow = msgspec.structs.replace(query, type=None) != ObjectQuery()
    return session.show(listing, lambda: explain_no_object(client, obj_type, is_narrow=is_narrow))


def twin(
    obj_type: ObjType,
    obj_id: ObjId,
    /,
    *,
    flags: StateFlags | None = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Show what an object was at a moment."""
    session = Session(answer)
    client = TwinClient(session.client.server)
    with suggesting(client, obj_type, obj_id):
        reply = client.get_state(obj_type, obj_id, to_query(flags, StateQuery))
    fields = len(reply.document().state)
    return session.show_sheet(Sheet(reply, twin_lines, first_fields, fields))
