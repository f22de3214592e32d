"""`clew objects`, `twin`, `graph` and `touched`: what there is, and what it was at a moment."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import msgspec
from cyclopts import Parameter

from clew.surfaces.cli.completion import complete_types
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import AnswerFlags, to_query
from clew.surfaces.cli.objects import ObjId, ObjType, explain_no_object, suggesting
from clew.surfaces.cli.session import Listing, Session, Sheet, paged
from clew.surfaces.cli.twin_flags import GraphFlags, ObjectFlags, StateFlags, TouchedFlags
from clew.surfaces.cli.views.graph import first_objects, graph_lines, touched_table
from clew.surfaces.cli.views.twin import first_fields, object_legend, object_table, twin_lines
from clew.twin.parameters import GraphQuery, ObjectQuery, StateQuery, TouchedQuery
from clew.twin.remote import TwinClient


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


def graph(
    obj_type: ObjType,
    obj_id: ObjId,
    /,
    *,
    flags: GraphFlags | None = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Show an object with all that its references reach."""
    session = Session(answer)
    client = TwinClient(session.client.server)
    with suggesting(client, obj_type, obj_id):
        reply = client.get_graph(obj_type, obj_id, to_query(flags, GraphQuery))
    objects = len(reply.document().objects)
    how = "a larger --max-tokens, or a smaller --depth"
    return session.show_sheet(Sheet(reply, graph_lines, first_objects, objects, how))


def touched(
    trace_id: Annotated[str, Parameter(name="TRACE", help="The trace's id.")],
    /,
    *,
    flags: TouchedFlags | None = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Show the objects that a trace touched."""
    session = Session(answer)
    client = TwinClient(session.client.server)
    find = paged(partial(client.find_touched, trace_id), to_query(flags, TouchedQuery))
    how = "a larger --max-tokens, or --limit"
    listing = Listing(find(), "objects", "object", touched_table, find, how=how)
    return session.show(listing)
