"""Who edits what at this moment, what they did, and what they said about it."""

from __future__ import annotations

from typing import Final

from clew.twin import Boolean, Dict, Float, List, Object, Reference, String, Timestamp, invariant
from examples.graph_editor.blueprint.people import User
from examples.graph_editor.blueprint.workspace import Diagram, Page


class EditSession(Object):
    """One user with a diagram open."""

    user = Reference(User, required=True)
    diagram = Reference(Diagram, required=True)
    cursor = Reference("Cursor")
    is_open = Boolean(default=True)


class Cursor(Object):
    """Where a user points; the others see it move."""

    page = Reference(Page)
    at = Dict({"x": Float(), "y": Float()})


class Edit(Object):
    """One thing that a user did to a page, and how to take it back."""

    session = Reference(EditSession, required=True)
    what = String(required=True)
    is_undone = Boolean(default=False)
    undone_by = Reference(User)
    at = Timestamp(auto_now_add=True)

    somebody_undid_it = invariant("not is_undone or undone_by is not None")


class Comment(Object):
    """What somebody says about something that is drawn."""

    author = Reference(User, required=True)
    text = String(required=True, min_length=1, max_length=10_000)
    about = Reference("Node")
    replies_to = Reference("Comment")
    is_resolved = Boolean(default=False)


class Revision(Object):
    """A diagram as it was when somebody published it."""

    diagram = Reference(Diagram, required=True)
    last_edit = Reference(Edit)
    published_by = Reference(User, required=True)
    nodes = List(String(), description="the labels, for the table of contents")


class Export(Object):
    """A diagram as a file."""

    revision = Reference(Revision, required=True)
    media_type = String(choices=["image/svg+xml", "image/png", "application/pdf"])
    status = String(default="waiting", choices=["waiting", "ready", "failed"])


TYPES: Final = (EditSession, Cursor, Edit, Comment, Revision, Export)
