"""The one copy of a diagram that everybody edits who has it open, and tells of each change."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from clew.twin import TriLogLogger, tracked
from examples.graph_editor.blueprint.drawing import Edge, Node, Port

if TYPE_CHECKING:
    from examples.graph_editor.blueprint.collaboration import Edit
    from examples.graph_editor.blueprint.workspace import Diagram, Page

logger = TriLogLogger(__name__)


class Canvas:
    """A page of a diagram, and what is drawn on it."""

    def __init__(self, diagram: Diagram, page: Page) -> None:
        self.diagram = diagram
        self.page = page
        self.nodes: dict[str, Node] = {}
        self.edges: dict[str, Edge] = {}
        self.ports: dict[str, Port] = {}
        self._numbers = count(1)

    def new_id(self, kind: str) -> str:
        """Return an id that nothing of this diagram has."""
        return f"{self.diagram.id}.{kind}-{next(self._numbers)}"

    def make_ports(self, node: Node) -> None:
        """Give a node where edges begin and end."""
        for side in ("left", "right"):
            port = Port(f"{node.id}.{side}", node=node, side=side)
            self.ports[port.id] = port
            node.ports.append(port.id)
            logger.created(port)

    def draw_node(self, node: Node) -> None:
        """Draw a node that was not there."""
        logger.created(node)
        self.show_node(node)

    def show_node(self, node: Node) -> None:
        """Show a node on the page."""
        with tracked(self.page):
            self.page.nodes.append(node.id)
        self.nodes[node.id] = node

    def take_node(self, node: Node) -> None:
        """Remove a node; its ports stay, in case that it comes back."""
        with tracked(self.page):
            self.page.nodes.remove(node.id)
        logger.deleted(self.nodes.pop(node.id))

    def draw_edge(self, edge: Edge) -> None:
        """Draw an edge."""
        logger.created(edge)
        with tracked(self.page):
            self.page.edges.append(edge.id)
        self.edges[edge.id] = edge

    def take_edge(self, edge: Edge) -> None:
        """Remove an edge."""
        with tracked(self.page):
            self.page.edges.remove(edge.id)
        logger.deleted(self.edges.pop(edge.id))

    def edges_of(self, node: Node) -> list[Edge]:
        """Return the edges that begin or end at a node."""
        return [each for each in self.edges.values() if {each.source, each.target} & {*node.ports}]

    def count_edit(self, edit: Edit) -> None:
        """Let an edit be known: from here on the diagram is what it made of it."""
        with tracked(self.diagram):
            self.diagram.edits += 1
            self.diagram.last_edit = edit
