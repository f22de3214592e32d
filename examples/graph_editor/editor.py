"""The editor: what a user can do to a diagram, and take back."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from clew.twin import TriLogLogger, tracked
from examples.graph_editor.blueprint.collaboration import Cursor, Edit, EditSession
from examples.graph_editor.blueprint.drawing import Edge, Node
from examples.graph_editor.blueprint.flows import Editing, Undoing
from examples.graph_editor.running import running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from examples.graph_editor.blueprint.people import User
    from examples.graph_editor.canvas import Canvas

logger = TriLogLogger(__name__)


class Editor:
    """A canvas as one user has it open. Each user takes back what he did himself."""

    def __init__(self, canvas: Canvas, user: User) -> None:
        self.canvas = canvas
        self.user = user
        self.cursor = Cursor(f"{canvas.diagram.id}.{user.id}.cursor", page=canvas.page)
        self.session = EditSession(
            f"{canvas.diagram.id}.{user.id}", user=user, diagram=canvas.diagram, cursor=self.cursor
        )
        self._done: list[tuple[Edit, Callable[[], None]]] = []
        logger.created(self.cursor)
        logger.created(self.session)

    def add_node(self, label: str, x: float, y: float) -> Node:
        """Draw a node."""
        node = Node(self.canvas.new_id("node"), label=label, position={"x": x, "y": y})
        with self._edit(f"adds {label}", lambda: self.canvas.take_node(node)):
            self.canvas.make_ports(node)
            self.canvas.draw_node(node)
        return node

    def move(self, node: Node, x: float, y: float) -> None:
        """Put a node elsewhere; its user's cursor goes along."""
        before = dict(node.position)

        def put(position: dict[str, float]) -> None:
            with tracked(node):
                node.position = position
            with tracked(self.cursor):
                self.cursor.at = position

        with self._edit(f"moves {node.label}", lambda: put(before)):
            put({"x": x, "y": y})

    def connect(self, source: Node, target: Node) -> Edge:
        """Draw an edge from the right of a node to the left of another."""
        edge = Edge(self.canvas.new_id("edge"), source=source.ports[1], target=target.ports[0])
        what = f"connects {source.label} to {target.label}"
        with self._edit(what, lambda: self.canvas.take_edge(edge)):
            self.canvas.draw_edge(edge)
        return edge

    def remove(self, node: Node) -> None:
        """Remove a node with its edges."""
        edges = self.canvas.edges_of(node)

        def bring_back() -> None:
            self.canvas.draw_node(node)
            for edge in edges:
                self.canvas.draw_edge(edge)

        with self._edit(f"removes {node.label}", bring_back):
            for edge in edges:
                self.canvas.take_edge(edge)
            self.canvas.take_node(node)

    def undo(self) -> None:
        """Take back the last thing that this user did."""
        edit, revert = self._done.pop()
        with running(Undoing, edit=edit) as flow:
            flow.record_step("reverting")
            revert()
            with tracked(edit):
                edit.is_undone = True
                edit.undone_by = self.user
            flow.record_step("sharing")
            self.canvas.count_edit(edit)

    def close(self) -> None:
        """Leave the diagram."""
        with tracked(self.session):
            self.session.is_open = False
        logger.deleted(self.cursor)

    @contextmanager
    def _edit(self, what: str, revert: Callable[[], None]) -> Iterator[None]:
        """Run a block as an edit that can be taken back."""
        edit = Edit(self.canvas.new_id("edit"), session=self.session, what=what)
        with running(Editing, edit=edit) as flow:
            flow.record_step("applying")
            logger.created(edit)
            yield
            flow.record_step("sharing")
            self.canvas.count_edit(edit)
        self._done.append((edit, revert))
