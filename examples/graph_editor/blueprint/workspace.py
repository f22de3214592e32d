"""Where diagrams lie, and what they are made with."""

from __future__ import annotations

from typing import Final

from clew.twin import Dict, Float, Integer, List, Object, Reference, String
from examples.graph_editor.blueprint.people import Team


class Workspace(Object):
    """The diagrams of a team, and what belongs to all of them."""

    name = String(required=True)
    team = Reference(Team, required=True)
    extensions = List(Reference("Extension"))


class Diagram(Object):
    """A drawing. It counts the edits that were made of it, and names the last one."""

    title = String(required=True)
    workspace = Reference(Workspace)
    pages = List(Reference("Page"))
    edits = Integer(default=0, min_value=0)
    last_edit = Reference("Edit")
    status = String(default="draft", choices=["draft", "in_review", "published"])


class Page(Object):
    """One sheet of a diagram, and what is drawn on it."""

    title = String(default="Page 1")
    nodes = List(Reference("Node"))
    edges = List(Reference("Edge"))
    frames = List(Reference("Frame"))


class NodeTemplate(Object):
    """What new nodes of a kind look like."""

    kind = String(required=True)
    ports = List(String())
    size = Dict({"width": Float(min_value=0), "height": Float(min_value=0)})


class Asset(Object):
    """A picture or font that diagrams use."""

    name = String(required=True)
    media_type = String()
    size_bytes = Integer(min_value=0)


class Extension(Object):
    """Code of others that runs in the editor."""

    name = String(required=True)
    release = String(pattern=r"\d+\.\d+\.\d+$")
    status = String(default="off", choices=["off", "on", "broken"])


TYPES: Final = (Workspace, Diagram, Page, NodeTemplate, Asset, Extension)
