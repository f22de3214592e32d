"""What is drawn on a page."""

from __future__ import annotations

from typing import Final

from clew.twin import Dict, Float, List, Object, Reference, String, invariant


class Style(Object):
    """How nodes and edges look."""

    color = String(default="#333333", pattern="#[0-9a-f]{6}$")
    line = String(default="solid", choices=["solid", "dashed", "dotted"])
    line_width = Float(default=1.0, min_value=0.1, max_value=20)


class Node(Object):
    """A box. Version 1 called its label title, and wrote its place as a text: `120,40`."""

    label = String(required=True, max_length=200, renamed_from="title")
    position = Dict({"x": Float(required=True), "y": Float(required=True)})
    width = Float(default=120, min_value=1)
    height = Float(default=40, min_value=1)
    style = Reference(Style)
    ports = List(Reference("Port"))


class Port(Object):
    """Where edges begin and end at a node."""

    node = Reference(Node, required=True)
    side = String(default="right", choices=["left", "right", "top", "bottom"])


class Edge(Object):
    """A line from one port to another."""

    source = Reference(Port, required=True)
    target = Reference(Port, required=True)
    label = String()
    style = Reference(Style)

    leads_elsewhere = invariant("source != target")


class Frame(Object):
    """A border around nodes that belong together."""

    title = String()
    nodes = List(Reference(Node))


TYPES: Final = (Style, Node, Port, Edge, Frame)
